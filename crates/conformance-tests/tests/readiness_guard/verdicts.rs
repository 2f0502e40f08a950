//! G5: what a wait finds out.

use std::io;

use futures::FutureExt;
use readiness_guard::{ReadinessCheck, ReadinessState, Reason};
use startup_phases::Phase;
use tokio::time::sleep;

use crate::{
    Lever, complete, config, failing, guard_of, is_not_ready, is_ready, ms, never_started,
    production, start, stuck_in,
};

#[tokio::test(start_paused = true)]
async fn g5_the_phase_reached_decides_between_near_ready_and_phase_timeout() {
    for (stuck, reason) in [
        (Phase::Init, Reason::PhaseTimeout),
        (Phase::Database, Reason::PhaseTimeout),
        (Phase::Cache, Reason::PhaseTimeout),
        (Phase::Services, Reason::NearReady),
    ] {
        let guard = guard_of(stuck_in(stuck), production());
        let why = is_not_ready(guard.wait().await);
        assert_eq!((why.reason(), why.observation.phase), (reason, Some(stuck)));
        assert!(why.worth_holding());
    }
}

#[tokio::test(start_paused = true)]
async fn g5_a_startup_that_never_reports_is_unknown_and_waited_for_longer_where_it_may_be_late() {
    for (vars, limit) in [
        (&[("K_SERVICE", "chat")][..], ms(15_000)),
        (&[("ENVIRONMENT", "staging")], ms(15_000)),
        (&[("ENVIRONMENT", "production")], ms(5000)),
        (&[("ENVIRONMENT", "test")], ms(1000)),
    ] {
        let (_sequence, phases) = never_started();
        let why = is_not_ready(guard_of(phases, config(vars)).wait().await);
        assert_eq!(
            (why.reason(), why.observation.elapsed),
            (Reason::UnknownPhase, limit)
        );
        assert_eq!(
            (why.observation.state, why.observation.phase),
            (ReadinessState::Unknown, None)
        );
        assert!(why.worth_holding());
    }
}

#[tokio::test(start_paused = true)]
async fn g5_a_failed_startup_is_seen_at_the_next_look_not_at_the_limit() {
    let guard = guard_of(failing(Phase::Database, ms(250)), production());
    let why = is_not_ready(guard.wait().await);
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::StartupFailed, ms(300))
    );
    assert_eq!(why.observation.state, ReadinessState::Failed);
    assert_eq!(why.observation.phase, Some(Phase::Database));
    assert!(!why.worth_holding());
}

#[tokio::test(start_paused = true)]
async fn g5_a_startup_whose_driver_is_lost_has_failed() {
    let (sequence, phases) = never_started();
    drop(sequence);
    let why = is_not_ready(guard_of(phases, production()).wait().await);
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::StartupFailed, ms(0))
    );
}

#[tokio::test(start_paused = true)]
async fn g5_g9_a_check_that_says_no_is_named_and_keeps_the_guard_waiting() {
    let (upstream, license) = (Lever::default(), Lever::default());
    license.set(true);
    let guard = guard_of(complete().await, production())
        .check(upstream.check("upstream"))
        .check(license.check("license"));
    let why = is_not_ready(guard.wait().await);
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::CheckFailed, ms(5000))
    );
    let failed: Vec<_> = why
        .observation
        .failed_checks
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(failed, ["upstream: lever is down"]);
    assert!(why.worth_holding());

    let pull = async {
        sleep(ms(1234)).await;
        upstream.set(true);
    };
    let (verdict, ()) = tokio::join!(guard.wait(), pull);
    let ready = is_ready(verdict);
    assert_eq!(ready.observation.elapsed, ms(1300));
    assert!(ready.observation.failed_checks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn g5_a_check_with_no_time_left_to_answer_is_not_accused_of_a_missing_phase() {
    let slow = ReadinessCheck::new("slow", || sleep(ms(5)).map(Ok::<(), io::Error>));
    let guard = guard_of(stuck_in(Phase::Init), production()).check(slow);
    let why = is_not_ready(guard.wait().await);
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::PhaseTimeout, ms(5000))
    );
    assert_eq!(why.observation.failed_checks, []);
}

#[tokio::test(start_paused = true)]
async fn g5_the_state_follows_the_phases_reached() {
    let phases = start(Phase::ALL.map(|phase| (phase, ms(100))));
    let guard = guard_of(phases, production());
    let mut states = vec![guard.readiness().state];
    sleep(ms(50)).await;
    for _ in Phase::ALL {
        states.push(guard.readiness().state);
        sleep(ms(100)).await;
    }
    states.push(guard.readiness().state);
    states.dedup();
    let words: Vec<_> = states.into_iter().map(ReadinessState::as_str).collect();
    let expected = [
        "unknown",
        "initializing",
        "dependencies_ready",
        "services_ready",
        "websocket_ready",
    ];
    assert_eq!(words, expected);
}

#[tokio::test(start_paused = true)]
async fn g5_what_is_known_now_needs_no_verdict() {
    let phases = start([(Phase::Database, ms(6000)), (Phase::Services, ms(1000))]);
    let guard = guard_of(phases, production());
    assert_eq!(guard.readiness().reason, Some(Reason::UnknownPhase));
    sleep(ms(1)).await;
    assert_eq!(guard.readiness().reason, None);
    assert_eq!(
        is_not_ready(guard.wait().await).reason(),
        Reason::PhaseTimeout
    );
    assert_eq!(guard.readiness().reason, Some(Reason::PhaseTimeout));
    sleep(ms(1500)).await;
    assert_eq!(guard.readiness().reason, Some(Reason::NearReady));
    let _ready = is_ready(guard.wait().await);
    assert_eq!(
        (guard.readiness().ready, guard.readiness().reason),
        (true, None)
    );
}

#[tokio::test(start_paused = true)]
async fn g5_readiness_serializes_as_the_status_shows_it() {
    let guard = guard_of(stuck_in(Phase::Services), production());
    is_not_ready(guard.wait().await);
    let json = serde_json::to_value(guard.readiness()).unwrap();
    let expected = serde_json::json!({
        "ready": false, "state": "dependencies_ready", "reason": "near_ready", "bypassed": false, "failed_checks": [],
    });
    assert_eq!(json, expected);
}

#[tokio::test(start_paused = true)]
async fn g5_everything_has_the_word_that_the_contract_gives_it() {
    use ReadinessState::{
        DependenciesReady, Failed, Initializing, ServicesReady, Unknown, WebsocketReady,
    };
    let reasons = [
        "near_ready",
        "unknown_phase",
        "phase_timeout",
        "startup_failed",
        "check_failed",
        "iteration_bound",
    ];
    assert_eq!(Reason::ALL.map(Reason::as_str), reasons);
    assert_eq!(Reason::ALL.map(|reason| reason.to_string()), reasons);
    let states = [
        (Unknown, "unknown"),
        (Initializing, "initializing"),
        (DependenciesReady, "dependencies_ready"),
        (ServicesReady, "services_ready"),
        (WebsocketReady, "websocket_ready"),
        (Failed, "failed"),
    ];
    for (state, word) in states {
        assert_eq!((state.as_str(), state.to_string()), (word, word.to_owned()));
    }
    let ready = guard_of(complete().await, production()).wait().await;
    assert_eq!((ready.as_str(), ready.is_ready()), ("ready", true));
    let early = guard_of(stuck_in(Phase::Init), production()).wait().await;
    assert_eq!((early.as_str(), early.is_ready()), ("phase_timeout", false));
    let why = is_not_ready(early).to_string();
    assert_eq!(
        why,
        "not ready after 5s: phase_timeout (state initializing, phase init)"
    );
}
