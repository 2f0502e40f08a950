//! Nobody is refused without a reason, and every refusal says when to come again (S5).

use std::time::Duration;

use super::super::scenario::How;
use super::super::visit::Visit;
use super::facts::{Facts, MS};

/// How long leaving may stay unnoticed where unread bytes hide it (S7).
const HIDDEN: Duration = Duration::from_millis(250);

pub(super) fn judge(facts: &Facts<'_>, faults: &mut Vec<String>) {
    for visit in facts.visits {
        let fault = match (visit.refusal(), &visit.closed) {
            (Some(reason), _) => is_kind(visit).and_then(|()| has_reason(facts, visit, &reason)),
            (None, Some(closed)) if closed.code == 1013 => {
                let wait = closed.reason.strip_prefix("retry_after_ms=");
                match wait.and_then(|wait| wait.parse().ok()) {
                    Some(1_000..=2_000) => has_any_reason(facts, visit),
                    _ => Err(format!("S5: 1013 with the reason {:?}", closed.reason)),
                }
            }
            _ => Ok(()),
        };
        if let Err(fault) = fault {
            faults.push(format!("{}: {fault}", visit.name));
        }
        if let Err(fault) = is_refused_where_it_must(facts, visit) {
            faults.push(format!("{}: {fault}", visit.name));
        }
    }
}

/// The wait is an estimate with jitter: 1 to 2 s, and in the field whole seconds, rounded up.
fn is_kind(visit: &Visit) -> Result<(), String> {
    let answer = visit.answer.as_ref();
    let wait = answer.and_then(super::super::visit::Answer::retry_after_ms);
    let field = answer.and_then(|answer| answer.retry_after);
    match (wait, field) {
        (Some(wait @ 1_000..=2_000), Some(seconds)) if wait.div_ceil(1_000) == seconds => Ok(()),
        _ => Err(format!(
            "S5: a refusal with retry_after_ms {wait:?}, Retry-After {field:?}"
        )),
    }
}

/// A close frame does not say why; something must have been the reason all the same.
fn has_any_reason(facts: &Facts<'_>, visit: &Visit) -> Result<(), String> {
    let reasons = [
        "queue_full",
        "hold_expired",
        "too_early",
        "startup_failed",
        "draining",
        "connection_limit",
    ];
    match reasons
        .iter()
        .any(|reason| has_reason(facts, visit, reason).is_ok())
    {
        true => Ok(()),
        false => Err(format!(
            "S5: closed with 1013, for no reason that there is: {} of {} places are taken",
            taken(facts, visit),
            facts.scenario.settings.queue.max_size
        )),
    }
}

fn has_reason(facts: &Facts<'_>, visit: &Visit, reason: &str) -> Result<(), String> {
    let settings = &facts.scenario.settings;
    let (Some(arrived), Some(told)) = (visit.arrived, told(visit)) else {
        return Err(format!("S5: {reason} before it had asked"));
    };
    let has = match reason {
        "queue_full" => taken(facts, visit) >= settings.queue.max_size,
        "connection_limit" => connections(facts, visit) >= settings.limits.max_connections,
        "too_early" => facts.holds_from.is_none_or(|from| arrived.at <= from.at),
        "draining" => facts.drains_from.is_some_and(|from| from <= told),
        "startup_failed" => facts
            .failed
            .as_ref()
            .is_some_and(|(failed, _)| failed.at <= told),
        "hold_expired" => told >= arrived.at + settings.queue.max_wait,
        _ => false,
    };
    match has {
        true => Ok(()),
        false => Err(format!(
            "Q2 Q4: {reason} where there is no reason for it: {} of {} places are taken",
            taken(facts, visit),
            settings.queue.max_size
        )),
    }
}

fn told(visit: &Visit) -> Option<Duration> {
    let closed = visit.closed.as_ref().map(|closed| closed.at);
    closed.or(visit.answered).map(|moment| moment.at)
}

/// How many others may have had a place when this one came: whoever had come before and had not been
/// told the end of its wait. A client that leaves frees its place at the event, and within 250 ms where
/// unread bytes hide that (S7).
fn taken(facts: &Facts<'_>, newcomer: &Visit) -> usize {
    let Some(now) = newcomer.arrived else {
        return 0;
    };
    // Given back to a full queue (Q2, Q10): what counts is when it was told so.
    let until = if facts.scenario.is_proxy() {
        told(newcomer).unwrap_or(now.at)
    } else {
        now.at
    };
    let others = facts
        .visits
        .iter()
        .filter(|other| other.name != newcomer.name);
    let taken = others.filter(|other| {
        let takes_place = other.page.is_none() || other.page == Some("/application");
        let came = other.arrived.is_some_and(|came| came.at <= until);
        let ended = facts
            .wait_ended(other)
            .map_or(Duration::MAX, |ended| ended.at);
        let gone = match other.left {
            Some((How::Vanishes, _)) | None => other.ended.at,
            Some((_, left)) if hides_leaving(facts, other) => left.at + HIDDEN,
            Some((_, left)) => left.at,
        };
        takes_place && came && ended >= now.at && gone >= now.at
    });
    taken.count()
}

fn hides_leaving(facts: &Facts<'_>, visit: &Visit) -> bool {
    let early: usize = visit.said.iter().map(|said| said.payload.len() + 100).sum();
    let limit = match facts.scenario.holds_frames() {
        true => facts.scenario.settings.queue.max_held_bytes,
        false => 64 << 10,
    };
    // Behind hyper, which holds plain requests, a client is looked for (X6).
    early >= limit || visit.page.is_some()
}

/// How many connections there may have been, held or live, when this one came.
fn connections(facts: &Facts<'_>, newcomer: &Visit) -> usize {
    let Some(now) = newcomer.arrived else {
        return 0;
    };
    let others = facts
        .visits
        .iter()
        .filter(|other| other.name != newcomer.name);
    // The last second of a connection, in which it only listens, counts as well.
    let there = others.filter(|other| {
        other.arrived.is_some_and(|came| came.at <= now.at)
            && other.ended.at + Duration::from_secs(6) >= now.at
    });
    there.count()
}

/// Before `hold_from`, once startup has failed, and in a drain, nobody is held or let in.
fn is_refused_where_it_must(facts: &Facts<'_>, visit: &Visit) -> Result<(), String> {
    let Some(arrived) = visit.arrived.filter(|_| visit.page.is_none()) else {
        return Ok(());
    };
    let early = facts
        .holds_from
        .is_none_or(|from| arrived.at + MS <= from.at)
        && !facts
            .scenario
            .settings
            .queue
            .hold_from
            .eq(&startup_phases::Phase::Init);
    let late = arrived.at > facts.closed_for_good();
    let Some(served) = facts.served(visit) else {
        return Ok(());
    };
    match (early, late) {
        (false, false) => Ok(()),
        _ => Err(format!(
            "S9: served at {:?}, where nobody is let in",
            served.at
        )),
    }
}
