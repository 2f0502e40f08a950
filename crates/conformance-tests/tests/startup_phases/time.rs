//! P5: every step is bounded, and polling is on a fixed grid.

use std::error::Error;

use futures::future::Ready;
use startup_phases::Grid;

use super::*;

#[tokio::test(start_paused = true)]
async fn p5_a_step_ends_at_its_time_limit() {
    let notes = Notes::default();
    let begun = Instant::now();
    let pool = hangs_noted(Phase::Database, "pool", &notes).timeout(ms(750));
    let error = fails_to_start(sequence([pool])).await;
    assert_eq!(begun.elapsed(), ms(750));
    assert_eq!(error.failure().error, "not finished within 750ms");
    assert_eq!(notes.taken(), ["cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn p5_a_step_that_sets_no_limit_has_one_of_60_seconds() {
    let begun = Instant::now();
    fails_to_start(sequence([hangs(Phase::Database, "pool")])).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn p5_polling_is_on_a_fixed_grid_without_drift_and_without_bunches() {
    let (upstream, at) = polls(&[0, 30, 99, 250, 100, 5], 8);
    let started = sequence([upstream]).run().await.unwrap();
    // At once; whatever an attempt takes, the next is at the next multiple of 100 ms.
    assert_eq!(*at.lock(), [0, 100, 200, 300, 600, 800, 900, 1_000]);
    assert_eq!(started.report().phases[1].steps[0].attempts, 8);
}

#[tokio::test(start_paused = true)]
async fn p5_polling_ends_at_the_limit_with_the_last_error_as_its_cause() {
    let (upstream, at) = polls(&[], 0);
    let upstream = upstream.interval(ms(200)).timeout(ms(1_100));
    let error = fails_to_start(sequence([upstream])).await;
    assert_eq!(*at.lock(), [0, 200, 400, 600, 800, 1_000]);
    assert_eq!(
        error.failure().error,
        "not ready within 1.1s; last attempt: attempt 6"
    );
    assert_eq!(error.source().unwrap().to_string(), "attempt 6");
}

#[tokio::test(start_paused = true)]
async fn p5_what_is_ready_costs_no_wait() {
    let (upstream, _) = polls(&[], 1);
    let begun = Instant::now();
    sequence([upstream]).run().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn p5_a_panic_in_a_step_is_that_steps_failure() {
    let work: fn() -> Ready<io::Result<()>> = || panic!("before any future");
    let attempt: fn() -> Ready<io::Result<()>> = || panic!("in attempt {}", 1);
    for (step, text) in [
        (
            Step::new(Phase::Init, "broken", work),
            "panicked: before any future",
        ),
        (
            Step::polling(Phase::Init, "broken", attempt),
            "panicked: in attempt 1",
        ),
    ] {
        let error = fails_to_start(sequence([step])).await;
        assert_eq!(error.failure().step.as_deref(), Some("broken"));
        assert_eq!(error.failure().error, text);
        assert!(error.source().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn p5_the_grid_is_there_for_others_too() {
    let t0 = Instant::now().into_std();
    let grid = Grid::new(t0, ms(100));
    assert_eq!(grid.next_after(t0), t0 + ms(100));
    assert_eq!(grid.next_after(t0 + ms(99)), t0 + ms(100));
    assert_eq!(grid.next_after(t0 + ms(100)), t0 + ms(200));
    assert_eq!(grid.next_after(t0 + ms(1_001)), t0 + ms(1_100));
}
