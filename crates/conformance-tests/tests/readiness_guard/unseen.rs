//! G7, G8: what answers without looking, and what never does.

use std::sync::Arc;

use futures::FutureExt;
use readiness_guard::{ReadinessState, Reason};
use startup_phases::Phase;
use tokio::time::sleep;

use crate::logs::Lines;
use crate::{Lever, complete, config, guard_of, is_ready, ms, never_started, production, stuck_in};

#[tokio::test(start_paused = true)]
async fn g7_any_number_of_clients_asking_what_is_known_costs_no_check() {
    let lever = Lever::default();
    let guard = guard_of(complete().await, production()).check(lever.check("upstream"));
    let clients = async {
        for _ in 0..50 {
            for _client in 0..1000 {
                assert!(!guard.readiness().ready);
            }
            sleep(ms(33)).await;
        }
        lever.set(true);
    };
    let (verdict, ()) = tokio::join!(guard.wait(), clients);
    let ready = is_ready(verdict);
    assert_eq!(ready.observation.elapsed, ms(1700));
    assert_eq!(u64::from(lever.asked()), ready.observation.checks);
}

#[tokio::test(start_paused = true)]
async fn g7_one_guard_is_shared_between_tasks() {
    let lever = Lever::default();
    lever.set(true);
    let guard = guard_of(complete().await, production());
    let guard = Arc::new(guard.check(lever.check("upstream").after_startup()));
    let watching = tokio::spawn({
        let guard = Arc::clone(&guard);
        async move {
            let _ready = is_ready(guard.wait_nudged(sleep(ms(10))).await);
            guard.lost().await
        }
    });
    sleep(ms(50)).await;
    assert!(guard.readiness().ready);
    lever.set(false);
    assert_eq!(watching.await.unwrap().reason(), Reason::CheckFailed);
    assert!(!guard.readiness().ready);
}

#[tokio::test(start_paused = true)]
async fn g8_no_environment_answers_ready_without_having_looked() {
    let names = [
        "",
        "local",
        "test",
        "development",
        "staging",
        "production",
        "moon",
    ];
    for name in names {
        for service in ["", "chat"] {
            for minimum in Phase::ALL {
                let config =
                    config(&[("ENVIRONMENT", name), ("K_SERVICE", service)]).minimum_phase(minimum);
                let (_sequence, silent) = never_started();
                let guard = guard_of(silent, config.clone());
                assert!(!guard.wait().await.is_ready(), "{name} {service} {minimum}");
                assert!(!guard.readiness().ready);

                let guard = guard_of(stuck_in(minimum), config);
                assert!(!guard.wait().await.is_ready(), "{name} {service} {minimum}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g8_readiness_is_not_there_before_the_look_that_finds_it() {
    let guard = guard_of(complete().await, production());
    assert!(!guard.readiness().ready);
    assert!(guard.wait().await.is_ready());
    assert!(guard.readiness().ready);
}

#[tokio::test(start_paused = true)]
async fn g8_a_bypass_is_explicit_and_shows_everywhere() {
    let lines = Lines::from_here();
    let (_sequence, silent) = never_started();
    let guard = guard_of(silent, production().bypass(true));
    let ready = is_ready(guard.wait().await);
    assert!(ready.bypassed);
    assert_eq!(
        (ready.observation.checks, ready.observation.state),
        (0, ReadinessState::Unknown)
    );
    let readiness = guard.readiness();
    assert!(readiness.ready && readiness.bypassed);
    assert_eq!(lines.saying("bypassed")[0]["level"], "WARN");
    assert!(lines.saying("completed successfully").is_empty());
    assert!(guard.lost().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn g8_a_look_says_that_it_was_one() {
    let guard = guard_of(complete().await, production());
    assert!(!is_ready(guard.wait().await).bypassed);
    assert!(!guard.readiness().bypassed);
}
