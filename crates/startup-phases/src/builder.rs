//! Putting a sequence together, and finding everything that is wrong with it.

use std::collections::HashMap;

use crate::driver::Driver;
use crate::error::{BuildError, Problem};
use crate::{Sequence, Step};

/// Collects the steps of a [`Sequence`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct SequenceBuilder {
    steps: Vec<Step>,
}

impl SequenceBuilder {
    /// Adds a step. The order of the calls is the declared order: steps of one phase are started
    /// and reported in it. Phases without steps are entered and reached at once.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Checks the steps against each other.
    ///
    /// # Errors
    ///
    /// If any name is empty or not unique, any `after` names a step that does not exist, belongs
    /// to a later phase or waits in turn, or an interval or time limit is zero: all of them.
    pub fn build(self) -> Result<Sequence, BuildError> {
        let mut problems = Vec::new();
        let known = self.index_by_name(&mut problems);
        self.check_limits(&mut problems);
        let after = self.resolve_after(&known, &mut problems);
        self.find_cycles(&after, &mut problems);
        if !problems.is_empty() {
            return Err(BuildError::new(problems));
        }
        let plan = self
            .steps
            .iter()
            .zip(after)
            .map(|(step, after)| step.planned(after))
            .collect();
        Ok(Sequence::new(self.steps, Driver::new(plan)))
    }

    fn index_by_name(&self, problems: &mut Vec<Problem>) -> HashMap<&str, usize> {
        let mut known = HashMap::new();
        for (index, step) in self.steps.iter().enumerate() {
            if step.name().is_empty() {
                problems.push(Problem::EmptyName {
                    phase: step.phase(),
                });
            } else if known.contains_key(step.name()) {
                let problem = Problem::DuplicateName {
                    step: step.name().to_owned(),
                };
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            } else {
                known.insert(step.name(), index);
            }
        }
        known
    }

    fn check_limits(&self, problems: &mut Vec<Problem>) {
        for step in &self.steps {
            if step
                .poll_interval()
                .is_some_and(|interval| interval.is_zero())
            {
                problems.push(Problem::ZeroInterval {
                    step: step.name().to_owned(),
                });
            }
            if step.time_limit().is_zero() {
                problems.push(Problem::ZeroTimeout {
                    step: step.name().to_owned(),
                });
            }
        }
    }

    /// For each step the indices of those it follows.
    fn resolve_after(
        &self,
        known: &HashMap<&str, usize>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Vec<usize>> {
        let mut resolve = |step: &Step, after: &String| {
            let names = || (step.name().to_owned(), after.clone());
            match known.get(after.as_str()) {
                None => {
                    let (step, after) = names();
                    problems.push(Problem::UnknownAfter { step, after });
                    None
                }
                Some(&other) if self.steps[other].phase() > step.phase() => {
                    let (step, after) = names();
                    problems.push(Problem::LaterAfter { step, after });
                    None
                }
                Some(&other) => Some(other),
            }
        };
        self.steps
            .iter()
            .map(|step| {
                step.follows()
                    .iter()
                    .filter_map(|after| resolve(step, after))
                    .collect()
            })
            .collect()
    }

    fn find_cycles(&self, after: &[Vec<usize>], problems: &mut Vec<Problem>) {
        let mut stuck: Vec<usize> = (0..after.len()).collect();
        loop {
            // What waits for nothing that is stuck can end, until only cycles and what waits for
            // them are left.
            loop {
                let before = stuck.len();
                let still = stuck.clone();
                stuck.retain(|&step| after[step].iter().any(|other| still.contains(other)));
                if stuck.len() == before {
                    break;
                }
            }
            let Some(&first) = stuck.first() else { return };

            // Each of them waits for another of them, so going from one to the next ends in a
            // circle.
            let mut way = vec![first];
            let cycle = loop {
                let last = way[way.len() - 1];
                let Some(&next) = after[last].iter().find(|other| stuck.contains(other)) else {
                    return;
                };
                if let Some(entry) = way.iter().position(|&seen| seen == next) {
                    break way.split_off(entry);
                }
                way.push(next);
            };
            let round = cycle.iter().chain(cycle.first());
            let steps = round
                .map(|&step| self.steps[step].name().to_owned())
                .collect();
            problems.push(Problem::Cycle { steps });
            stuck.retain(|step| !cycle.contains(step));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Phase;

    fn step(phase: Phase, name: &str) -> Step {
        Step::new(phase, name, || async { Ok::<_, String>(()) })
    }

    fn problems(steps: impl IntoIterator<Item = Step>) -> Vec<String> {
        let builder = steps
            .into_iter()
            .fold(Sequence::builder(), SequenceBuilder::step);
        let error = builder.build().unwrap_err();
        error.problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_problem_is_listed() {
        let probe = Step::polling(Phase::Init, "probe", || async { Ok::<_, String>(()) });
        let listed = problems([
            step(Phase::Init, "a").after("nobody"),
            step(Phase::Init, "a"),
            step(Phase::Init, "a"),
            step(Phase::Init, ""),
            step(Phase::Init, "early")
                .after("late")
                .timeout(Duration::ZERO),
            step(Phase::Cache, "late"),
            probe.interval(Duration::ZERO),
        ]);
        assert_eq!(
            listed,
            [
                "there are several steps named `a`",
                "a step of phase init has no name",
                "step `early` has a time limit of zero",
                "step `probe` has an interval of zero",
                "step `a` is to follow `nobody`, which does not exist",
                "step `early` is to follow `late`, which belongs to a later phase",
            ]
        );
    }

    #[test]
    fn each_cycle_is_named_and_what_waits_for_it_is_not() {
        let listed = problems([
            step(Phase::Init, "waits").after("a"),
            step(Phase::Init, "a").after("free").after("b"),
            step(Phase::Init, "b").after("c"),
            step(Phase::Init, "c").after("a"),
            step(Phase::Init, "self").after("self"),
            step(Phase::Init, "free"),
        ]);
        assert_eq!(
            listed,
            [
                "steps wait for each other: `a` after `b` after `c` after `a`",
                "steps wait for each other: `self` after `self`",
            ]
        );
    }

    #[test]
    fn the_error_says_all_problems_in_one_line() {
        let builder = Sequence::builder()
            .step(step(Phase::Init, ""))
            .step(step(Phase::Init, "a").after("nobody"));
        assert_eq!(
            builder.build().unwrap_err().to_string(),
            "the startup sequence cannot run: a step of phase init has no name; \
             step `a` is to follow `nobody`, which does not exist"
        );
    }

    #[test]
    fn a_sequence_tells_its_plan() {
        let probe = Step::polling(Phase::Cache, "probe", || async { Ok::<_, String>(()) });
        let built = Sequence::builder()
            .step(probe.interval(Duration::from_millis(7)))
            .step(step(Phase::Init, "config").timeout(Duration::from_secs(1)))
            .step(step(Phase::Init, "mail").optional())
            .build();
        let built = built.unwrap();
        let told = built.steps().map(|it| {
            let limits = (it.time_limit().as_secs(), it.poll_interval());
            (it.phase(), it.name(), it.is_critical(), limits)
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                (
                    Phase::Cache,
                    "probe",
                    true,
                    (60, Some(Duration::from_millis(7)))
                ),
                (Phase::Init, "config", true, (1, None)),
                (Phase::Init, "mail", false, (60, None)),
            ]
        );
    }

    #[test]
    fn a_step_may_follow_one_of_an_earlier_phase() {
        let builder = Sequence::builder()
            .step(step(Phase::Cache, "cache").after("database"))
            .step(step(Phase::Database, "database"));
        assert!(builder.build().is_ok());
    }
}
