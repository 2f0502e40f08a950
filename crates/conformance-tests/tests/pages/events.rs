//! `/status/events`: what is true, at each change and at least once a second.

use conformance_tests::client::Asked;
use conformance_tests::network::Memory;
use conformance_tests::running::{Running, number, server};
use serde_json::Value;
use startup_phases::Phase;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use super::*;

const EVENTS: &str = "GET /status/events HTTP/1.1\r\nHost: test\r\n\r\n";

/// As many as may watch.
const SEATS: usize = 64;

async fn watching(server: &Running<Memory>) -> Asked<DuplexStream> {
    let mut asked = server.ask(EVENTS).await;
    let answer = asked.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("content-type"), Some("text/event-stream"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    asked
}

/// The document of the next event; `None` where there is none any more.
async fn told(events: &mut Asked<DuplexStream>) -> Option<Value> {
    loop {
        let line = events.line().await?;
        if let Some(document) = line.strip_prefix("data: ") {
            return Some(serde_json::from_str(document).expect("JSON on one line"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o2_o3_events_tell_the_status_at_once_and_then_each_change() {
    let (server, mut hand) = Running::early(|_| {});
    let begun = Instant::now();
    let mut events = watching(&server).await;
    assert_eq!(told(&mut events).await, Some(server.status().await));
    assert_eq!(begun.elapsed(), ms(0));

    // Nothing happens but that time goes on.
    for _ in 0..2 {
        let waited = when(async { assert!(told(&mut events).await.is_some()) }).await;
        assert_eq!(waited, secs(1));
    }

    sleep(ms(300)).await;
    let held = server.held().await;
    let begun = Instant::now();
    let document = told(&mut events).await.unwrap();
    assert_eq!(number(&document, "/queue/size"), 1);
    assert_eq!(begun.elapsed(), ms(0));

    // Not sooner than 100 ms after the last, however much happens.
    hand.finish(Phase::Services);
    let _client = held.client().await;
    let document = told(&mut events).await.unwrap();
    assert_eq!(begun.elapsed(), ms(100));
    assert_eq!(document["queue"]["open"], true);
    assert_eq!(number(&document, "/connections/live"), 1);
}

#[tokio::test(start_paused = true)]
async fn o3_a_watcher_that_loses_its_stream_comes_back_after_a_second() {
    let server = Running::in_memory(server(|_| {}));
    let mut events = watching(&server).await;
    let _length = events.line().await;
    assert_eq!(events.line().await.as_deref(), Some("retry: 1000"));
}

#[tokio::test(start_paused = true)]
async fn o3_head_asks_for_no_events() {
    let server = Running::in_memory(server(|_| {}));
    let mut head = server
        .ask("HEAD /status/events HTTP/1.1\r\nHost: test\r\n\r\n")
        .await;
    let answer = String::from_utf8(head.rest().await).unwrap();
    assert!(
        answer.contains("content-type: text/event-stream"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn o3_more_watchers_than_seats_are_told_to_ask_instead() {
    let server = Running::in_memory(server(|_| {}));
    let mut seated = Vec::new();
    for _ in 0..SEATS {
        seated.push(watching(&server).await);
    }
    let refused = server.get("/status/events").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.reason(), "too_many_watchers");
    assert_eq!(refused.field("retry-after"), Some("30"));
    assert_eq!(server.get("/status").await.status, 200);

    // A seat that was left is free within a second.
    drop(seated.pop());
    sleep(secs(1)).await;
    watching(&server).await;
}

#[tokio::test]
async fn o3_who_has_left_is_told_no_more() {
    let server = Running::on_tcp(server(|_| {})).await;
    let mut events = server.ask(EVENTS).await;
    assert_eq!(events.answer().await.status, 200);
    events.stream().shutdown().await.unwrap();
    let told = async { while events.line().await.is_some() {} };
    conformance_tests::happens("the stream ends", told).await;
}

#[tokio::test(start_paused = true)]
async fn o3_o4_who_does_not_read_its_page_for_10_s_is_left() {
    let server = Running::in_memory(server(|_| {}));
    for path in ["/", "/status", "/status/events", "/metrics"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        let stream = server.network.connect_through(64);
        let mut asked = Asked::with(stream, &request).await;
        sleep(ms(9_900)).await;
        // Whoever reads at all has the time anew, however little it was.
        assert!(asked.line().await.is_some(), "{path}");
        sleep(ms(9_900)).await;
        assert!(asked.line().await.is_some(), "{path}");
        sleep(ms(10_100)).await;
        let rest = asked.rest().await;
        assert!(rest.len() <= 128, "{path}: {}", rest.len());
    }
}

#[tokio::test(start_paused = true)]
async fn o3_s9_nobody_who_watches_holds_up_the_end() {
    let mut server = Running::in_memory(server(|_| {}));
    let mut events = watching(&server).await;
    assert_eq!(told(&mut events).await.unwrap()["draining"], false);
    server.stop();
    let ended = when(server.end()).await;
    assert_eq!(ended, ms(0));
    // What it was told last, and then no more.
    while told(&mut events).await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn o3_s9_who_watches_sees_the_server_stop() {
    let mut server = Running::in_memory(server(|settings| settings.shutdown.delay = secs(1)));
    let mut events = watching(&server).await;
    assert_eq!(told(&mut events).await.unwrap()["draining"], false);
    sleep(ms(500)).await;
    server.stop();
    let document = told(&mut events).await.unwrap();
    assert_eq!(document["draining"], true);
    assert_eq!(document["readiness"]["ready"], false);
    server.end().await.unwrap();
}
