//! Draws a scenario from a seed.

mod clients;
mod deployment;

use std::time::Duration;

use super::{Behind, Scenario};

/// The scenario of this seed, always the same.
pub(crate) fn scenario(seed: u64) -> Scenario {
    let mut dice = Dice(fastrand::Rng::with_seed(seed));
    let mut scenario = deployment::draw(seed, &mut dice);
    clients::draw(&mut scenario, &mut dice);
    scenario
}

/// Chance, in the ways in which it is needed.
pub(super) struct Dice(fastrand::Rng);

impl Dice {
    /// True in so many of a hundred cases.
    fn chance(&mut self, of_hundred: u32) -> bool {
        self.0.u32(0..100) < of_hundred
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.usize(0..choices.len())].clone()
    }

    fn up_to(&mut self, most: usize) -> usize {
        self.0.usize(0..=most)
    }

    fn ms_of(&mut self, choices: &[u64]) -> Duration {
        ms(self.one_of(choices))
    }

    /// Less than that, in whole milliseconds: often on a grid of 50 ms, so that things coincide.
    fn within(&mut self, time: Duration) -> Duration {
        let most = time.as_millis() as u64;
        let any = self.0.u64(0..=most);
        ms(if self.chance(40) { any / 50 * 50 } else { any })
    }

    /// A moment of the deployment: any, or exactly when something happens, or a hair beside it.
    fn moment(&mut self, interesting: &[Duration], until: Duration) -> Duration {
        if interesting.is_empty() || self.chance(50) {
            return self.within(until);
        }
        let exactly = self.one_of(interesting);
        match self.0.u8(0..6) {
            0 => exactly + ms(1),
            1 => exactly.saturating_sub(ms(1)),
            2 => exactly + self.within(ms(120)),
            _ => exactly,
        }
    }
}

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// When something happens to this deployment that does not depend on anybody's acts.
pub(super) fn interesting(scenario: &Scenario) -> Vec<Duration> {
    let mut moments = Vec::new();
    let mut end = Duration::ZERO;
    for phase in startup_phases::Phase::ALL {
        let steps = scenario.steps.iter().filter(|step| step.phase == phase);
        let longest = steps.map(|step| step.takes).max();
        end += longest.unwrap_or_default();
        if longest.is_some() {
            moments.push(end);
        }
    }
    if let Some(monitor) = &scenario.monitor {
        moments.extend(monitor.holds.iter().map(|(at, _)| *at));
    }
    if let Behind::Upstream(moods) = &scenario.behind {
        moments.extend(moods.iter().map(|(at, _)| *at));
    }
    if let Some(stop) = scenario.stop_at {
        moments.extend([stop, scenario.drain_begins(stop)]);
    }
    moments
}
