//! No frame is lost (S10): what the server had read of somebody whom it serves comes back, before
//! anything it says itself ends the connection.

use std::time::Duration;

use super::super::scenario::{Behind, Mood};
use super::super::visit::Visit;
use super::facts::Facts;

pub(super) fn judge(facts: &Facts<'_>, faults: &mut Vec<String>) {
    for visit in facts.callers() {
        if let Some(lost) = lost(facts, visit) {
            faults.push(format!(
                "{}: S10: message {lost} had been read, and never came back: closed with {:?}",
                visit.name,
                visit.code()
            ));
        }
    }
}

/// The first message that was lost.
fn lost(facts: &Facts<'_>, visit: &Visit) -> Option<usize> {
    let served = facts.served(visit)?;
    let closed = visit.closed.as_ref()?;
    if visit.left.is_some() || visit.stalled || !matches!(closed.code, 1000 | 1001 | 1012) {
        return None;
    }
    let settings = &facts.scenario.settings;
    let mut takes = Duration::ZERO;
    match facts.scenario.behind {
        Behind::Handler { takes: each, .. } => {
            let bytes: usize = visit.said.iter().map(|said| said.payload.len()).sum();
            // Behind a slow handler only so much is read ahead of it, and a drain does not wait for
            // it longer than for half of the time that is left.
            if !each.is_zero() && (bytes > 32 << 10 || settings.shutdown.drain.as_secs() < 8) {
                return None;
            }
            takes = each * u32::try_from(visit.said.len()).unwrap_or(u32::MAX);
        }
        // What an upstream does not answer that has died is lost with it.
        Behind::Upstream(_) if !is_well(facts, visit, closed.at.at) => return None,
        Behind::Upstream(_) => {}
    }
    // Nobody says goodbye, and nothing is waited for, before what had come is worked on; but a client
    // that says goodbye itself does not wait for a handler.
    let by_client = visit.said_goodbye.filter(|said| *said < closed.at);
    let (until, takes) = match by_client {
        Some(said) => (said.at, takes),
        // A failed startup waits for nobody's work: what that uses is about to be undone (S5, S8).
        None if facts.failed.is_some() => (closed.at.at, takes),
        None => (closed.at.at, Duration::ZERO),
    };
    let read = visit.said.iter().take_while(|said| {
        // What comes in the moment of the close may come behind it.
        said.read
            .is_some_and(|read| read.max(served).at + takes < until)
    });
    let asked = facts.asked(visit).unwrap_or(usize::MAX);
    (closed.heard < read.count().min(asked)).then_some(closed.heard)
}

fn is_well(facts: &Facts<'_>, visit: &Visit, until: Duration) -> bool {
    let changes = facts.scenario.moods().iter();
    let mut changes = changes.map(|(at, _)| *at);
    let breaks = matches!(
        facts.scenario.mood(visit.connected.at),
        Mood::BreaksInside { .. }
    );
    !breaks && !changes.any(|at| visit.connected.at < at && at <= until)
}
