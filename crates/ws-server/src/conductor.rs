//! Opens and closes the gate: joins what startup reports and what the guard finds to the queue.

use std::convert::Infallible;
use std::future::pending;

use readiness_guard::Verdict;
use startup_phases::{Event, Phase};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use ws_queue::Gate;

use crate::drain::Schedule;
use crate::registry::Client;
use crate::shared::Shared;

/// Conducts the gate for as long as it is polled.
///
/// One guard looks on behalf of every client (G7), at its fixed interval. What this process knows
/// of itself does not wait for the next look (S2): that a phase is reached nudges the guard to look
/// at that moment, and that startup has failed ends every hold.
pub(crate) async fn conduct(server: &Shared, gate: &Gate<Client>) -> Infallible {
    tokio::select! {
        biased;
        never = fail_with_startup(server, gate) => match never {},
        never = begin_to_hold(server, gate) => match never {},
        never = open_and_close(server, gate) => match never {},
    }
}

/// Refuses everyone once startup has failed, whatever the guard says: behind a bypass, too (S8).
/// The live are closed now as well, before what they use is undone and their handlers fail (S5).
async fn fail_with_startup(server: &Shared, gate: &Gate<Client>) -> Infallible {
    if server.phases.complete().await.is_err() {
        gate.fail();
        let code = server.settings.shutdown.close_code.into();
        let at_once = Schedule::at_once(code, Instant::now());
        server.drain.tell(&at_once).await
    } else {
        pending().await
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
    let opens_at = server.settings.opens_at();
    let mut signal = server.signal.clone();
    loop {
        let began = Instant::now();
        let waited = tokio::select! {
            biased;
            waited = server.guard.wait_nudged(news(server, opens_at)) => waited,
            // A new wait begins with a look.
            () = signal.sent() => continue,
        };
        let metrics = &server.journal.metrics;
        metrics.guard_waited(waited.as_str(), began.elapsed());
        match waited {
            Verdict::Ready(_) => {}
            Verdict::NotReady(why) if !why.worth_holding() => return pending().await,
            // Held clients have limits of their own: the guard only looks again.
            Verdict::NotReady(_) => continue,
        }
        let held = gate.status().size;
        let after = server.journal.opening(held);
        gate.open();
        server.opened();
        info!(held, ?after, "gate open");
        tokio::select! {
            biased;
            never = tell_release(server, gate, held) => match never {},
            () = gate.reported_gone() => {
                // A report that came as the guard lost it, too, is found behind the next opening.
                close(server, gate);
                warn!("gate closed again: a client found nobody behind it");
                // What has just gone is looked for at the next interval, so that an upstream that
                // comes and goes is asked no more often than that.
                tokio::select! {
                    biased;
                    () = signal.sent() => {}
                    () = sleep(server.settings.guard.interval) => {}
                }
            }
            () = signal.lost() => {
                close(server, gate);
                info!("gate closed again: what lies behind it is known to be gone");
            }
            why = server.guard.lost() => {
                close(server, gate);
                info!(reason = %why.reason(), "gate closed again");
            }
        }
    }
}

fn close(server: &Shared, gate: &Gate<Client>) {
    gate.close();
    server.journal.closed();
}

/// Tells when all who were held have been let in, which a paced release takes its time for.
async fn tell_release(server: &Shared, gate: &Gate<Client>, held: usize) -> Infallible {
    if held > 0 {
        let mut changes = server.journal.changes();
        let is_released = || server.journal.is_released() || gate.status().size == 0;
        while !is_released() && changes.changed().await.is_ok() {}
        if let Some(opened) = server.journal.opened() {
            let (admitted, took) = (opened.admitted, opened.took);
            info!(admitted, ?took, "held clients admitted");
        }
    }
    pending().await
}

/// Resolves when `phase` is reached; never where that is known, or will not happen any more.
async fn news(server: &Shared, phase: Phase) {
    if server.phases.has_reached(phase) || server.phases.reached(phase).await.is_err() {
        pending::<()>().await;
    }
}
