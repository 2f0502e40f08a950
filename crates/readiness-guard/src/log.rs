//! The lines a guard logs (G6), all of them.

use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use startup_phases::{Event, Phase, PhaseWatch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{NotReady, Observation};

/// Progress is told this often, however often the guard looks.
const PROGRESS: Duration = Duration::from_secs(1);

pub(crate) fn succeeded(seen: &Observation, interval: Duration) {
    info!(
        elapsed = ?seen.elapsed,
        checks = seen.checks,
        ?interval,
        phase = phase(seen.phase),
        "Fixed-interval wait completed successfully"
    );
}

pub(crate) fn gave_up(why: &NotReady, interval: Duration) {
    let seen = &why.observation;
    warn!(
        elapsed = ?seen.elapsed,
        checks = seen.checks,
        ?interval,
        phase = phase(seen.phase),
        reason = %why.reason,
        failed_checks = %failed_checks(seen),
        "Fixed-interval wait ended without readiness"
    );
}

pub(crate) fn lost(why: &NotReady) {
    let seen = &why.observation;
    warn!(reason = %why.reason, failed_checks = %failed_checks(seen), "Readiness lost");
}

pub(crate) fn bypassed() {
    warn!("Readiness bypassed by an explicit setting: answering ready without having looked");
}

pub(crate) fn environment(warnings: &[String]) {
    for warning in warnings {
        warn!("{warning}");
    }
}

/// Says once a second that a wait is still going on.
pub(crate) struct Progress {
    next: Instant,
}

impl Progress {
    pub(crate) fn since(t0: Instant) -> Self {
        Self {
            next: t0 + PROGRESS,
        }
    }

    pub(crate) fn tell(&mut self, now: Instant, seen: impl FnOnce() -> Observation) {
        if now < self.next {
            return;
        }
        self.next = now + PROGRESS;
        let seen = seen();
        info!(
            elapsed = ?seen.elapsed,
            checks = seen.checks,
            phase = phase(seen.phase),
            failed_checks = %failed_checks(&seen),
            "Waiting for readiness"
        );
    }
}

/// Every transition of startup, each of which is told once however many waits there are.
pub(crate) struct Transitions(Mutex<PhaseWatch>);

impl Transitions {
    pub(crate) fn of(phases: &PhaseWatch) -> Self {
        Self(Mutex::new(phases.clone()))
    }

    /// Tells those that have happened since.
    pub(crate) fn tell(&self) {
        let mut phases = self.0.lock();
        while let Some(Some(transition)) = phases.next().now_or_never() {
            if let Event::PhaseReached { phase, duration } = transition.event {
                info!(%phase, ?duration, at = ?transition.at, "Startup phase reached");
            }
        }
    }
}

fn phase(phase: Option<Phase>) -> &'static str {
    phase.map_or("unknown", Phase::as_str)
}

fn failed_checks(seen: &Observation) -> String {
    let names: Vec<_> = seen.failed_checks.iter().map(ToString::to_string).collect();
    names.join("; ")
}
