//! Nobody hears silence beyond its bound (Q6, S6, S9), and nobody waits in front of an open gate (Q1,
//! S2, S8).

use std::time::Duration;

use super::super::scenario::Mood;
use super::super::visit::{End, Visit};
use super::facts::{Facts, MS};

pub(super) fn judge(facts: &Facts<'_>, faults: &mut Vec<String>) {
    for visit in facts.visits {
        let judgements = [
            is_heard_in_time(facts, visit),
            is_cut_off_in_time(facts, visit),
            is_served_when_it_can_be(facts, visit),
            is_refused_at_the_end(facts, visit),
        ];
        for fault in judgements.into_iter().filter_map(Result::err) {
            faults.push(format!("{}: {fault}", visit.name));
        }
    }
}

/// Until when it was there to be told; `None` where the whole server was dropped meanwhile.
fn was_there_until(facts: &Facts<'_>, visit: &Visit) -> Duration {
    let left = visit.left.map_or(visit.ended.at, |(_, left)| left.at);
    left.min(facts.ended().at)
}

/// Whether it had been told by then what became of its wait, or was not there any more.
fn told_by(facts: &Facts<'_>, visit: &Visit, limit: Duration) -> bool {
    if facts.scenario.holds_frames() && visit.stalled {
        // It was told when it did not listen.
        return true;
    }
    match facts.wait_ended(visit) {
        Some(told) => told.at <= limit,
        None => was_there_until(facts, visit) <= limit,
    }
}

fn is_heard_in_time(facts: &Facts<'_>, visit: &Visit) -> Result<(), String> {
    let Some(arrived) = visit.arrived else {
        return Ok(());
    };
    let settings = &facts.scenario.settings;
    let mut limit = arrived.at + settings.queue.max_wait + settings.guard.interval;
    if facts.scenario.is_proxy() {
        // While the upstream is being asked, its own limits run. One that drops connections lets a
        // client that had passed an open gate be held behind that, with its limit before it (Q10).
        let asking = settings.proxy.connect_timeout + settings.proxy.response_timeout;
        limit += 2 * (asking + settings.guard.interval);
    }
    match told_by(facts, visit, limit) {
        true => Ok(()),
        false => Err(format!(
            "Q6: came at {:?} and had heard nothing by {limit:?}",
            arrived.at
        )),
    }
}

fn is_cut_off_in_time(facts: &Facts<'_>, visit: &Visit) -> Result<(), String> {
    let limit = visit.connected.at + facts.scenario.settings.limits.handshake_timeout;
    let slow = visit.arrived.is_none_or(|arrived| arrived.at > limit);
    // When the drain is over, or nobody is left who has asked, whoever has not is dropped, also before its
    // time to ask is.
    let dropped = facts.drain_is_over().is_some_and(|over| over <= limit)
        || facts.ended().at.saturating_sub(facts.undoing()) <= limit;
    let there = was_there_until(facts, visit) > limit && visit.end != End::NobodyThere;
    match slow && there && !dropped && visit.answered.is_none_or(|it| it.at > limit) {
        false => Ok(()),
        true => Err(format!(
            "S6: sends its head slowly, and is not cut off at {limit:?}"
        )),
    }
}

/// From the moment on at which all is well, and for as long as it stays so, nobody waits longer than
/// it takes to see that, to let in those before at the pace that is set, and to be answered.
fn is_served_when_it_can_be(facts: &Facts<'_>, visit: &Visit) -> Result<(), String> {
    let (Some(reached), Some(arrived)) = (facts.reached, visit.arrived) else {
        return Ok(());
    };
    if visit.page.is_some_and(|page| page != "/application") {
        return Ok(());
    }
    let changes = changes(facts).filter(|at| *at > reached.at.max(arrived.at));
    let starts = std::iter::once(reached.at.max(arrived.at)).chain(changes);
    for from in starts {
        let Some(takes) = takes(facts, from) else {
            continue;
        };
        let limit = from + takes;
        if limit >= facts.closed_for_good() {
            continue;
        }
        let well = facts.scenario.monitor.as_ref();
        if !well.is_none_or(|monitor| monitor.holds_throughout(from, limit))
            || changes_between(facts, from, limit)
        {
            continue;
        }
        if !told_by(facts, visit, limit) {
            return Err(format!(
                "S2 Q1: came at {:?}; all is well from {from:?} on, and it still waits at {limit:?}",
                arrived.at
            ));
        }
    }
    Ok(())
}

/// When something changed that the gate depends on.
fn changes<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = Duration> + 'a {
    let monitor = facts.scenario.monitor.iter().flat_map(|it| &it.holds);
    let monitor = monitor.map(|(at, _)| *at);
    monitor.chain(facts.scenario.moods().iter().map(|(at, _)| *at))
}

fn changes_between(facts: &Facts<'_>, from: Duration, to: Duration) -> bool {
    let moods = facts.scenario.moods().iter();
    moods.into_iter().any(|(at, _)| from < *at && *at <= to)
}

/// How long it takes to let everybody in who waits, if all is well; `None` where all is not.
fn takes(facts: &Facts<'_>, at: Duration) -> Option<Duration> {
    let settings = &facts.scenario.settings;
    let crowd = u32::try_from(facts.visits.len()).unwrap_or(u32::MAX);
    let mut takes = facts.look();
    if settings.queue.release_per_second > 0 {
        let spacing = Duration::from_secs(1) / settings.queue.release_per_second;
        takes += (spacing + MS) * crowd;
    }
    if facts.scenario.is_proxy() {
        let Mood::Well(answers) = facts.scenario.mood(at) else {
            return None;
        };
        if answers >= settings.proxy.response_timeout {
            return None;
        }
        // A look may be under way that hangs, and so may a client's own connection; it is looked for
        // again after one interval, and a client comes again after one.
        takes += settings.proxy.connect_timeout * 2 + settings.guard.interval * 4;
        let rounds = match settings.queue.release_in_flight {
            0 => 1,
            some => crowd.div_ceil(some as u32) + 1,
        };
        takes += (answers + MS) * (rounds + 1);
    }
    Some(takes)
}

/// Once startup has failed, and once the server drains, nobody is held for another moment (Q4, S8, S9).
fn is_refused_at_the_end(facts: &Facts<'_>, visit: &Visit) -> Result<(), String> {
    let end = facts.closed_for_good();
    let Some(arrived) = visit.arrived.filter(|_| end < facts.ended().at) else {
        return Ok(());
    };
    let mut limit = end.max(arrived.at);
    if facts.scenario.is_proxy() {
        // It may have been let in, and be waiting for the upstream: until it answers, or the drain
        // is over.
        let proxy = &facts.scenario.settings.proxy;
        let asking = proxy.connect_timeout + proxy.response_timeout;
        limit += asking + facts.scenario.settings.guard.interval;
    }
    match told_by(facts, visit, limit) {
        true => Ok(()),
        false => Err(format!(
            "Q4 S9: held at {limit:?}, where nobody will be let in"
        )),
    }
}
