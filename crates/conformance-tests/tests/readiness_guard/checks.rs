//! G9: readiness checks, and readiness lost and regained.

use std::future::pending;
use std::io;

use futures::FutureExt;
use readiness_guard::{ReadinessCheck, Reason};
use startup_phases::{Phase, Sequence, Step};
use tokio::time::{Instant, sleep};

use crate::{Lever, complete, guard_of, is_ready, ms, production, run};

#[tokio::test(start_paused = true)]
async fn g9_an_optional_check_only_warns() {
    let cache = Lever::default();
    let guard =
        guard_of(complete().await, production()).check(cache.check("warm cache").optional());
    let ready = is_ready(guard.wait().await);
    assert_eq!(ready.observation.elapsed, ms(0));
    assert!(ready.observation.failed_checks.is_empty());
    assert_eq!(
        ready.observation.warnings,
        ["optional check warm cache: lever is down"]
    );
}

#[tokio::test(start_paused = true)]
async fn g9_checks_of_one_look_run_at_the_same_time() {
    let slow = |name| ReadinessCheck::new(name, || sleep(ms(60)).map(Ok::<(), io::Error>));
    let guard = guard_of(complete().await, production())
        .check(slow("one"))
        .check(slow("two"))
        .check(slow("three"));
    assert_eq!(is_ready(guard.wait().await).observation.elapsed, ms(60));
}

#[tokio::test(start_paused = true)]
async fn g9_a_check_that_hangs_does_not_stall_the_guard() {
    let mut asked = 0;
    let check = ReadinessCheck::new("hangs once", move || {
        asked += 1;
        let hang = asked == 1;
        async move {
            if hang {
                pending().await
            } else {
                Ok::<(), io::Error>(())
            }
        }
    });
    let guard = guard_of(complete().await, production()).check(check.timeout(ms(250)));
    assert_eq!(is_ready(guard.wait().await).observation.elapsed, ms(300));
}

#[tokio::test(start_paused = true)]
async fn g9_readiness_is_lost_and_regained() {
    let upstream = Lever::default();
    upstream.set(true);
    let guard =
        guard_of(complete().await, production()).check(upstream.check("upstream").after_startup());
    let _ready = is_ready(guard.wait().await);

    let pull = |at, yes| {
        let upstream = upstream.clone();
        async move {
            sleep(at).await;
            upstream.set(yes);
        }
    };
    let t0 = Instant::now();
    let (why, ()) = tokio::join!(guard.lost(), pull(ms(1234), false));
    assert_eq!(
        (why.reason(), t0.elapsed()),
        (Reason::CheckFailed, ms(1300))
    );
    assert_eq!(why.observation.failed_checks[0].name, "upstream");
    assert_eq!(why.observation.checks, 13);
    let known = guard.readiness();
    assert_eq!(
        (known.ready, known.reason),
        (false, Some(Reason::CheckFailed))
    );

    let (verdict, ()) = tokio::join!(guard.wait(), pull(ms(333), true));
    assert_eq!(is_ready(verdict).observation.elapsed, ms(400));
    assert!(guard.readiness().ready && guard.readiness().failed_checks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn g9_watching_again_goes_on_on_the_same_grid() {
    let upstream = Lever::default();
    upstream.set(true);
    let guard =
        guard_of(complete().await, production()).check(upstream.check("upstream").after_startup());
    let _ready = is_ready(guard.wait().await);
    // Whoever watches is called away every 70 ms, more often than the guard looks.
    for _ in 0..10 {
        let watched = tokio::time::timeout(ms(70), guard.lost()).await;
        assert!(watched.is_err());
    }
    assert_eq!(upstream.asked(), 1 + 7);
}

#[tokio::test(start_paused = true)]
async fn g9_a_check_for_startup_only_is_not_asked_again() {
    let migrations = Lever::default();
    migrations.set(true);
    let guard = guard_of(complete().await, production()).check(migrations.check("migrations"));
    let _ready = is_ready(guard.wait().await);
    migrations.set(false);
    assert!(
        tokio::time::timeout(ms(60_000), guard.lost())
            .await
            .is_err()
    );
    assert_eq!(migrations.asked(), 1);
    assert!(guard.readiness().ready);
}

#[tokio::test(start_paused = true)]
async fn g9_a_startup_that_fails_after_all_is_readiness_lost_at_that_moment() {
    let fail = || sleep(ms(250)).map(|()| Err::<(), _>("no luck"));
    let phases = run(Sequence::builder().step(Step::new(Phase::Finalize, "announce", fail)));
    sleep(ms(1)).await;
    let guard = guard_of(phases, production());
    let ready = is_ready(guard.wait().await);
    assert_eq!(ready.observation.phase, Some(Phase::Finalize));
    let why = guard.lost().await;
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::StartupFailed, ms(249))
    );
    assert!(!why.worth_holding());
    assert!(!guard.readiness().ready);
}
