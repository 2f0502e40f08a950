//! No frame is lost (S10): what the server had read of somebody whom it serves comes back, before
//! anything it says itself ends the connection.

use super::super::scenario::Behind;
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
    let closed = visit.closed.as_ref()?;
    let reads = visit.left.is_none() && !visit.stalled;
    // Whoever says goodbye first does not wait for anything more.
    let by_server = visit.said_goodbye.is_none_or(|said| said >= closed.at);
    let orderly = matches!(closed.code, 1000 | 1001 | 1012);
    if facts.served(visit).is_none() || !reads || !by_server || !orderly {
        return None;
    }
    let settings = &facts.scenario.settings;
    match facts.scenario.behind {
        Behind::Handler { takes, .. } => {
            let bytes: usize = visit.said.iter().map(|said| said.payload.len()).sum();
            let slow = !takes.is_zero();
            // Behind a slow handler only so much is read ahead of it, and a drain does not wait for
            // it longer than for half of the time that is left.
            if slow && (bytes > 32 << 10 || settings.shutdown.drain.as_secs() < 8) {
                return None;
            }
        }
        // What an upstream does not answer, that has died, is lost with it.
        Behind::Upstream(_) => {
            let stopping = facts.drains_from.is_some_and(|from| from <= closed.at.at);
            if !stopping || !is_well_until(facts, visit, closed.at.at) {
                return None;
            }
        }
    }
    let asked = facts.asked(visit);
    let read = visit.said.iter().take_while(|said| {
        // What comes in the moment of the close may come behind it.
        said.read.is_some_and(|read| read.at < closed.at.at)
    });
    let read = read.count().min(asked.unwrap_or(usize::MAX));
    (closed.heard < read).then_some(closed.heard)
}

fn is_well_until(facts: &Facts<'_>, visit: &Visit, until: std::time::Duration) -> bool {
    let from = visit.connected.at;
    let mut moods = facts.scenario.moods().iter();
    !moods.any(|(at, _)| from < *at && *at <= until)
}
