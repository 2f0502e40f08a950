//! S12: pings, the answers to them, and idle connections, to the millisecond.

use std::future::pending;

use conformance_tests::client::{Client, frame};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use ws_server::{Closed, Connection};

use super::*;

async fn hears_ping(client: &mut Client<DuplexStream>) {
    let heard = client.hears().await;
    assert!(heard.is_ping(), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn s12_a_ping_comes_every_25_s_and_who_answers_stays() {
    let server = Running::in_memory(server(|_| {}));
    let mut client = server.client().await;
    for _ in 0..100 {
        // Waiting for the next answers this one.
        assert_eq!(when(hears_ping(&mut client)).await, secs(25));
    }
    client.is_echoed("hello").await;
}

#[tokio::test(start_paused = true)]
async fn s12_pings_come_however_much_the_handler_does_at_first() {
    let server = Running::in_memory(server(|_| {}).handler(|_: Connection| async {
        // More than tokio lets a task do in one turn.
        let (backlog, mut replay) = mpsc::unbounded_channel();
        (0..1000).for_each(|number| backlog.send(number).expect("it is open"));
        while replay.recv().await < Some(999) {}
        pending::<()>().await;
    }));
    let mut client = server.client().await;
    let pinged = timeout(secs(26), hears_ping(&mut client)).await;
    pinged.expect("it is looked for");
}

#[tokio::test(start_paused = true)]
async fn s12_who_answers_no_ping_is_given_up_after_10_s() {
    let server = Running::in_memory(server(|_| {}));
    let mut client = server.client().await;
    let begun = Instant::now();
    hears_ping(&mut client).await;
    // The ping is heard, and its answer not written.
    sleep(ms(9_999)).await;
    server.shows("/connections/live", 1).await;
    sleep(ms(2)).await;
    server.shows("/connections/live", 0).await;
    assert_eq!(begun.elapsed(), ms(35_001));
}

#[tokio::test(start_paused = true)]
async fn s12_anything_heard_shows_that_a_client_is_there() {
    let server = Running::in_memory(server(|_| {}));
    let mut client = server.client().await;
    for _ in 0..20 {
        sleep(secs(9)).await;
        // Raw, so that no pong goes with it.
        client.sends(&frame(0x8a, b"unasked for")).await;
    }
    server.shows("/connections/live", 1).await;
    sleep(secs(36)).await;
    server.shows("/connections/live", 0).await;
}

#[tokio::test(start_paused = true)]
async fn s12_pings_can_be_switched_off() {
    let server = Running::in_memory(server(|it| it.limits.ping_interval = Duration::ZERO));
    let mut client = server.client().await;
    sleep(secs(86_400)).await;
    client.is_echoed("hello").await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_pongs_time_does_not_run_while_nothing_is_read() {
    // The handler leaves everything unread for a while, the pong as well.
    let server = Running::in_memory(server(|_| {}).handler(
        |mut connection: Connection| async move {
            sleep(secs(90)).await;
            while let Some(message) = connection.recv().await {
                connection.send(message).await?;
            }
            Ok::<_, Closed>(())
        },
    ));
    let mut client = server.client().await;
    for number in 0..500 {
        client.says(&number.to_string()).await;
    }
    for _ in 0..3 {
        hears_ping(&mut client).await;
    }
    for number in 0..500 {
        assert_eq!(client.hears_text().await, number.to_string());
    }
    hears_ping(&mut client).await;
    client.is_echoed("hello").await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_connection_that_is_idle_for_too_long_is_closed() {
    let server = Running::in_memory(server(|it| {
        it.limits.idle_timeout = secs(60);
        it.limits.ping_interval = Duration::ZERO;
    }));
    let mut client = server.client().await;
    sleep(secs(59)).await;
    client.is_echoed("hello").await;
    let begun = Instant::now();
    assert_eq!(client.is_closed().await, (1001, "idle".to_owned()));
    assert_eq!(begun.elapsed(), secs(60));
}

#[tokio::test(start_paused = true)]
async fn s12_answers_to_pings_are_no_messages_where_idle_time_is_limited() {
    let server = Running::in_memory(server(|it| it.limits.idle_timeout = secs(60)));
    let mut client = server.client().await;
    hears_ping(&mut client).await;
    hears_ping(&mut client).await;
    let begun = Instant::now();
    assert_eq!(client.is_closed().await.0, 1001);
    assert_eq!(begun.elapsed(), secs(10));
}

#[tokio::test(start_paused = true)]
async fn s12_what_the_handler_sends_keeps_a_connection_from_being_idle() {
    let server = Running::in_memory(
        server(|it| {
            it.limits.idle_timeout = secs(60);
            it.limits.ping_interval = Duration::ZERO;
        })
        .handler(|connection: Connection| async move {
            for number in 0..5 {
                sleep(secs(50)).await;
                connection.send(number.to_string()).await?;
            }
            Ok::<_, Closed>(())
        }),
    );
    let mut client = server.client().await;
    for number in 0..5 {
        assert_eq!(client.hears_text().await, number.to_string());
    }
    assert_eq!(client.is_closed().await.0, 1000);
}

#[tokio::test(start_paused = true)]
async fn s12_half_a_frame_and_then_silence_is_given_up() {
    let server = Running::in_memory(server(|_| {}));
    let mut client = server.client().await;
    client.sends(&frame(0x81, b"half of it")[..8]).await;
    let begun = Instant::now();
    hears_ping(&mut client).await;
    client.is_gone().await;
    assert_eq!(begun.elapsed(), secs(35));
}
