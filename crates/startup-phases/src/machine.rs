//! The rules of startup, without a clock and without a task.
//!
//! `now` comes in as an argument; what to run next comes out, and what happened is appended to the
//! log. P1 to P4, P6, P8 and P10 are decided here and nowhere else.

use std::time::{Duration, Instant};

use crate::Phase;
use crate::report::{Degraded, PhaseReport, PhaseState, Report, StepReport, StepState};
use crate::state::{Event, Failure, State, Transition};

/// A declared step, as far as the rules care.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) phase: Phase,
    pub(crate) name: String,
    pub(crate) critical: bool,
    /// Indices of the steps that have to end first.
    pub(crate) after: Vec<usize>,
}

/// What the shell has to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Run these steps, then tell how any of those running ended. May be empty: others still run.
    Run(Vec<usize>),
    /// Nothing runs any more, all went well.
    Complete,
    /// Start nothing more, cancel what runs, stop what had finished.
    Failed,
}

#[derive(Debug)]
struct Record {
    plan: Planned,
    state: StepState,
    attempts: u32,
    started: Option<Duration>,
    ended: Option<Duration>,
    /// Of its last attempt; what it failed with, once it has; `None` once it has finished well.
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    entered: Option<Duration>,
    reached: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Machine {
    steps: Vec<Record>,
    phases: [Span; Phase::COUNT],
    state: State,
    started: Option<Instant>,
    ended: Option<Duration>,
    /// Steps in the order in which they were started.
    order: Vec<usize>,
    /// Never longer than two entries for each step, two for each phase, and two.
    log: Vec<Transition>,
}

impl Machine {
    /// The steps in their declared order. The `after` relation is free of cycles.
    pub(crate) fn new(plan: Vec<Planned>) -> Self {
        let record = |plan| Record {
            plan,
            state: StepState::Pending,
            attempts: 0,
            started: None,
            ended: None,
            error: None,
        };
        Self {
            steps: plan.into_iter().map(record).collect(),
            phases: [Span::default(); Phase::COUNT],
            state: State::Unknown,
            started: None,
            ended: None,
            order: Vec::new(),
            log: Vec::new(),
        }
    }

    // Unknown -> (Running | Complete)
    pub(crate) fn start(&mut self, now: Instant) -> Next {
        debug_assert_eq!(self.state, State::Unknown, "a sequence is started once");
        self.started = Some(now);
        self.push(Duration::ZERO, Event::Started);
        self.enter(Phase::Init, Duration::ZERO);
        self.advance(Duration::ZERO)
    }

    /// An attempt of a running step has failed, and is not its last one. Nothing has happened, so
    /// nobody is woken; whoever looks sees why.
    pub(crate) fn attempt_failed(&mut self, index: usize, error: String) {
        let step = &mut self.steps[index];
        if step.state == StepState::Running {
            step.error = Some(error);
        }
    }

    /// A running step is being tried once more.
    pub(crate) fn attempted(&mut self, index: usize) {
        let step = &mut self.steps[index];
        if step.state == StepState::Running {
            step.attempts += 1;
        }
    }

    // Running -> (Running | Complete | Failed), Failed -> Failed
    pub(crate) fn ended(
        &mut self,
        index: usize,
        outcome: Result<(), String>,
        now: Instant,
    ) -> Next {
        let at = self.offset(now);
        let step = &mut self.steps[index];
        step.state = if outcome.is_ok() {
            StepState::Done
        } else {
            StepState::Failed
        };
        step.ended = Some(at);
        step.error = outcome.as_ref().err().cloned();
        if self.state.is_final() {
            // It ended before its cancellation came through: the report tells what really
            // happened, the log is closed.
            return Next::Failed;
        }

        let Planned {
            phase,
            name,
            critical,
            ..
        } = self.steps[index].plan.clone();
        let duration = at - self.steps[index].started.unwrap_or(at);
        let attempts = self.steps[index].attempts;
        self.push(
            at,
            Event::StepEnded {
                phase,
                step: name.clone(),
                critical,
                attempts,
                duration,
                outcome: outcome.clone(),
            },
        );
        match outcome {
            Err(error) if critical => {
                self.fail(
                    Failure {
                        phase,
                        step: Some(name),
                        error,
                    },
                    at,
                );
                Next::Failed
            }
            _ => self.advance(at),
        }
    }

    // (Unknown | Running) -> Failed, Complete -> Complete, Failed -> Failed
    pub(crate) fn lost(&mut self, error: &str, now: Instant) {
        if !self.state.is_final() {
            let phase = self.state.phase().unwrap_or(Phase::Init);
            let at = self.offset(now);
            self.fail(
                Failure {
                    phase,
                    step: None,
                    error: error.to_owned(),
                },
                at,
            );
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn log(&self) -> &[Transition] {
        &self.log
    }

    pub(crate) fn has_reached(&self, phase: Phase) -> bool {
        self.phases[phase.index()].reached.is_some()
    }

    /// The steps that finished well, the last one started first.
    pub(crate) fn to_stop(&self) -> Vec<usize> {
        let done = |index: &usize| self.steps[*index].state == StepState::Done;
        self.order.iter().rev().copied().filter(done).collect()
    }

    /// Everything as it stands; what still runs has lasted until `now`.
    pub(crate) fn report(&self, now: Instant) -> Report {
        let elapsed = self.ended.unwrap_or_else(|| self.offset(now));
        let lasted = |from: Option<Duration>, to: Option<Duration>| {
            from.map(|from| to.unwrap_or(elapsed).saturating_sub(from))
        };
        let step_report = |step: &Record| StepReport {
            name: step.plan.name.clone(),
            critical: step.plan.critical,
            state: step.state,
            attempts: step.attempts,
            started: step.started,
            duration: lasted(step.started, step.ended),
            error: step.error.clone(),
        };
        let phase_report = |phase: Phase| {
            let span = self.phases[phase.index()];
            PhaseReport {
                phase,
                state: self.phase_state(phase),
                started: span.entered,
                duration: lasted(span.entered, span.reached),
                steps: self.steps_of(phase).map(step_report).collect(),
            }
        };
        let degraded = |step: &Record| match &step.error {
            Some(error) if !step.plan.critical && step.state == StepState::Failed => {
                Some(Degraded {
                    phase: step.plan.phase,
                    step: step.plan.name.clone(),
                    error: error.clone(),
                })
            }
            _ => None,
        };
        Report {
            state: self.state.clone(),
            elapsed,
            degraded: self.steps.iter().filter_map(degraded).collect(),
            phases: Phase::ALL.into_iter().map(phase_report).collect(),
        }
    }

    fn phase_state(&self, phase: Phase) -> PhaseState {
        let span = self.phases[phase.index()];
        match (span.entered, span.reached) {
            (None, _) => PhaseState::Pending,
            (Some(_), Some(_)) => PhaseState::Reached,
            (Some(_), None) if self.state.is_final() => PhaseState::Failed,
            (Some(_), None) => PhaseState::Running,
        }
    }

    /// Goes as far as possible without another step ending.
    fn advance(&mut self, at: Duration) -> Next {
        while let State::Running(phase) = self.state {
            let finished = |step: &Record| !step.plan.critical || step.state == StepState::Done;
            if !self.has_reached(phase) && self.steps_of(phase).all(finished) {
                self.reach(phase, at);
            }
            if self.steps_of(phase).any(|step| !step.state.has_ended()) {
                return Next::Run(self.start_ready(phase, at));
            }
            match phase.next() {
                Some(next) => self.enter(next, at),
                None => self.complete(at),
            }
        }
        Next::Complete
    }

    fn start_ready(&mut self, phase: Phase, at: Duration) -> Vec<usize> {
        let ready = |step: &Record| {
            step.plan.phase == phase
                && step.state == StepState::Pending
                && step
                    .plan
                    .after
                    .iter()
                    .all(|&other| self.steps[other].state.has_ended())
        };
        let ready: Vec<usize> = (0..self.steps.len())
            .filter(|&index| ready(&self.steps[index]))
            .collect();
        for &index in &ready {
            let step = &mut self.steps[index];
            step.state = StepState::Running;
            step.attempts = 1;
            step.started = Some(at);
            let step = step.plan.name.clone();
            self.order.push(index);
            self.push(at, Event::StepStarted { phase, step });
        }
        ready
    }

    fn enter(&mut self, phase: Phase, at: Duration) {
        self.state = State::Running(phase);
        self.phases[phase.index()].entered = Some(at);
        self.push(at, Event::PhaseEntered(phase));
    }

    fn reach(&mut self, phase: Phase, at: Duration) {
        let span = &mut self.phases[phase.index()];
        span.reached = Some(at);
        let duration = at - span.entered.unwrap_or(at);
        self.push(at, Event::PhaseReached { phase, duration });
    }

    fn complete(&mut self, at: Duration) {
        self.state = State::Complete;
        self.ended = Some(at);
        self.push(at, Event::Completed);
    }

    fn fail(&mut self, failure: Failure, at: Duration) {
        for step in &mut self.steps {
            if step.state == StepState::Running {
                step.state = StepState::Cancelled;
                step.ended = Some(at);
            }
        }
        self.state = State::Failed(failure.clone());
        self.ended = Some(at);
        self.push(at, Event::Failed(failure));
    }

    fn steps_of(&self, phase: Phase) -> impl Iterator<Item = &Record> {
        self.steps
            .iter()
            .filter(move |step| step.plan.phase == phase)
    }

    fn offset(&self, now: Instant) -> Duration {
        self.started.map_or(Duration::ZERO, |started| {
            now.saturating_duration_since(started)
        })
    }

    fn push(&mut self, at: Duration, event: Event) {
        self.log.push(Transition { at, event });
    }
}

#[cfg(test)]
mod tests;
