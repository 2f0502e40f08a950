//! How the server ended: with the right result, in its time, and leaving nothing behind.

use std::time::Duration;

use super::super::scenario::StepEnd;
use super::super::world::Outcome;
use super::facts::{Facts, MS};

/// What follows a drain: those who are dropped have so long to be gone, and so have those who were
/// refused and have not taken their answer.
const AFTER: Duration = Duration::from_millis(1_100);

pub(super) fn judge(facts: &Facts<'_>, faults: &mut Vec<String>) {
    let expected = match facts.fails() {
        Some((_, step)) => Outcome::Failed(Some(step.clone())),
        None => Outcome::Clean,
    };
    if facts.outcome() == &Outcome::Aborted {
        // Told a second time to stop: whatever was under way is given up, stop hooks too (S9).
        return judge_left_over(facts, faults);
    }
    // Failing and being told to stop in one moment: either may be seen first.
    let failed = facts.failed.as_ref().map(|(failed, _)| failed.at);
    let both = failed.is_some() && failed == facts.ledger.stopped.map(|stopped| stopped.at);
    if facts.outcome() != &expected && !both {
        faults.push(format!(
            "S8 S9: it ended with {:?}, not {expected:?}",
            facts.outcome()
        ));
    }
    let undoing = facts.undoing();
    let settings = &facts.scenario.settings;
    let (from, least, most) = match (facts.fails(), facts.drains_from) {
        (Some((failed, _)), _) => {
            let linger = settings.startup.failed_linger;
            (failed.at, linger, linger + undoing + AFTER)
        }
        (None, Some(from)) => (
            from,
            Duration::ZERO,
            settings.shutdown.drain + undoing + AFTER,
        ),
        (None, None) => return faults.push("it ended and nobody had told it to".to_owned()),
    };
    let (least, most) = match both {
        true => (
            Duration::ZERO,
            most + settings.shutdown.delay + settings.shutdown.drain,
        ),
        false => (least, most),
    };
    let took = facts.ended().at.saturating_sub(from);
    if facts.ended().at < from + least || took > most + MS {
        faults.push(format!(
            "S8 S9: it took {took:?} to end, not {least:?} to {most:?}"
        ));
    }
    judge_undoing(facts, faults);
    judge_left_over(facts, faults);
}

/// Every step that had finished well is undone, once; no other is (P6, P7).
fn judge_undoing(facts: &Facts<'_>, faults: &mut Vec<String>) {
    for (index, step) in facts.scenario.steps.iter().enumerate() {
        let mut records = facts.ledger.steps.iter();
        let ended = records.any(|(it, _, ended)| *it == index && ended.is_some());
        let well = ended && step.end == StepEnd::Well && step.undoing.is_some();
        let undone = facts
            .ledger
            .undone
            .iter()
            .filter(|it| **it == index)
            .count();
        if undone != usize::from(well) {
            faults.push(format!("P7: {} was undone {undone} times", step.name));
        }
    }
}

fn judge_left_over(facts: &Facts<'_>, faults: &mut Vec<String>) {
    if facts.ledger.left_over > 0 {
        let count = facts.ledger.left_over;
        faults.push(format!("Q3: {count} tasks are left when all is over"));
    }
}
