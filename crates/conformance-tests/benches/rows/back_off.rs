//! Growing back-off, as the first implementation published it: what the fixed grid replaced.

use std::time::Duration;

use startup_phases::{Phase, PhaseWatch};
use tokio::time::sleep;

const SCHEDULE: [Duration; 7] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_millis(1000),
    Duration::from_millis(1500),
    Duration::from_millis(2000),
];

/// After so many looks in a row at the same phase, each further one moves on in the schedule.
const PATIENCE: u32 = 10;

/// Looks until `phase` is reached, with the schedule's delays between two looks.
pub(crate) async fn wait(phases: &PhaseWatch, phase: Phase) {
    let (mut seen, mut looks_at_it, mut delay) = (None, 0, 0);
    while !phases.has_reached(phase) {
        let reached = phases.last_reached();
        if seen == Some(reached) {
            looks_at_it += 1;
        } else {
            (seen, looks_at_it) = (Some(reached), 1);
        }
        if looks_at_it > PATIENCE {
            delay = (delay + 1).min(SCHEDULE.len() - 1);
        }
        sleep(SCHEDULE[delay]).await;
    }
}
