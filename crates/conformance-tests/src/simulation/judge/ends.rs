//! Nobody lost: every client that stays gets exactly one end, and one that it can understand.

use std::time::Duration;

use super::super::scenario::{Ask, Errand, How};
use super::super::visit::{End, Visit};
use super::facts::Facts;

pub(super) fn judge(facts: &Facts<'_>, faults: &mut Vec<String>) {
    for visit in facts.visits {
        if let Err(fault) = judge_end(facts, visit) {
            faults.push(format!("{}: {fault}", visit.name));
        }
    }
    for visit in facts.callers() {
        // One handler, or one WebSocket of the upstream, for each admission.
        let times = facts.times_served(visit);
        if times > 1 {
            faults.push(format!("{}: Q4: served {times} times", visit.name));
        }
        let is_admitted = visit.is_open() && visit.code() != Some(1013);
        let held = facts.scenario.holds_frames() || facts.scenario.refuses_with_close();
        if times == 0 && is_admitted && (!held || !visit.heard.is_empty()) {
            faults.push(format!(
                "{}: S3: it has its 101, and nobody serves it",
                visit.name
            ));
        }
        if let Some((how @ (How::Closes | How::Resets), left)) = visit.left
            && let Some(served) = facts.served(visit)
            && served.at > left.at + Duration::from_millis(250)
        {
            faults.push(format!(
                "{}: S7: served after it had left ({how:?})",
                visit.name
            ));
        }
    }
}

fn judge_end(facts: &Facts<'_>, visit: &Visit) -> Result<(), String> {
    if visit.cut > 0 && !may_cut(facts, visit) {
        return Err(format!(
            "X4: an orderly end inside a frame, behind {} bytes of it",
            visit.cut
        ));
    }
    match visit.end {
        End::NobodyThere if visit.connected < facts.ended() => {
            Err("S1: the port does not answer, and the server is there".to_owned())
        }
        End::Ignored => Err("S12: the connection does not come to an end".to_owned()),
        // Whoever leaves is owed nothing any more; what it heard before has been judged.
        End::NobodyThere | End::Left => Ok(()),
        End::Orderly | End::Reset if visit.left.is_some() => Ok(()),
        End::Orderly | End::Reset if is_dropped(facts, visit) => Ok(()),
        End::Reset if breaks_inside(facts, visit) => Ok(()),
        // It goes on sending behind its answer, and does not read that in the moment it has for it.
        End::Reset if visit.answered.is_some() && visit.stalled => Ok(()),
        End::Reset if visit.answered.is_some() && ends_at_once(facts, visit) => Ok(()),
        End::Reset => Err("S5: cut off by a reset".to_owned()),
        End::Orderly => match visit.status() {
            None => Err("Q4: an end without an answer".to_owned()),
            Some(101) => judge_close(facts, visit),
            Some(status) => judge_status(facts, visit, status),
        },
    }
}

/// At the end of the process, and at that of the drain, whoever is left is dropped (S9).
fn is_dropped(facts: &Facts<'_>, visit: &Visit) -> bool {
    let at = visit.ended.at;
    // A drain is over as soon as nobody is left who is held or live. A request that has not been read
    // by then is none yet.
    let unread = visit.arrived.is_none() && facts.drains_from.is_some_and(|from| from <= at);
    let ends_now = unread || at >= facts.ended().at || facts.drain_is_over() == Some(at);
    // Whoever reads has had its close frame, or its answer, long before that.
    let unheard = visit.closed.is_none() && visit.answer.as_ref().is_none_or(|it| it.status == 101);
    // Whoever waits for the upstream's answer at the end of the drain is left, too ("The spread of a
    // drain").
    let asking = facts.scenario.is_proxy() && facts.drain_is_over() == Some(at);
    // Whoever connects in the very moment in which the process ends may just be accepted, and who has asked in
    // that moment, while steps were undone, may just be read.
    let asked = visit.arrived.is_some_and(|arrived| arrived.at == at) && !facts.undoing().is_zero();
    let late = (visit.connected.at == at || asked) && at >= facts.ended().at;
    let has_reason =
        late || visit.stalled || visit.arrived.is_none() || asking || is_aborted(facts);
    ends_now && ((unheard && has_reason) || visit.closed.is_some())
}

/// A handler's client that reads nothing or shuts its sending side is given up in the middle of what
/// is written, and so is everybody at a second signal. The proxy owes its clients a reset then, for the frame is not its own.
fn may_cut(facts: &Facts<'_>, visit: &Visit) -> bool {
    !facts.scenario.is_proxy() && (visit.stalled || visit.left.is_some() || is_aborted(facts))
}

fn is_aborted(facts: &Facts<'_>) -> bool {
    facts
        .scenario
        .abort_at
        .is_some_and(|at| at <= facts.ended().at)
}

/// Whoever comes in the very instant in which the process ends gets its answer; what it still sends meets
/// nobody.
fn ends_at_once(facts: &Facts<'_>, visit: &Visit) -> bool {
    visit.connected.at == facts.ended().at
}

/// Inside a frame that is not passed on whole there is no orderly end (X4).
fn breaks_inside(facts: &Facts<'_>, visit: &Visit) -> bool {
    facts.scenario.is_proxy() && visit.said.iter().any(|said| said.payload.len() > 65_000)
}

fn judge_close(facts: &Facts<'_>, visit: &Visit) -> Result<(), String> {
    let Some(closed) = &visit.closed else {
        let limits = &facts.scenario.settings.limits;
        let pinged = !limits.ping_interval.is_zero();
        let idle = !limits.idle_timeout.is_zero();
        let drained = facts.drains_from.is_some_and(|from| from <= visit.ended.at);
        let asked = asked_for(facts, visit).is_some();
        // Who answers no ping, or takes no goodbye, is lost to the server (S12).
        return match visit.stalled && (pinged || idle || drained || asked) {
            true => Ok(()),
            false => Err("S12: a WebSocket ends without a close frame".to_owned()),
        };
    };
    let asks = |these: &[Ask]| asked_for(facts, visit).is_some_and(|ask| these.contains(&ask));
    let said_first = visit.said_goodbye.is_some_and(|said| said < closed.at);
    let may = match closed.code {
        1000 => said_first || asks(&[Ask::Bye]),
        code @ (1001 | 1012) => {
            let stopping = code == facts.scenario.settings.shutdown.close_code
                && facts.closed_for_good() <= closed.at.at;
            let idle = code == 1001 && closed.reason == "idle" && is_idle(facts, visit);
            let lost = code == 1012 && facts.scenario.is_proxy();
            stopping || idle || lost
        }
        1002 => asks(&[Ask::Nonsense]),
        1009 => asks(&[Ask::TooLarge]),
        // The one source of 1011 (S5, S11).
        1011 => asks(&[Ask::Fail, Ask::Panic]),
        // Which refusals there may be, `refusals` knows.
        1013 => facts.times_served(visit) == 0,
        _ => false,
    };
    match may {
        true => Ok(()),
        false => Err(format!(
            "S5: closed with {} {:?}",
            closed.code, closed.reason
        )),
    }
}

fn is_idle(facts: &Facts<'_>, visit: &Visit) -> bool {
    let limit = facts.scenario.settings.limits.idle_timeout;
    let served = facts.served(visit);
    // Its time runs from then on, whatever it had said before.
    let read = visit
        .said
        .iter()
        .filter_map(|said| Some(said.read?.max(served?)));
    let mut active: Vec<_> = read.chain(served).map(|it| it.at).collect();
    active.sort_unstable();
    active.extend(visit.closed.as_ref().map(|closed| closed.at.at));
    let mut pauses = active.windows(2).map(|two| two[1].saturating_sub(two[0]));
    let idle = match visit.stalled {
        // It was told when it did not listen, and may have said more since.
        true => pauses.any(|pause| pause >= limit),
        false => pauses.next_back().is_some_and(|pause| pause >= limit),
    };
    !limit.is_zero() && idle
}

/// What it has asked for, if it came to that. Each of them ends the connection.
fn asked_for(facts: &Facts<'_>, visit: &Visit) -> Option<Ask> {
    let Errand::WebSocket(caller) = &facts.scenario.clients[visit.name.client].errand else {
        return None;
    };
    let (_, ask) = caller.asks.filter(|(which, _)| visit.said.len() > *which)?;
    Some(ask)
}

fn judge_status(facts: &Facts<'_>, visit: &Visit, status: u16) -> Result<(), String> {
    let limit = facts.scenario.settings.limits.handshake_timeout;
    let proxied = facts.scenario.is_proxy();
    let may = match (visit.page, status) {
        (_, 503) if visit.page.is_none() => visit.refusal().is_some(),
        // Slow senders are cut off at the limit, and nobody else is (S6).
        (None, 408) => {
            let limit = visit.connected.at + limit;
            visit.arrived.is_none_or(|arrived| arrived.at >= limit)
                && visit.answered.is_some_and(|it| it.at == limit)
        }
        (None, 401 | 404 | 500 | 502 | 504) => proxied,
        (None, _) => false,
        (Some("/livez"), status) => status == 200,
        (Some("/-/status"), status) => status == 200,
        (Some("/readyz" | "/startupz"), status) => matches!(status, 200 | 503),
        (Some("/-/nothing"), status) => status == 404,
        (Some("/application"), status) => {
            proxied && matches!(status, 200 | 401 | 404 | 500 | 502 | 503 | 504)
        }
        (Some(_), _) => false,
    };
    match may {
        true => Ok(()),
        false => Err(format!("S5: answered {status}")),
    }
}
