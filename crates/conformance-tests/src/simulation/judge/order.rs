//! Nobody is overtaken (Q5), nobody is early (P2, S2), and nobody stays behind (Q2).

use std::time::Duration;

use super::super::visit::Visit;
use super::facts::Facts;

pub(super) fn judge(facts: &Facts<'_>, faults: &mut Vec<String>) {
    for visit in facts.callers() {
        if let Err(fault) = is_not_early(facts, visit) {
            faults.push(format!("{}: {fault}", visit.name));
        }
    }
    judge_order(facts, faults);
    judge_bound(facts, faults);
}

fn is_not_early(facts: &Facts<'_>, visit: &Visit) -> Result<(), String> {
    let Some(served) = facts.served(visit) else {
        return Ok(());
    };
    if facts.reached.is_none_or(|reached| served < reached) {
        return Err(format!(
            "P2 S2: served at {:?}, before startup was far enough",
            served.at
        ));
    }
    if let Some(monitor) = &facts.scenario.monitor {
        // Whoever has passed a gate that was open is served, an upstream's patience later at most.
        let passed = match (facts.scenario.is_proxy(), visit.arrived) {
            (true, Some(arrived)) => arrived.at.min(served.at),
            _ => served.at,
        };
        // What the gate knew then was as old as a look.
        let since = passed.saturating_sub(facts.look());
        if !monitor.holds_within(since, served.at) {
            return Err(format!(
                "G9: served at {:?}, where the monitor says no",
                served.at
            ));
        }
    }
    Ok(())
}

/// A client that waits for its 101, and when it got it.
struct Held<'a> {
    visit: &'a Visit,
    came: super::super::story::Moment,
    let_in: super::super::story::Moment,
}

fn judge_order(facts: &Facts<'_>, faults: &mut Vec<String>) {
    let queue = &facts.scenario.settings.queue;
    if facts.scenario.is_proxy() && queue.release_in_flight != 1 {
        // What an upstream answers first comes first: see "The order on the wire".
        return;
    }
    let mut let_in: Vec<Held<'_>> = facts
        .callers()
        .filter(|visit| facts.served(visit).is_some())
        .filter_map(|visit| {
            let let_in = match facts.scenario.holds_frames() {
                true => facts.served(visit),
                false => visit.answered,
            };
            Some(Held {
                visit,
                came: visit.arrived?,
                let_in: let_in?,
            })
        })
        .collect();
    let_in.sort_by_key(|held| held.came);
    for (at, first) in let_in.iter().enumerate() {
        let waited = first.let_in.at > first.came.at;
        for second in let_in[at + 1..].iter().filter(|_| waited) {
            let overtaken = second.let_in.at < first.let_in.at;
            // Held together, and let in one by one.
            let together = second.let_in.at > second.came.at && second.came.at < first.let_in.at;
            let exact = queue.release_in_flight == 1 && !facts.scenario.holds_frames();
            let swapped = exact && together && second.let_in < first.let_in;
            let were_held = !was_in_flight(facts, first) && !was_in_flight(facts, second);
            if (overtaken || swapped) && were_held {
                faults.push(format!(
                    "{}: Q5: came at {:?} and is let in at {:?}; {} came later, and was let in at {:?}",
                    first.visit.name,
                    first.came.at,
                    first.let_in.at,
                    second.visit.name,
                    second.let_in.at,
                ));
            }
        }
    }
}

/// Whoever passed an open gate to an upstream was not held then, and may have been given back later
/// than others were served (Q10).
fn was_in_flight(facts: &Facts<'_>, held: &Held<'_>) -> bool {
    facts.scenario.is_proxy()
        && facts
            .reached
            .is_some_and(|reached| held.came.at >= reached.at)
}

/// Never more than `max_size` are held (Q2): those who had come, and are told their end later.
fn judge_bound(facts: &Facts<'_>, faults: &mut Vec<String>) {
    if facts.scenario.is_proxy() {
        // Whoever passed the open gate and waits for the upstream's answer has no place (Q9).
        return;
    }
    // With frames, what a client hears late tells nothing of when it was told.
    let stays = |visit: &&Visit| visit.left.is_none() && !visit.stalled;
    let held: Vec<(Duration, Duration)> = facts
        .callers()
        .filter(stays)
        .filter_map(|visit| Some((visit.arrived?.at, facts.wait_ended(visit)?.at)))
        .filter(|(came, ended)| ended > came)
        .collect();
    for (now, _) in &held {
        let together = held
            .iter()
            .filter(|(came, ended)| came <= now && now < ended);
        let together = together.count();
        if together > facts.scenario.settings.queue.max_size {
            faults.push(format!("Q2: {together} are held at {now:?}"));
            return;
        }
    }
}
