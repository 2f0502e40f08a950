//! What is known of a deployment without asking the server.

use std::collections::HashMap;
use std::time::Duration;

use super::super::scenario::{Errand, PlannedStep, Scenario, StepEnd};
use super::super::story::Moment;
use super::super::visit::{Name, Visit};
use super::super::world::{Ledger, Outcome};

pub(super) const MS: Duration = Duration::from_millis(1);

pub(super) struct Facts<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) ledger: &'a Ledger,
    pub(super) visits: &'a [Visit],
    /// When the phase was reached at which the gate may open.
    pub(super) reached: Option<Moment>,
    /// From when on clients are held rather than refused.
    pub(super) holds_from: Option<Moment>,
    /// When startup failed, and with which step.
    pub(super) failed: Option<(Moment, String)>,
    /// From when on nobody is let in any more, since the server is stopping.
    pub(super) drains_from: Option<Duration>,
    /// When each was served first, and how often.
    served: HashMap<Name, (Moment, usize)>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(scenario: &'a Scenario, ledger: &'a Ledger, visits: &'a [Visit]) -> Self {
        let mut served = HashMap::new();
        for (name, moment) in &ledger.served {
            served.entry(*name).or_insert((*moment, 0)).1 += 1;
        }
        let failing = scenario
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.is_fatal());
        let failing = failing.filter_map(|(index, step)| {
            ended(ledger, index).map(|moment| (moment, step.name.clone()))
        });
        Self {
            // What is optional in that phase itself is not waited for (P2), and before it is (P1).
            reached: all_end(scenario, ledger, |step| match scenario.opens_at() {
                opens_at if step.phase == opens_at => step.critical,
                opens_at => step.phase < opens_at,
            }),
            holds_from: all_end(scenario, ledger, |step| {
                step.phase < scenario.settings.queue.hold_from
            }),
            failed: failing.min(),
            drains_from: ledger.stopped.map(|stop| scenario.drain_begins(stop.at)),
            served,
            scenario,
            ledger,
            visits,
        }
    }

    pub(super) fn served(&self, visit: &Visit) -> Option<Moment> {
        self.served.get(&visit.name).map(|(moment, _)| *moment)
    }

    pub(super) fn times_served(&self, visit: &Visit) -> usize {
        self.served.get(&visit.name).map_or(0, |(_, times)| *times)
    }

    /// Which of its messages asks for the end of the connection: nothing comes back for that one.
    pub(super) fn asked(&self, visit: &Visit) -> Option<usize> {
        match &self.scenario.clients[visit.name.client].errand {
            Errand::WebSocket(caller) => caller.asks.map(|(which, _)| which),
            Errand::Page { .. } => None,
        }
    }

    /// When the server was gone.
    pub(super) fn ended(&self) -> Moment {
        self.ledger.ended.as_ref().expect("it has ended").0
    }

    pub(super) fn outcome(&self) -> &Outcome {
        &self.ledger.ended.as_ref().expect("it has ended").1
    }

    /// When the drain is over, and whoever is left is dropped.
    pub(super) fn drain_is_over(&self) -> Option<Duration> {
        let begin = self.drains_from?;
        Some(begin + self.scenario.settings.shutdown.drain)
    }

    /// How long undoing the steps took, one after the other, once everybody was gone.
    pub(super) fn undoing(&self) -> Duration {
        let undone = self.ledger.undone.iter();
        undone
            .filter_map(|step| self.scenario.steps[*step].undoing)
            .sum()
    }

    /// Whether startup fails before, or when, it is told to stop.
    pub(super) fn fails(&self) -> Option<&(Moment, String)> {
        let stopped = self.ledger.stopped;
        let failed = self.failed.as_ref();
        failed.filter(|(failed, _)| stopped.is_none_or(|stopped| failed.at <= stopped.at))
    }

    /// From when on nobody is admitted any more.
    pub(super) fn closed_for_good(&self) -> Duration {
        let failed = self.failed.as_ref().map(|(failed, _)| failed.at);
        let ends = [failed, self.drains_from, Some(self.ended().at)];
        ends.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    /// The clients that asked for a WebSocket and met somebody.
    pub(super) fn callers(&self) -> impl Iterator<Item = &'a Visit> {
        self.visits.iter().filter(|visit| visit.page.is_none())
    }

    /// One interval, and the answer of a monitor that is looked at. One look waits for the answers of
    /// all: for that of an upstream that neither accepts nor refuses, too.
    pub(super) fn look(&self) -> Duration {
        let monitor = self.scenario.monitor.as_ref();
        let settings = &self.scenario.settings;
        match monitor.map(|monitor| monitor.looked_at) {
            None | Some(None) => Duration::ZERO,
            Some(Some(takes)) if self.scenario.is_proxy() => {
                settings.guard.interval + takes.max(settings.proxy.connect_timeout)
            }
            Some(Some(takes)) => settings.guard.interval + takes,
        }
    }

    /// When a client was told what became of its wait: served, or refused. `None` where it was not.
    pub(super) fn wait_ended(&self, visit: &Visit) -> Option<Moment> {
        if !self.scenario.holds_frames() {
            return visit.answered;
        }
        let refused = visit.closed.as_ref().map(|closed| closed.at);
        // What it does not read may be its 101 as well.
        let is_refused = visit.status().is_some() && !visit.is_open();
        let refused = refused.or(visit.answered.filter(|_| is_refused));
        [self.served(visit), refused].into_iter().flatten().min()
    }
}

fn ended(ledger: &Ledger, index: usize) -> Option<Moment> {
    let mut steps = ledger.steps.iter();
    steps
        .find(|(it, ..)| *it == index)
        .and_then(|(_, _, ended)| *ended)
}

/// When the last step of these phases had ended, if all did and startup went on.
fn all_end(
    scenario: &Scenario,
    ledger: &Ledger,
    counts: impl Fn(&PlannedStep) -> bool,
) -> Option<Moment> {
    let began = Moment {
        at: Duration::ZERO,
        nth: 0,
    };
    let steps = scenario.steps.iter().enumerate();
    let mut steps = steps.filter(|(_, step)| counts(step));
    steps.try_fold(began, |last, (index, step)| {
        let fatal = step.critical && step.end != StepEnd::Well;
        let ended = ended(ledger, index).filter(|_| !fatal)?;
        Some(last.max(ended))
    })
}
