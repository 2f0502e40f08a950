//! Clients for whom there is no room.

use std::iter;

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::clients::Client;
use conformance_tests::servers::Port;
use conformance_tests::wire::{Frame, Wire, frame};
use futures::future::join_all;
use nix::sys::signal::Signal;

use super::{adds_up, step, waits_for};

/// Fills the 50 places that there are by default.
async fn held_by_50(settings: &str, port: &Port) -> (Running, Vec<Wire>) {
    let server = WsServer::with(format!("{settings}\n{}", waits_for(port)))
        .start()
        .await;
    let held = iter::repeat_with(|| Wire::upgrading(server.address())).take(50);
    let held = join_all(held).await;
    server.until_held(50).await;
    (server, held)
}

/// None of those held has noticed.
async fn all_are_served(server: &Running, held: Vec<Wire>, refused: u64, port: &Port) {
    let status = server.status().await;
    assert_eq!(status["queue"]["size"], 50);
    assert_eq!(status["queue"]["refused_full"], refused);
    assert_eq!(adds_up(&status), 50 + refused);
    let _open = port.open();
    for mut wire in held {
        wire.opened().await;
        wire.echoes("hello").await;
    }
    assert_eq!(adds_up(&server.status().await), 50 + refused);
}

#[tokio::test]
async fn q2_s5_the_51st_of_50_gets_503_with_retry_after() {
    let port = Port::reserve();
    let (server, held) = held_by_50("", &port).await;
    Wire::upgrading(server.address())
        .await
        .answer()
        .await
        .is_refusal("queue_full");

    let Some(mut python) = Client::python(&server.url(), "hello").await else {
        return;
    };
    let Some(mut node) = Client::node(&server.url(), "hello").await else {
        return;
    };
    let Some(mut chromium) = Client::chromium(&server.url(), "hello").await else {
        return;
    };
    for client in [&mut python, &mut node] {
        let event = client.event().await;
        assert_eq!(event["event"], "refused", "{event}");
        assert_eq!(event["status"], 503);
        let seconds = event["retry_after"].as_str().and_then(|it| it.parse().ok());
        assert!(seconds.is_some_and(|it: u64| it > 0), "{event}");
        assert!(
            event["body"].as_str().unwrap().contains("\"queue_full\""),
            "{event}"
        );
    }
    // All that a browser says of it.
    assert_eq!(chromium.event().await["code"], 1006);
    all_are_served(&server, held, 4, &port).await;
}

#[tokio::test]
async fn q2_s5_the_51st_of_50_gets_1013_where_refusals_close() {
    let port = Port::reserve();
    let (server, held) = held_by_50("queue.refuse_with = \"close\"", &port).await;
    let mut refused = Wire::open(server.address()).await;
    refused.frame().await.is_refusal();

    let Some(clients) = Client::all(&server.url(), ["hello"; 3]).await else {
        return;
    };
    for mut client in clients {
        assert_eq!(client.event().await["event"], "open");
        let event = client.event().await;
        assert_eq!(event["code"], 1013, "{event}");
        let wait = event["reason"]
            .as_str()
            .unwrap()
            .strip_prefix("retry_after_ms=");
        assert!(wait.is_some_and(|it| it.parse::<u64>().is_ok()), "{event}");
    }
    all_are_served(&server, held, 4, &port).await;
}

#[tokio::test]
async fn q6_s5_who_waited_too_long_is_refused_in_both_ways_of_holding() {
    let port = Port::reserve();
    let wait = format!("queue.max_wait = \"300ms\"\n{}", waits_for(&port));
    let server = WsServer::with(&wait).start().await;
    let mut wire = Wire::upgrading(server.address()).await;
    wire.answer().await.is_refusal("hold_expired");
    let status = server.status().await;
    assert_eq!(status["queue"]["expired"], 1);
    assert_eq!(status["queue"]["size"], 0);
    assert_eq!(adds_up(&status), 1);

    let server = WsServer::with(wait)
        .arguments(["--set", "queue.hold=frames"])
        .start()
        .await;
    let mut wire = Wire::open(server.address()).await;
    wire.frame().await.is_refusal();
    let status = server.status().await;
    assert_eq!(status["queue"]["expired"], 1);
    assert_eq!(adds_up(&status), 1);
}

#[tokio::test]
async fn s5_who_comes_before_clients_are_held_is_refused_as_too_early() {
    let (first, second) = (Port::reserve(), Port::reserve());
    let settings = "queue.hold_from = \"services\"\n".to_owned()
        + &step("database", "first", &first, "10m")
        + &waits_for(&second);
    let server = WsServer::with(settings).start().await;
    let mut early = Wire::upgrading(server.address()).await;
    early.answer().await.is_refusal("too_early");

    let _first = first.open();
    server
        .until(|status| status["startup"]["phase"] == "services")
        .await;
    let mut held = Wire::upgrading(server.address()).await;
    let status = server.until_held(1).await;
    assert_eq!(status["queue"]["refused_early"], 1);
    assert_eq!(adds_up(&status), 2);
    let _second = second.open();
    held.opened().await;
    held.echoes("hello").await;
}

/// Closing over bytes that nobody has read resets the connection, and that destroys the answer on
/// its way.
#[tokio::test]
async fn s5_a_refusal_arrives_at_clients_that_had_sent_more_than_was_read() {
    let port = Port::reserve();
    let settings = "queue.max_size = 1\n".to_owned() + &waits_for(&port);
    let server = WsServer::with(settings).start().await;
    let early = frame(0x2, &[7; 100 * 1024]);
    let mut held = Wire::upgrading(server.address()).await;
    server.until_held(1).await;
    held.send(&early).await;
    let mut refused = Wire::upgrading(server.address()).await;
    refused.send(&early).await;
    refused.answer().await.is_refusal("queue_full");
    assert_eq!(refused.frame().await, Frame::End);

    server.signal(Signal::SIGTERM);
    held.answer().await.is_refusal("draining");
    assert_eq!(held.frame().await, Frame::End);
    drop((refused, held));
    assert_eq!(server.end().await.code, Some(0));
}
