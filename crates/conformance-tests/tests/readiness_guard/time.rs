//! G1, G2, G4: when the guard looks, and how often.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use readiness_guard::{ReadinessCheck, Reason};
use startup_phases::Phase;
use tokio::time::{Instant, sleep};

use crate::{complete, config, guard_of, is_not_ready, is_ready, ms, production, start, stuck_in};

#[tokio::test(start_paused = true)]
async fn g1_a_hundred_waits_for_the_same_startup_take_exactly_the_same_time() {
    for _ in 0..100 {
        let phases = start([(Phase::Services, ms(250))]);
        let ready = is_ready(guard_of(phases, production()).wait().await);
        assert_eq!(
            (ready.observation.elapsed, ready.observation.checks),
            (ms(300), 4)
        );
    }
}

/// When a check that takes this long is asked, in milliseconds after the start of a wait of one second.
async fn asked_at(check_takes: Duration) -> Vec<u128> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let t0 = Instant::now();
    let check = ReadinessCheck::new("slow", {
        let asked = Arc::clone(&asked);
        move || {
            asked.lock().push(t0.elapsed().as_millis());
            sleep(check_takes).map(|()| Err::<(), _>("no"))
        }
    });
    let guard = guard_of(complete().await, config(&[("ENVIRONMENT", "test")])).check(check);
    is_not_ready(guard.wait().await);
    asked.lock().clone()
}

#[tokio::test(start_paused = true)]
async fn g1_the_grid_does_not_drift_by_what_a_check_takes() {
    assert_eq!(
        asked_at(ms(7)).await,
        [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
    );
}

#[tokio::test(start_paused = true)]
async fn g1_ticks_missed_by_a_slow_check_are_skipped_never_bunched() {
    assert_eq!(asked_at(ms(130)).await, [0, 200, 400, 600, 800, 1000]);
    assert_eq!(asked_at(ms(100)).await, [0, 200, 400, 600, 800, 1000]);
}

#[tokio::test(start_paused = true)]
async fn g1_the_interval_is_a_setting() {
    let phases = start([(Phase::Services, ms(250))]);
    let guard = guard_of(phases, production().interval(ms(40)));
    assert_eq!(is_ready(guard.wait().await).observation.elapsed, ms(280));
}

#[tokio::test(start_paused = true)]
async fn g2_a_ready_system_costs_no_wait() {
    let guard = guard_of(complete().await, production());
    let ready = is_ready(guard.wait().await);
    assert_eq!(
        (ready.observation.elapsed, ready.observation.checks),
        (ms(0), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn g2_what_the_caller_knows_costs_no_tick() {
    let phases = start([(Phase::Services, ms(250))]);
    let guard = guard_of(phases.clone(), production());
    let ready = is_ready(guard.wait_nudged(phases.reached(Phase::Services)).await);
    assert_eq!(
        (ready.observation.elapsed, ready.observation.checks),
        (ms(250), 4)
    );
}

#[tokio::test(start_paused = true)]
async fn g2_a_nudge_that_comes_to_nothing_leaves_the_grid_as_it_was() {
    let phases = start([(Phase::Services, ms(250))]);
    let guard = guard_of(phases, production());
    let ready = is_ready(guard.wait_nudged(sleep(ms(142))).await);
    assert_eq!(
        (ready.observation.elapsed, ready.observation.checks),
        (ms(300), 5)
    );
}

#[test]
fn g4_the_bound_is_twelve_looks_a_second() {
    let config = production();
    for (limit, bound) in [
        (ms(1000), 12),
        (ms(3000), 36),
        (ms(5000), 60),
        (ms(8000), 96),
        (ms(250), 3),
    ] {
        assert_eq!(config.iteration_limit(limit), bound);
    }
    assert_eq!(config.interval(ms(70)).iteration_limit(ms(1000)), 18);
}

#[tokio::test(start_paused = true)]
async fn g4_no_wait_looks_more_often_than_its_bound() {
    for (interval, limit) in [
        (100, 1000),
        (100, 50),
        (30, 100),
        (7, 1000),
        (1, 10),
        (1000, 100),
    ] {
        let config = production().interval(ms(interval)).timeout(ms(limit));
        let bound = config.iteration_limit(ms(limit));
        let why = is_not_ready(guard_of(stuck_in(Phase::Cache), config).wait().await);
        assert!(
            why.observation.checks <= bound,
            "{} of {bound}",
            why.observation.checks
        );
        assert_eq!(why.observation.elapsed, ms(limit));
        assert_ne!(why.reason(), Reason::IterationBound);
    }
}
