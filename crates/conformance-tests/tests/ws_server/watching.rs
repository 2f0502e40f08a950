//! O2: the document that tells all, in process and over the port.

use conformance_tests::client::upgrade;
use serde_json::{Value, json};
use startup_phases::Phase;
use tokio::time::sleep;
use ws_server::StatusWatch;

use super::*;

fn seen(watch: &StatusWatch) -> Value {
    serde_json::from_str(&watch.to_json()).expect("it is JSON")
}

#[tokio::test(start_paused = true)]
async fn o2_the_document_tells_who_waits_and_what_became_of_everyone() {
    let (server, mut hand) = Running::early(|_| {});
    let watch = server.watch.clone();
    sleep(Duration::from_millis(500)).await;
    let first = server.held().await;
    sleep(Duration::from_millis(250)).await;
    let second = server.held().await;
    assert_eq!(server.status().await, seen(&watch));
    let status = seen(&watch);
    assert_eq!(
        status["held"],
        json!([
            {"id": 1, "position": 0, "waited_seconds": 0.25},
            {"id": 2, "position": 1, "waited_seconds": 0.0},
        ])
    );
    assert_eq!(
        (&status["opened"], &status["draining"]),
        (&Value::Null, &false.into())
    );

    hand.finish(Phase::Services);
    let (mut leaves, _stays) = (first.client().await, second.client().await);
    leaves.is_echoed("hello").await;
    leaves.says_goodbye(1000).await;
    leaves.is_closed().await;
    server.shows("/connections/live", 1).await;
    let status = seen(&watch);
    assert_eq!(
        status["opened"],
        json!({"after_seconds": 0.75, "held": 2, "admitted": 2, "took_seconds": 0.0})
    );
    let traffic = json!({"received": 1, "received_bytes": 5, "sent": 1, "sent_bytes": 5});
    assert_eq!(status["messages"], traffic);
    let closes = json!([{"code": "1000", "initiator": "client", "count": 1}]);
    assert_eq!((&status["closes"], &status["held"]), (&closes, &json!([])));
}

#[tokio::test(start_paused = true)]
async fn o2_a_change_is_told_within_100_ms_and_silence_every_second() {
    let (server, mut hand) = Running::early(|_| {});
    let mut watch = server.watch.clone();
    watch.changed().await;
    while timeout(Duration::from_millis(999), watch.changed())
        .await
        .is_ok()
    {}
    let quiet = Instant::now();
    watch.changed().await;
    assert!(quiet.elapsed() <= Duration::from_millis(1));
    sleep(Duration::from_millis(400)).await;
    // Three changes, of which two come within 100 ms of the first.
    let began = Instant::now();
    let held = [server.dial().await, server.dial().await];
    watch.changed().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    hand.finish(Phase::Services);
    watch.changed().await;
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    assert_eq!(seen(&watch)["queue"]["open"], true);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn o2_q8_for_how_long_the_gate_is_closed_is_told_while_it_is() {
    let (up, is_up) = tokio::sync::watch::channel(true);
    let server = Running::in_memory(server(|_| {}).readiness_signal("upstream", is_up));
    server.client().await.is_echoed("hello").await;
    assert_eq!(seen(&server.watch)["closed_seconds"], Value::Null);
    up.send_replace(false);
    let held = server.held().await;
    sleep(Duration::from_millis(2500)).await;
    let status = seen(&server.watch);
    assert_eq!(status["closed_seconds"], 2.5);
    up.send_replace(true);
    server.client().await.is_echoed("hello").await;
    let status = seen(&server.watch);
    assert_eq!(status["closed_seconds"], Value::Null);
    assert_eq!(status["opened"]["after_seconds"], 2.5);
    held.client().await;
}

#[tokio::test(start_paused = true)]
async fn o2_q5_the_last_release_is_told_of_those_who_were_held_then_and_of_nobody_else() {
    let (server, mut hand) = Running::early(|settings| settings.queue.release_per_second = 10);
    let held = [
        server.held().await,
        server.held().await,
        server.held().await,
    ];
    let leaves = server.held().await;
    hand.finish(Phase::Services);
    sleep(ms(50)).await;
    drop(leaves);
    // Behind the release, and held by it.
    let mut newcomers = vec![server.dial().await];
    for waits in held {
        waits.client().await;
        newcomers.push(server.dial().await);
    }
    for newcomer in newcomers {
        newcomer.client().await;
    }
    let opened = &seen(&server.watch)["opened"];
    assert_eq!(
        (&opened["held"], &opened["admitted"]),
        (&4.into(), &3.into())
    );
    assert_eq!(opened["took_seconds"], 0.2);
}

#[tokio::test(start_paused = true)]
async fn o2_s12_whoever_was_turned_away_is_told_by_reason() {
    let server = Running::in_memory(server(|settings| {
        settings.limits.max_connections = 1;
        settings.limits.origins = vec!["https://example.com".to_owned()];
    }));
    let ask = || upgrade("/ws", &[("origin", "https://example.com")]);
    let _served = server.ask(ask()).await.client().await;
    assert_eq!(server.ask(ask()).await.answer().await.status, 503);
    assert_eq!(server.dial().await.answer().await.status, 403);
    let status = seen(&server.watch);
    assert_eq!(status["refused"]["connection_limit"], 1);
    assert_eq!(status["refused"]["queue_full"], 0);
    assert_eq!(status["handshake_failures"], json!({"origin": 1}));
}
