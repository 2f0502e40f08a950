//! The server's accounts: they add up at every look, and at rest they are what the clients saw (Q9).

use serde_json::Value;

use super::facts::Facts;
use crate::simulation::visit::Visit;

const OUTCOMES: [&str; 7] = [
    "admitted",
    "expired",
    "abandoned",
    "refused_full",
    "refused_early",
    "refused_failed",
    "refused_draining",
];

pub(super) fn judge(facts: &Facts<'_>, faults: &mut Vec<String>) {
    for (moment, status) in &facts.ledger.looks {
        let queue = Queue(status);
        let ended: u64 = OUTCOMES.iter().map(|outcome| queue.number(outcome)).sum();
        if queue.number("entered") != queue.number("size") + ended {
            faults.push(format!(
                "Q9: the accounts do not add up at {:?}: {status}",
                moment.at
            ));
        }
        if queue.number("size") > facts.scenario.settings.queue.max_size as u64 {
            faults.push(format!(
                "Q2: more are held than may be at {:?}: {status}",
                moment.at
            ));
        }
    }
    if let Some(status) = &facts.ledger.last_look {
        judge_rest(facts, status, faults);
    }
}

struct Queue<'a>(&'a Value);

impl Queue<'_> {
    fn number(&self, name: &str) -> u64 {
        self.0["queue"][name].as_u64().unwrap_or(u64::MAX / 16)
    }
}

/// All clients are gone.
fn judge_rest(facts: &Facts<'_>, status: &Value, faults: &mut Vec<String>) {
    let settings = &facts.scenario.settings;
    let queue = Queue(status);
    let live = &status["connections"]["live"];
    if queue.number("size") != 0 || live != 0 {
        faults.push(format!(
            "Q3: nobody is there, and somebody is counted: {status}"
        ));
    }
    let mut expect = |what: &str, counted: u64, least: usize, most: usize| {
        let (least, most) = (least as u64, most as u64);
        if !(least..=most).contains(&counted) {
            faults.push(format!(
                "Q9: {counted} {what}, where clients saw {least} to {most}: {status}"
            ));
        }
    };
    if !facts.scenario.is_proxy() && settings.limits.max_connections > 1_000 {
        let came = facts.callers().filter(|visit| visit.arrived.is_some());
        // Its request had come when its time was over, in one moment.
        let came: Vec<_> = came.filter(|visit| visit.status() != Some(408)).collect();
        // Who reads nothing does not hear which of the two it was.
        let limit = settings.limits.handshake_timeout;
        let late = |visit: &&&Visit| {
            let until = visit.connected.at + limit;
            visit.status().is_none() && visit.arrived.is_none_or(|it| it.at >= until)
        };
        let (unsure, came) = (came.iter().filter(late).count(), came.len());
        expect("entered", queue.number("entered"), came - unsure, came);
    }
    if !facts.scenario.is_proxy() {
        let served = facts.ledger.served.len();
        expect("admitted", queue.number("admitted"), served, served);
    }
    let total = status["connections"]["total"].as_u64().unwrap_or(u64::MAX);
    let served = facts.ledger.served.len();
    // An upstream's 101 may come when its client has just left.
    let unsure = match facts.scenario.is_proxy() {
        true => {
            facts
                .visits
                .iter()
                .filter(|visit| visit.left.is_some())
                .count()
                + broken(facts)
        }
        false => 0,
    };
    expect("live so far", total, served.saturating_sub(unsure), served);
    let does_not_hear =
        |visit: &&Visit| visit.stalled && visit.closed.is_none() && facts.times_served(visit) == 0;
    // Whoever left may have been refused, and not have heard of it.
    let left = facts.visits.iter().filter(|visit| visit.left.is_some());
    let left = left.count();
    for (reason, account) in [
        ("queue_full", "refused_full"),
        ("too_early", "refused_early"),
        ("hold_expired", "expired"),
        ("startup_failed", "refused_failed"),
        ("draining", "refused_draining"),
    ] {
        let told = facts
            .visits
            .iter()
            .filter(|visit| visit.refusal().as_deref() == Some(reason));
        let told = told.count();
        let unsure = match facts.scenario.refuses_with_close() || facts.scenario.holds_frames() {
            true => facts
                .callers()
                .filter(|visit| visit.code() == Some(1013) || does_not_hear(visit))
                .count(),
            false => 0,
        };
        expect(account, queue.number(account), told, told + left + unsure);
    }
}

/// How many an upstream broke off in the moment in which it answered them.
fn broken(facts: &Facts<'_>) -> usize {
    facts
        .callers()
        .filter(|visit| facts.served(visit).is_some() && !visit.is_open())
        .count()
}
