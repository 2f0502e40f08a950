//! The rules of one wait: when to look again, when to stop, with what result. Time comes in as an
//! argument; there is no clock here, no task, and nothing that sleeps.

use std::time::{Duration, Instant};

use startup_phases::Grid;

use crate::sight::Sight;
use crate::{GuardConfig, ReadinessState, Reason};

/// What follows from a look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Next {
    /// Look again then.
    LookAt(Instant),
    /// The limit comes before the next tick: that look was the last, and this is what it meant.
    EndAt(Instant, Reason),
    /// It is over now.
    Done(Result<(), Reason>),
}

/// One wait, from its first look on.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    config: &'a GuardConfig,
    t0: Instant,
    grid: Grid,
    limit: Duration,
    looks: u64,
    extra_looks: u64,
}

impl<'a> Wait<'a> {
    pub(crate) fn new(config: &'a GuardConfig, t0: Instant) -> Self {
        Self {
            config,
            t0,
            grid: Grid::new(t0, config.interval),
            limit: config.time_limit(),
            looks: 0,
            extra_looks: 0,
        }
    }

    /// How long a look that starts now may wait for the checks. None if their answers could change
    /// nothing: startup has failed, or time is up and the phase is what is missing. A check that is not
    /// asked is not accused either.
    pub(crate) fn ask_until(&self, now: Instant, sight: &Sight) -> Option<Instant> {
        let end = self.t0 + self.limit_for(sight);
        let phase_is_there = sight.has_reached(self.config.minimum_phase);
        (sight.state != ReadinessState::Failed && (now < end || phase_is_there)).then_some(end)
    }

    /// The next look is one that somebody asked for: it is off the grid, and the bound on the looks of
    /// the grid does not count it.
    pub(crate) fn grant_extra_look(&mut self) {
        self.extra_looks += 1;
    }

    /// A look has ended, at `now`.
    pub(crate) fn looked(&mut self, now: Instant, sight: &Sight, checks_pass: bool) -> Next {
        self.looks += 1;
        let reason = match sight.assess(self.config.minimum_phase, checks_pass) {
            // Waiting -> (Ready | Failed): no need to use up the time.
            Ok(()) => return Next::Done(Ok(())),
            Err(Reason::StartupFailed) => return Next::Done(Err(Reason::StartupFailed)),
            Err(reason) => reason,
        };
        let tick = self.grid.next_after(now);
        if tick > self.t0 + self.limit {
            // A startup still unknown has the longer limit from here on, and keeps it when it reports:
            // it has only just begun.
            self.limit = self.limit_for(sight);
        }
        let end = self.t0 + self.limit;
        if tick > end {
            // Waiting -> NotReady, at the limit.
            if now < end {
                Next::EndAt(end, reason)
            } else {
                Next::Done(Err(reason))
            }
        } else if self.looks >= self.config.iteration_limit(self.limit) + self.extra_looks {
            Next::Done(Err(Reason::IterationBound))
        } else {
            Next::LookAt(tick)
        }
    }

    pub(crate) fn looks(&self) -> u64 {
        self.looks
    }

    pub(crate) fn grid(&self) -> Grid {
        self.grid
    }

    fn limit_for(&self, sight: &Sight) -> Duration {
        match sight.state {
            ReadinessState::Unknown => self.limit.max(self.config.time_limit_unknown()),
            _ => self.limit,
        }
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use startup_phases::Phase;

    use super::*;
    use crate::{Environment, Vars};

    const UNKNOWN: Sight = Sight {
        state: ReadinessState::Unknown,
        phase: None,
        reached: None,
    };
    const EARLY: Sight = Sight {
        state: ReadinessState::Initializing,
        phase: Some(Phase::Init),
        reached: None,
    };
    const THERE: Sight = Sight {
        state: ReadinessState::ServicesReady,
        phase: Some(Phase::Websocket),
        reached: Some(Phase::Services),
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn config(tier: &str) -> GuardConfig {
        let vars: Vars = [("ENVIRONMENT", tier)].into_iter().collect();
        GuardConfig::for_environment(&Environment::from_vars(&vars))
    }

    /// An instant to count from: its value means nothing, only what is added to it does.
    fn epoch() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Looks as told until the wait is over, each look taking `look`; returns when it ended, after how
    /// many looks, and how.
    fn drive(
        config: &GuardConfig,
        look: Duration,
        sight: impl Fn(Duration) -> Sight,
    ) -> (Duration, u64, Result<(), Reason>) {
        let t0 = epoch();
        let mut wait = Wait::new(config, t0);
        let mut now = t0;
        loop {
            now += look;
            match wait.looked(now, &sight(now - t0), true) {
                Next::LookAt(at) => now = at,
                Next::EndAt(at, reason) => return (at - t0, wait.looks(), Err(reason)),
                Next::Done(outcome) => return (now - t0, wait.looks(), outcome),
            }
        }
    }

    #[test]
    fn looks_on_the_grid_until_the_limit_and_at_the_limit() {
        let waited = drive(&config("test"), ms(0), |_| EARLY);
        assert_eq!(waited, (ms(1000), 11, Err(Reason::PhaseTimeout)));
    }

    #[test]
    fn a_limit_between_two_ticks_ends_the_wait_without_another_look() {
        let waited = drive(&config("test").timeout(ms(250)), ms(0), |_| EARLY);
        assert_eq!(waited, (ms(250), 3, Err(Reason::PhaseTimeout)));
    }

    #[test]
    fn a_limit_of_zero_is_one_look() {
        let config = config("test").timeout(ms(0));
        assert_eq!(drive(&config, ms(0), |_| THERE), (ms(0), 1, Ok(())));
        assert_eq!(
            drive(&config, ms(0), |_| EARLY),
            (ms(0), 1, Err(Reason::PhaseTimeout))
        );
    }

    #[test]
    fn ticks_missed_by_a_slow_look_are_skipped() {
        // 0 -> 250, 300 -> 550, 600 -> 850, 900 -> 1150
        let waited = drive(&config("test"), ms(250), |_| EARLY);
        assert_eq!(waited, (ms(1150), 4, Err(Reason::PhaseTimeout)));
    }

    #[test]
    fn a_wake_up_far_too_late_still_looks_once() {
        let t0 = epoch();
        let config = config("test");
        let mut wait = Wait::new(&config, t0);
        assert_eq!(wait.looked(t0, &EARLY, true), Next::LookAt(t0 + ms(100)));
        assert_eq!(
            wait.looked(t0 + ms(90_000), &THERE, true),
            Next::Done(Ok(()))
        );
    }

    #[test]
    fn a_clock_that_stands_still_is_caught_by_the_iteration_bound() {
        let t0 = epoch();
        let config = config("test");
        let mut wait = Wait::new(&config, t0);
        let looks = (1..).find(|_| matches!(wait.looked(t0, &EARLY, true), Next::Done(_)));
        assert_eq!(looks, Some(12));
    }

    #[test]
    fn no_honest_clock_ever_hits_the_iteration_bound() {
        for interval in 1..40 {
            for limit in 0..200 {
                let config = config("test").interval(ms(interval)).timeout(ms(limit));
                let (elapsed, looks, outcome) = drive(&config, ms(0), |_| EARLY);
                assert_eq!((elapsed, outcome), (ms(limit), Err(Reason::PhaseTimeout)));
                assert!(
                    looks <= config.iteration_limit(ms(limit)),
                    "{looks} in {limit} ms at {interval} ms"
                );
            }
        }
    }

    #[test]
    fn an_extra_look_moves_neither_the_grid_nor_the_bound() {
        let t0 = epoch();
        let config = config("test").timeout(ms(200));
        let mut wait = Wait::new(&config, t0);
        assert_eq!(wait.looked(t0, &EARLY, true), Next::LookAt(t0 + ms(100)));
        wait.grant_extra_look();
        assert_eq!(
            wait.looked(t0 + ms(42), &EARLY, true),
            Next::LookAt(t0 + ms(100))
        );
        assert_eq!(
            wait.looked(t0 + ms(100), &EARLY, true),
            Next::LookAt(t0 + ms(200))
        );
        let end = wait.looked(t0 + ms(200), &EARLY, true);
        assert_eq!(end, Next::Done(Err(Reason::PhaseTimeout)));
    }

    #[test]
    fn an_unknown_startup_gets_the_longer_limit_and_keeps_it_once_it_reports() {
        let staging = config("staging");
        let silent = drive(&staging, ms(0), |_| UNKNOWN);
        assert_eq!(silent, (ms(15_000), 151, Err(Reason::UnknownPhase)));
        let late = drive(&staging, ms(0), |now| {
            if now < ms(7000) { UNKNOWN } else { EARLY }
        });
        assert_eq!(late, (ms(15_000), 151, Err(Reason::PhaseTimeout)));
        let prompt = drive(
            &staging,
            ms(0),
            |now| if now < ms(500) { UNKNOWN } else { EARLY },
        );
        assert_eq!(prompt, (ms(3000), 31, Err(Reason::PhaseTimeout)));
    }

    #[test]
    fn a_startup_that_reports_at_the_limit_has_no_more_time() {
        let waited = drive(&config("staging"), ms(0), |now| {
            if now < ms(3000) { UNKNOWN } else { EARLY }
        });
        assert_eq!(waited, (ms(3000), 31, Err(Reason::PhaseTimeout)));
    }

    #[test]
    fn a_failure_ends_the_wait_at_the_look_that_sees_it() {
        let failed = Sight {
            state: ReadinessState::Failed,
            ..EARLY
        };
        let waited = drive(&config("production"), ms(0), |now| {
            if now < ms(250) { EARLY } else { failed }
        });
        assert_eq!(waited, (ms(300), 4, Err(Reason::StartupFailed)));
    }
}
