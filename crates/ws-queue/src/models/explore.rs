//! Running a model, and how much of it was run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom_models)]
pub(super) use self::with_loom::explore;
#[cfg(shuttle_models)]
pub(super) use self::with_shuttle::{Schedules, explore};

/// Runs `check` on the model, counts how often the model was run, and prints that.
fn count<M: Fn() + Send + Sync + 'static>(
    what: &str,
    unit: &str,
    model: M,
    check: impl FnOnce(Box<dyn Fn() + Send + Sync>),
) {
    let runs = Arc::new(AtomicU64::new(0));
    check(Box::new({
        let runs = Arc::clone(&runs);
        move || {
            runs.fetch_add(1, Ordering::Relaxed);
            model();
        }
    }));
    let runs = runs.load(Ordering::Relaxed);
    println!("explored: {what}: {runs} {unit}");
}

#[cfg(loom_models)]
mod with_loom {
    use loom::model::Builder;

    use super::super::world::World;
    use crate::QueueConfig;

    /// Every interleaving: without a bound on preemptions, whatever the environment says.
    pub(in super::super) fn explore(
        what: &str,
        config: QueueConfig,
        model: impl Fn(&World) + Send + Sync + 'static,
    ) {
        let model = move || model(&World::new(&config));
        super::count(what, "interleavings", model, |model| {
            let mut loom = Builder::new();
            (loom.preemption_bound, loom.max_permutations) = (None, None);
            (loom.max_duration, loom.checkpoint_file) = (None, None);
            loom.check(model);
        });
    }
}

#[cfg(shuttle_models)]
mod with_shuttle {
    use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};
    use shuttle::{Config, Runner};

    /// How threads are chosen.
    #[derive(Clone, Copy)]
    pub(in super::super) enum Schedules {
        /// Any of those that can run, at every step.
        Random,
        /// By priorities that change at `depth - 1` steps: finds what takes that few changes.
        Pct { depth: usize },
    }

    /// Half of `PROVE_SCHEDULES` (4,000 where it is not set) that begin with the seed `PROVE_SEED` (0), or
    /// the one in `PROVE_REPLAY`. The same seed gives the same schedules.
    pub(in super::super) fn explore(what: &str, schedules: Schedules, model: fn()) {
        let half = setting("PROVE_SCHEDULES").map_or(2_000, |all| {
            all.parse::<usize>().expect("a number of schedules") / 2
        });
        let seed = setting("PROVE_SEED").map_or(0, |seed| seed.parse().expect("a seed"));
        super::count(
            &format!("{what}, seed {seed}"),
            "schedules",
            model,
            |model| {
                let mut config = Config::new();
                config.stack_size = 1 << 17;
                config.silence_warnings = true;
                match (setting("PROVE_REPLAY"), schedules) {
                    (Some(schedule), _) => {
                        let mut scheduler = ReplayScheduler::new_from_encoded(&schedule);
                        // It ends where the test failed.
                        scheduler.set_allow_incomplete();
                        Runner::new(scheduler, config).run(model);
                    }
                    (None, Schedules::Random) => {
                        let scheduler = RandomScheduler::new_from_seed(seed, half);
                        Runner::new(scheduler, config).run(model);
                    }
                    (None, Schedules::Pct { depth }) => {
                        let scheduler = PctScheduler::new_from_seed(seed, depth, half);
                        Runner::new(scheduler, config).run(model);
                    }
                }
            },
        );
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "how long to search is for whoever runs the tests to say"
    )]
    fn setting(name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
