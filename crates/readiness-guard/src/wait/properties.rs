//! The rules of one wait beside the same rules said naively, over random looks: how long each
//! takes, what it shows, who asks for one in between, and what the clock does meanwhile.

use std::cell::Cell;

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use startup_phases::Phase;

use super::*;
use crate::{Environment, Vars};

/// What a look shows of startup: nothing, its failure, or how many phases it has reached.
#[derive(Clone, Copy, Debug)]
enum Shown {
    Unknown,
    Failed,
    Reached(usize),
}

impl Shown {
    fn sight(self) -> Sight {
        let (state, reached) = match self {
            Shown::Unknown => (ReadinessState::Unknown, 0),
            Shown::Failed => (ReadinessState::Failed, 3),
            Shown::Reached(phases) => (ReadinessState::Initializing, phases),
        };
        Sight {
            state,
            phase: None,
            reached: reached.checked_sub(1).map(|last| Phase::ALL[last]),
        }
    }
}

/// How it comes to the next look.
#[derive(Clone, Copy, Debug)]
enum Wakes {
    /// At the tick, or so much later.
    Late(u64),
    /// Somebody asks for a look, so much earlier.
    Nudged(u64),
    /// At once, by a clock that stands still.
    Stuck,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    takes: u64,
    shows: Shown,
    checks_pass: bool,
    then: Wakes,
}

fn look() -> impl Strategy<Value = Look> {
    // What ends a wait is rare, so that most are long.
    let shows = prop_oneof![
        40 => Just(Shown::Unknown),
        40 => (0..4usize).prop_map(Shown::Reached),
        8 => (4..=7usize).prop_map(Shown::Reached),
        1 => Just(Shown::Failed),
    ];
    let takes = prop_oneof![4 => Just(0), 2 => 0..50u64, 1 => 0..700u64];
    let then = prop_oneof![
        8 => Just(Wakes::Late(0)),
        1 => (0..400u64).prop_map(Wakes::Late),
        2 => (1..100u64).prop_map(Wakes::Nudged),
        3 => Just(Wakes::Stuck),
    ];
    (takes, shows, weighted(0.2), then).prop_map(|(takes, shows, checks_pass, then)| Look {
        takes,
        shows,
        checks_pass,
        then,
    })
}

/// All times in milliseconds from t0.
#[derive(Clone, Debug)]
struct Settings {
    config: GuardConfig,
    minimum: usize,
    interval: u64,
    limit: u64,
    limit_unknown: u64,
}

fn settings() -> impl Strategy<Value = Settings> {
    let tier = select(vec![("test", 1000, 1000), ("staging", 3000, 15_000)]);
    let interval = prop_oneof![Just(100), 1..300u64];
    let timeout = option::of(prop_oneof![0..400u64, 0..3000u64]);
    (tier, interval, timeout, 1..=7usize).prop_map(|(tier, interval, timeout, minimum)| {
        let (name, limit, limit_unknown) = tier;
        let vars: Vars = [("ENVIRONMENT", name)].into_iter().collect();
        let config = GuardConfig::for_environment(&Environment::from_vars(&vars))
            .interval(Duration::from_millis(interval))
            .minimum_phase(Phase::ALL[minimum - 1]);
        Settings {
            minimum,
            interval,
            limit: timeout.unwrap_or(limit),
            limit_unknown: timeout.unwrap_or(limit_unknown),
            config: match timeout {
                Some(timeout) => config.timeout(Duration::from_millis(timeout)),
                None => config,
            },
        }
    })
}

/// The rules, naively.
struct Reference<'a> {
    settings: &'a Settings,
    looks: u64,
    extra_looks: u64,
    /// Startup was unknown where the shorter limit would have ended the wait.
    patient: bool,
}

impl Reference<'_> {
    fn meaning(&self, look: &Look) -> Result<(), Reason> {
        match look.shows {
            Shown::Failed => Err(Reason::StartupFailed),
            Shown::Unknown => Err(Reason::UnknownPhase),
            Shown::Reached(phases) if phases >= self.settings.minimum => match look.checks_pass {
                true => Ok(()),
                false => Err(Reason::CheckFailed),
            },
            Shown::Reached(4..) => Err(Reason::NearReady),
            Shown::Reached(_) => Err(Reason::PhaseTimeout),
        }
    }

    /// By when a look that begins now has to have its answers; none are asked for in vain.
    fn ask_until(&self, now: u64, look: &Look) -> Option<u64> {
        let unknown = matches!(look.shows, Shown::Unknown);
        let end = if unknown || self.patient {
            self.settings.limit_unknown
        } else {
            self.settings.limit
        };
        match look.shows {
            Shown::Failed => None,
            Shown::Reached(phases) if phases >= self.settings.minimum => Some(end),
            _ => (now < end).then_some(end),
        }
    }

    fn looked(&mut self, now: u64, look: &Look) -> Told {
        let Settings {
            interval,
            limit,
            limit_unknown,
            ..
        } = *self.settings;
        self.looks += 1;
        let reason = match self.meaning(look) {
            Ok(()) => return Told::Done(now, Ok(())),
            Err(Reason::StartupFailed) => return Told::Done(now, Err(Reason::StartupFailed)),
            Err(reason) => reason,
        };
        let tick = (0..)
            .map(|n| n * interval)
            .find(|tick| *tick > now)
            .unwrap();
        if tick > limit && matches!(look.shows, Shown::Unknown) {
            self.patient = true;
        }
        let end = if self.patient { limit_unknown } else { limit };
        // 1.2 looks for each interval, rounded up, and one at least.
        let bound = (12 * end).div_ceil(10 * interval).max(1) + self.extra_looks;
        if tick > end {
            Told::Done(now.max(end), Err(reason))
        } else if self.looks >= bound {
            Told::Done(now, Err(Reason::IterationBound))
        } else {
            Told::LookAt(tick)
        }
    }
}

/// [`Next`] in milliseconds: when to look again, or when it is over and how.
#[derive(Debug, PartialEq)]
enum Told {
    LookAt(u64),
    Done(u64, Result<(), Reason>),
}

/// Plays the looks to the end of the wait; returns how many there were.
fn play(settings: &Settings, looks: &[Look]) -> u64 {
    let t0 = tokio::time::Instant::now().into_std();
    let at = |ms| t0 + Duration::from_millis(ms);
    let mut wait = Wait::new(&settings.config, t0);
    let mut reference = Reference {
        settings,
        looks: 0,
        extra_looks: 0,
        patient: false,
    };
    let mut now = 0;
    for look in looks {
        let sight = look.shows.sight();
        assert_eq!(
            wait.ask_until(at(now), &sight),
            reference.ask_until(now, look).map(at)
        );
        now += look.takes;
        let told = match wait.looked(at(now), &sight, look.checks_pass) {
            Next::LookAt(tick) => Told::LookAt((tick - t0).as_millis() as u64),
            Next::EndAt(end, reason) => {
                assert!(end > at(now), "an end to wait for");
                Told::Done((end - t0).as_millis() as u64, Err(reason))
            }
            Next::Done(outcome) => Told::Done(now, outcome),
        };
        assert_eq!(told, reference.looked(now, look));
        assert_eq!(wait.looks(), reference.looks);
        let Told::LookAt(tick) = told else { break };
        match look.then {
            Wakes::Late(late) => now = tick + late,
            Wakes::Nudged(earlier) => {
                now = now.max(tick.saturating_sub(earlier));
                wait.grant_extra_look();
                reference.extra_looks += 1;
            }
            Wakes::Stuck => {}
        }
    }
    reference.looks
}

#[test]
fn g1_g2_g4_g5_hold_as_in_the_reference_over_random_looks() {
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let explored = Cell::new(0);
    let run =
        TestRunner::new(config).run(&(settings(), vec(look(), 0..100)), |(settings, looks)| {
            explored.set(explored.get() + play(&settings, &looks));
            Ok(())
        });
    run.unwrap_or_else(|failure| panic!("{failure}"));
    println!(
        "explored: the rules of a wait beside a naive reference: {} looks",
        explored.get()
    );
}
