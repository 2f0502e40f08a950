//! Opens and closes the gate: joins what startup reports and what the guard finds to the queue.

use std::convert::Infallible;
use std::future::pending;

use readiness_guard::{NotReady, Reason, Verdict};
use startup_phases::{Event, Phase};
use tokio::time::Instant;
use tracing::{info, warn};
use ws_queue::Gate;

use crate::registry::Client;
use crate::shared::Shared;

/// Conducts the gate for as long as it is polled.
///
/// One guard looks on behalf of every client (G7), at its fixed interval. What this process knows
/// of itself, that a phase was reached or that startup failed, does not wait for the next look:
/// it nudges the guard to look at that moment (S2).
pub(crate) async fn conduct(server: &Shared, gate: &Gate<Client>) -> Infallible {
    tokio::select! {
        biased;
        never = begin_to_hold(server, gate) => match never {},
        never = open_and_close(server, gate) => match never {},
    }
}

/// Clients that come before `queue.hold_from` are refused.
async fn begin_to_hold(server: &Shared, gate: &Gate<Client>) -> Infallible {
    let hold_from = server.settings.queue.hold_from;
    let mut phases = server.phases.clone();
    while let Some(transition) = phases.next().await {
        if matches!(transition.event, Event::PhaseEntered(phase) if phase >= hold_from) {
            gate.hold();
            break;
        }
    }
    pending().await
}

async fn open_and_close(server: &Shared, gate: &Gate<Client>) -> Infallible {
    let began = Instant::now();
    let settings = &server.settings;
    let opens_at = settings
        .startup
        .open_after
        .max(settings.guard.minimum_phase);
    loop {
        match server.guard.wait_nudged(news(server, opens_at)).await {
            // Who bypasses readiness does not wait for startup either (G8).
            Verdict::Ready(ready) if ready.bypassed => {}
            Verdict::Ready(_) => {
                let open_after = server.phases.reached(settings.startup.open_after).await;
                if open_after.is_err() {
                    continue;
                }
            }
            Verdict::NotReady(why) if why.reason() == Reason::StartupFailed => {
                gate.fail();
                return pending().await;
            }
            // Held clients have limits of their own: the guard only looks again.
            Verdict::NotReady(_) => continue,
        }
        let held = gate.status().size;
        gate.open();
        info!(held, after = ?began.elapsed(), "gate open");
        let why: NotReady = server.guard.lost().await;
        gate.close();
        warn!(%why, "gate closed again");
    }
}

/// Resolves when there is something to look at: `phase` is reached, or startup has failed. Never
/// where that was known before.
async fn news(server: &Shared, phase: Phase) {
    if server.phases.state().failure().is_some() || server.phases.has_reached(phase) {
        pending::<()>().await;
    }
    // Either way it is news.
    let _ = server.phases.reached(phase).await;
}
