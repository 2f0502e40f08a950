//! S5: who is turned away is told why, and when to come again; never with 1011.

use std::collections::BTreeSet;

use conformance_tests::client::{Answer, Asked, frame, upgrade};
use conformance_tests::running::number;
use serde_json::json;
use startup_phases::Phase;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::sleep;
use ws_server::settings::{HoldMode, RefuseWith};

use super::*;

/// A refusal before the upgrade, in the words of the interface.
fn is_refused(answer: &Answer, reason: &str) {
    assert_eq!((answer.status, answer.reason().as_str()), (503, reason));
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let millis = number(&answer.json(), "/retry_after_ms");
    assert!((1000..=2000).contains(&millis), "{millis} ms");
    let seconds = millis.div_ceil(1000).to_string();
    assert_eq!(answer.field("retry-after"), Some(&*seconds));
    let body = json!({ "reason": reason, "retry_after_ms": millis });
    assert_eq!(answer.json(), body);
}

/// A refusal after the upgrade.
fn is_told_to_come_again((code, reason): &(u16, String)) {
    assert_eq!(*code, 1013);
    let millis = reason.strip_prefix("retry_after_ms=").map(str::parse);
    assert!(matches!(millis, Some(Ok(1000..=2000))), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn s5_a_full_queue_refuses_the_next_one_at_once() {
    let (server, mut hand) = Running::early(|it| it.queue.max_size = 2);
    let held = [server.held().await, server.held().await];
    let mut refused = server.dial().await;
    is_refused(&refused.answer().await, "queue_full");
    assert_eq!(when(refused.ends()).await, Duration::ZERO);
    let status = server.status().await;
    assert_eq!(
        (&status["queue"]["size"], &status["queue"]["refused_full"]),
        (&2.into(), &1.into())
    );
    hand.finish(Phase::Services);
    for held in held {
        held.client().await.is_echoed("hello").await;
    }
}

#[tokio::test(start_paused = true)]
async fn s5_a_hold_ends_at_its_limit_and_in_no_other_way() {
    let (server, _hand) = Running::early(|_| {});
    let begun = Instant::now();
    let mut held = server.dial().await;
    is_refused(&held.answer().await, "hold_expired");
    assert_eq!(begun.elapsed(), secs(30));
    held.ends().await;
    let status = server.status().await;
    assert_eq!(
        (&status["queue"]["size"], &status["queue"]["expired"]),
        (&0.into(), &1.into())
    );
}

#[tokio::test(start_paused = true)]
async fn s5_held_in_frames_a_refusal_is_1013() {
    let (server, _hand) = Running::early(|it| it.queue.hold = HoldMode::Frames);
    let begun = Instant::now();
    let client = server.dial().await.client().await;
    is_told_to_come_again(&client.is_closed().await);
    assert_eq!(begun.elapsed(), secs(30));
}

#[tokio::test(start_paused = true)]
async fn s5_by_setting_a_refusal_upgrades_first_and_closes_with_1013() {
    let (server, _hand) = Running::early(|it| {
        it.queue.refuse_with = RefuseWith::Close;
        it.queue.max_size = 1;
        it.limits.max_connections = 2;
    });
    let expired = server.held().await;
    let fields = [("Sec-WebSocket-Protocol", "chat, other")];
    let full = server.ask(upgrade("/ws", &fields)).await;
    // A browser fails a connection for which it offered some and got none: no 1013 then.
    let (full, answer) = full.chosen().await;
    assert_eq!(answer.field("sec-websocket-protocol"), Some("chat"));
    let one_too_many = server.client().await;
    is_told_to_come_again(&full.is_closed().await);
    is_told_to_come_again(&one_too_many.is_closed().await);
    is_told_to_come_again(&expired.client().await.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn s5_before_hold_from_clients_are_refused_as_too_early() {
    let (startup, mut hand) = by_hand(Phase::ALL);
    let builder = server(|it| it.queue.hold_from = Phase::Cache);
    let server = Running::in_memory(builder.startup(startup.build().unwrap()));
    for phase in [Phase::Init, Phase::Dependencies, Phase::Database] {
        is_refused(&server.dial().await.answer().await, "too_early");
        hand.finish(phase);
        let number = u64::from(phase.number()) + 1;
        server.shows("/startup/phase_number", number).await;
    }
    let held = server.held().await;
    assert_eq!(server.status().await["queue"]["refused_early"], 3);
    for phase in [Phase::Cache, Phase::Services, Phase::Websocket] {
        hand.finish(phase);
    }
    held.client().await.is_echoed("hello").await;
}

#[tokio::test(start_paused = true)]
async fn s5_the_refused_do_not_come_back_in_one_wave() {
    let (server, _hand) = Running::early(|it| it.queue.max_size = 1);
    let _held = server.held().await;
    let mut waits = BTreeSet::new();
    for _ in 0..100 {
        let answer = server.dial().await.answer().await;
        is_refused(&answer, "queue_full");
        waits.insert(answer.json()["retry_after_ms"].as_u64().unwrap());
    }
    let (first, last) = (waits.first().unwrap(), waits.last().unwrap());
    assert!(waits.len() > 50 && last - first > 500, "{waits:?}");
}

#[tokio::test]
async fn s5_a_refusal_arrives_although_the_client_goes_on_sending() {
    for refuse_with in [RefuseWith::Http, RefuseWith::Close] {
        let (server, mut hand) =
            Running::early_on_tcp(|it| it.queue.refuse_with = refuse_with).await;
        let mut refused = server.dial().await;
        // More than is read early, so that some of it lies unread when the answer is written.
        refused.sends(&[0; 200_000]).await;
        happens(server.holds(1)).await;
        hand.fail(Phase::Services, "out of order");
        let (mut reading, mut writing) = split(refused.into_stream());
        let goes_on =
            tokio::spawn(async move { while writing.write_all(&[0; 10_000]).await.is_ok() {} });
        let mut read = Vec::new();
        let all = happens(reading.read_to_end(&mut read)).await;
        all.expect("an orderly end, no reset");
        goes_on.abort();
        let read = String::from_utf8_lossy(&read);
        match refuse_with {
            RefuseWith::Http => assert!(
                read.contains("\"startup_failed\"") && read.ends_with('}'),
                "{read}"
            ),
            RefuseWith::Close => assert!(read.contains("retry_after_ms="), "{read}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s5_who_never_reads_its_refusal_does_not_stay() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let (server, _hand) = Running::early(|it| {
            it.queue.hold = hold;
            it.limits.max_connections = 1;
        });
        let mut stuck = server.dial().await;
        if hold == HoldMode::Frames {
            // More pings than answers fit on the way back.
            let ping = frame(0x89, &[b'p'; 125]);
            stuck.sends(&ping.repeat(1000)).await;
        }
        server.holds(1).await;
        sleep(secs(33)).await;
        server.holds(0).await;
        // Its entry in the registry is gone, too: there is room for another.
        let _next = server.held().await;
    }
}

#[tokio::test(start_paused = true)]
async fn s5_one_more_connection_than_allowed_is_refused_held_and_live_counted_together() {
    let (server, mut hand) = Running::early(|it| it.limits.max_connections = 2);
    let first = server.held().await;
    let second = server.held().await;
    is_refused(&server.dial().await.answer().await, "connection_limit");
    hand.finish(Phase::Services);
    let mut first = first.client().await;
    first.is_echoed("hello").await;
    is_refused(&server.dial().await.answer().await, "connection_limit");
    drop(second);
    server.shows("/connections/live", 1).await;
    server.client().await.is_echoed("hello").await;
}

#[tokio::test(start_paused = true)]
async fn s5_a_flood_of_the_refused_costs_the_held_nothing() {
    let (server, mut hand) = Running::early(|it| it.queue.max_size = 3);
    let held = [
        server.held().await,
        server.held().await,
        server.held().await,
    ];
    let mut refused: Vec<Asked<_>> = Vec::new();
    for _ in 0..300 {
        refused.push(server.dial().await);
    }
    for mut refused in refused {
        is_refused(&refused.answer().await, "queue_full");
    }
    hand.finish(Phase::Services);
    for held in held {
        held.client().await.is_echoed("hello").await;
    }
}
