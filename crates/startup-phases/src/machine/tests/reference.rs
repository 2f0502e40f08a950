//! The rules of startup said naively: everything follows from who has ended, and how, and is
//! worked out from the beginning each time.

use super::*;

pub(super) struct Reference<'a> {
    plan: &'a [Planned],
    /// Who has ended, in this order, and whether well.
    ends: Vec<(usize, bool)>,
    /// Who was started, in this order.
    started: Vec<usize>,
}

impl<'a> Reference<'a> {
    pub(super) fn started(plan: &'a [Planned]) -> Self {
        let mut reference = Self {
            plan,
            ends: Vec::new(),
            started: Vec::new(),
        };
        reference.started = reference.running();
        reference
    }

    pub(super) fn end(&mut self, index: usize, well: bool) {
        self.ends.push((index, well));
        for index in self.running() {
            if !self.started.contains(&index) {
                self.started.push(index);
            }
        }
    }

    fn outcome(&self, index: usize) -> Option<bool> {
        let mut ends = self.ends.iter();
        ends.find(|end| end.0 == index).map(|end| end.1)
    }

    fn failed(&self) -> Option<usize> {
        let mut ends = self.ends.iter();
        let fatal = ends.find(|(index, well)| !well && self.plan[*index].critical);
        fatal.map(|(index, _)| *index)
    }

    /// The first phase with a step that has not ended (P1).
    fn current(&self) -> Option<Phase> {
        let steps = 0..self.plan.len();
        let left = steps.filter(|index| self.outcome(*index).is_none());
        left.map(|index| self.plan[index].phase).min()
    }

    pub(super) fn running(&self) -> Vec<usize> {
        let runs = |index: &usize| {
            let step = &self.plan[*index];
            Some(step.phase) == self.current()
                && self.outcome(*index).is_none()
                && step
                    .after
                    .iter()
                    .all(|other| self.outcome(*other).is_some())
        };
        let all = 0..self.plan.len();
        all.filter(|index| self.failed().is_none() && runs(index))
            .collect()
    }

    /// Those that a failure cut off, and whose end may still come.
    pub(super) fn cancelled(&self) -> Vec<usize> {
        let all = 0..self.plan.len();
        all.filter(|index| self.step(*index) == StepState::Cancelled)
            .collect()
    }

    fn state(&self) -> State {
        match (self.failed(), self.current()) {
            (Some(index), _) => State::Failed(Failure {
                phase: self.plan[index].phase,
                step: Some(self.plan[index].name.clone()),
                error: "no".to_owned(),
            }),
            (None, Some(phase)) => State::Running(phase),
            (None, None) => State::Complete,
        }
    }

    /// Its turn has come, and every critical step up to it has finished well (P2).
    fn has_reached(&self, phase: Phase) -> bool {
        let failed = self.failed().map(|index| self.plan[index].phase);
        let turn = failed.or(self.current());
        let mut critical = (0..self.plan.len()).filter(|index| self.plan[*index].critical);
        turn.is_none_or(|turn| phase <= turn)
            && critical
                .all(|index| self.plan[index].phase > phase || self.step(index) == StepState::Done)
    }

    fn step(&self, index: usize) -> StepState {
        match self.outcome(index) {
            Some(true) => StepState::Done,
            Some(false) => StepState::Failed,
            None if !self.started.contains(&index) => StepState::Pending,
            None if self.failed().is_some() => StepState::Cancelled,
            None => StepState::Running,
        }
    }

    /// The machine says the same.
    pub(super) fn agrees(&self, bench: &Bench) {
        assert_eq!(*bench.machine.state(), self.state());
        let mut running = bench.running.clone();
        running.sort_unstable();
        assert_eq!(running, self.running(), "each is started once, in its turn");
        for phase in Phase::ALL {
            assert_eq!(
                bench.machine.has_reached(phase),
                self.has_reached(phase),
                "{phase}"
            );
        }
        let report = bench.report();
        for (index, planned) in self.plan.iter().enumerate() {
            let mut steps = report.phases[planned.phase.index()].steps.iter();
            let step = steps.find(|step| step.name == planned.name).unwrap();
            assert_eq!(step.state, self.step(index), "{}", step.name);
        }
        let done = |index: &usize| self.outcome(*index) == Some(true);
        let to_stop: Vec<_> = self.started.iter().rev().copied().filter(done).collect();
        assert_eq!(bench.machine.to_stop(), to_stop);
    }
}
