//! S8: startup fails.

use conformance_tests::client::Asked;
use startup_phases::{Phase, Sequence, Step};
use tokio::time::sleep;
use ws_server::ServeError;
use ws_server::settings::{HoldMode, RefuseWith};

use super::*;

#[tokio::test(start_paused = true)]
async fn s8_the_held_are_refused_at_once_and_the_port_answers_for_a_moment() {
    let (server, mut hand) = Running::early(|_| {});
    let mut held = [server.held().await, server.held().await];
    sleep(ms(1_234)).await;
    let begun = Instant::now();
    hand.fail(Phase::Services, "no such table");
    // The trap: they were left to time out.
    for held in &mut held {
        let answer = held.answer().await;
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (503, "startup_failed")
        );
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let newcomer = server.dial().await.answer().await;
    assert_eq!(newcomer.reason(), "startup_failed");
    let queue = &server.status().await["queue"];
    assert_eq!(
        (&queue["size"], &queue["refused_failed"]),
        (&0.into(), &3.into())
    );
    drop(held);

    sleep(ms(999)).await;
    assert_eq!(server.get("/livez").await.status, 200);
    let startup = server.get("/startupz").await;
    assert_eq!(startup.status, 503);
    let startup = startup.json();
    assert_eq!(startup["state"], "failed");
    assert_eq!(
        (&startup["phase"], &startup["failed_step"]),
        (&"services".into(), &"services".into())
    );
    assert_eq!(startup["error"], "no such table");
    let ready = server.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.reason().as_str()),
        (503, "startup_failed")
    );

    let Err(ServeError::Startup(error)) = server.end().await else {
        panic!("it did not start")
    };
    assert_eq!(begun.elapsed(), secs(1));
    let told = error.to_string();
    assert!(
        told.contains("services") && told.contains("no such table"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn s5_s8_held_in_frames_a_failed_startup_is_1013_and_never_1011() {
    for (hold, refuse_with) in [
        (HoldMode::Frames, RefuseWith::Http),
        (HoldMode::Frames, RefuseWith::Close),
        (HoldMode::Upgrade, RefuseWith::Close),
    ] {
        let (server, mut hand) = Running::early(|it| {
            it.queue.hold = hold;
            it.queue.refuse_with = refuse_with;
        });
        let held = server.held().await;
        hand.fail(Phase::Services, "out of order");
        let client = held.client().await;
        assert_eq!(client.is_closed().await.0, 1013);
        assert!(server.end().await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn s8_without_linger_the_refused_still_get_their_answers() {
    let (server, mut hand) = Running::early(|it| it.startup.failed_linger = Duration::ZERO);
    let mut held = Vec::new();
    for _ in 0..50 {
        held.push(server.held().await);
    }
    let begun = Instant::now();
    hand.fail(Phase::Services, "out of order");
    for mut held in held {
        assert_eq!(held.answer().await.reason(), "startup_failed");
        held.ends().await;
    }
    assert!(server.end().await.is_err());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn s8_refusals_of_a_failed_startup_arrive_on_a_real_network() {
    let (server, mut hand) =
        Running::early_on_tcp(|it| it.startup.failed_linger = Duration::ZERO).await;
    let mut held: Vec<Asked<_>> = Vec::new();
    for _ in 0..50 {
        held.push(happens(server.held()).await);
    }
    hand.fail(Phase::Services, "out of order");
    assert!(happens(server.end()).await.is_err());
    // The server is gone, and nobody was reset.
    for mut held in held {
        assert_eq!(happens(held.answer()).await.reason(), "startup_failed");
        happens(held.ends()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s8_a_refused_client_that_does_not_go_delays_the_end_by_a_second_at_most() {
    let (server, mut hand) = Running::early(|it| it.startup.failed_linger = Duration::ZERO);
    let _stays = server.held().await;
    hand.fail(Phase::Services, "out of order");
    let ended = when(async { assert!(server.end().await.is_err()) }).await;
    assert_eq!(ended, secs(1));
}

#[tokio::test(start_paused = true)]
async fn s8_a_failure_behind_the_open_gate_closes_it_and_ends_the_live_without_1011() {
    let (startup, mut hand) = by_hand([Phase::Finalize]);
    let server = Running::in_memory(server(|_| {}).startup(startup.build().unwrap()));
    let mut client = server.client().await;
    client.is_echoed("hello").await;
    hand.fail(Phase::Finalize, "nobody to announce to");
    assert_eq!(client.is_closed().await.0, 1001);
    assert_eq!(
        server.dial().await.answer().await.reason(),
        "startup_failed"
    );
    assert_eq!(server.get("/readyz").await.status, 503);
    assert!(server.end().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn s8_stop_hooks_of_what_had_started_have_run_when_the_server_ends() {
    let (stopped, is_stopped) = tokio::sync::oneshot::channel();
    let startup = Sequence::builder()
        .step(
            Step::new(Phase::Init, "pool", || async { Ok::<_, String>(()) })
                .on_stop(|| async { stopped.send(()).map_err(|()| "nobody is interested") }),
        )
        .step(Step::new(Phase::Cache, "redis", || async {
            Err::<(), _>("refused")
        }))
        .build()
        .unwrap();
    let server = Running::in_memory(server(|_| {}).startup(startup));
    assert!(server.end().await.is_err());
    is_stopped.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s8_a_panic_in_a_step_is_told_like_any_other_failure() {
    let startup = Sequence::builder()
        .step(Step::new(Phase::Cache, "warm", || async {
            assert!(Phase::Cache < Phase::Init, "cold as ice");
            Ok::<_, String>(())
        }))
        .build()
        .unwrap();
    let server = Running::in_memory(server(|_| {}).startup(startup));
    sleep(ms(1)).await;
    let startup = server.get("/startupz").await.json();
    assert_eq!(
        (&startup["state"], &startup["failed_step"]),
        (&"failed".into(), &"warm".into())
    );
    assert!(
        startup["error"].as_str().unwrap().contains("cold as ice"),
        "{startup}"
    );
    assert!(server.end().await.is_err());
}
