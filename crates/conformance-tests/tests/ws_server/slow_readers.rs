//! S12: clients that do not read what they are sent.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake};

use conformance_tests::client::{Asked, frame, text_frame, upgrade};
use conformance_tests::network::Memory;
use parking_lot::Mutex;
use startup_phases::Phase;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::sleep;
use ws_server::settings::{HoldMode, Settings, SlowReader};
use ws_server::{Closed, Connection, SendNowError, Sender};

use super::*;

/// A server whose handler only hands out a sender, and waits for the client to leave.
fn handing_out(change: impl FnOnce(&mut Settings)) -> (Running<Memory>, oneshot::Receiver<Sender>) {
    let (give, given) = oneshot::channel();
    let give = Mutex::new(Some(give));
    let builder = server(change).handler(move |mut connection: Connection| {
        if let Some(give) = give.lock().take() {
            let _ = give.send(connection.sender());
        }
        async move { while connection.recv().await.is_some() {} }
    });
    (Running::in_memory(builder), given)
}

/// Sends without waiting until there is no room, and says how much was taken.
async fn fill(sender: &Sender, text: &str) -> usize {
    let mut taken = 0;
    loop {
        match sender.send_now(text) {
            Ok(()) => taken += text.len(),
            Err(SendNowError::Full) => return taken,
            Err(SendNowError::Closed) => panic!("closed after {taken} bytes"),
        }
        // Lets the session write what it can.
        sleep(ms(1)).await;
        assert!(taken < 1 << 24, "{taken} bytes wait for one client");
    }
}

#[tokio::test(start_paused = true)]
async fn s12_a_slow_reader_is_closed_with_1008_behind_what_it_was_sent() {
    let (server, sender) = handing_out(|it| it.limits.send_buffer = 100_000);
    let mut client = server.client().await;
    let sender = sender.await.unwrap();
    let text = "x".repeat(10_000);
    let taken = fill(&sender, &text).await;
    assert!(taken > 100_000, "{taken}");
    assert_eq!(sender.send_now("more"), Err(SendNowError::Closed));
    for _ in 0..taken / text.len() {
        assert_eq!(client.hears_text().await, text);
    }
    assert_eq!(
        client.is_closed().await,
        (1008, "reads too slowly".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn s12_by_setting_what_finds_no_room_is_dropped_and_the_connection_stays() {
    let (server, sender) = handing_out(|it| {
        it.limits.send_buffer = 100_000;
        it.limits.slow_reader = SlowReader::Drop;
    });
    let mut client = server.client().await;
    let sender = sender.await.unwrap();
    let text = "x".repeat(10_000);
    let taken = fill(&sender, &text).await;
    assert_eq!(sender.send_now("dropped"), Err(SendNowError::Full));
    for _ in 0..taken / text.len() {
        assert_eq!(client.hears_text().await, text);
    }
    sender.send_now("heard").unwrap();
    assert_eq!(client.hears_text().await, "heard");
}

#[tokio::test(start_paused = true)]
async fn s12_one_that_reads_nothing_at_all_is_gone_after_the_close_timeout() {
    let (server, sender) = handing_out(|it| it.limits.send_buffer = 1000);
    let client = server.client().await;
    fill(&sender.await.unwrap(), &"x".repeat(10_000)).await;
    sleep(secs(7)).await;
    server.shows("/connections/live", 0).await;
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn s12_a_sender_that_waits_is_told_when_there_is_room() {
    let (server, sender) = handing_out(|it| it.limits.send_buffer = 1000);
    let mut client = server.client().await;
    let sender = sender.await.unwrap();
    let sending = tokio::spawn(async move {
        for number in 0..1000 {
            sender.send(format!("{number:1000}")).await?;
        }
        Ok::<_, Closed>(())
    });
    sleep(secs(1)).await;
    assert!(!sending.is_finished());
    for number in 0..1000 {
        assert_eq!(client.hears_text().await, format!("{number:1000}"));
    }
    sending.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn s12_a_sender_that_waits_is_told_when_the_connection_is_gone() {
    let (server, sender) = handing_out(|it| it.limits.send_buffer = 1000);
    let client = server.client().await;
    let sender = sender.await.unwrap();
    let sending = tokio::spawn(async move { while sender.send("x".repeat(1000)).await.is_ok() {} });
    sleep(secs(1)).await;
    assert!(!sending.is_finished());
    drop(client);
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s12_a_wait_for_room_leaves_one_waker_behind_however_often_it_is_polled() {
    struct Counted;
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {}
    }
    let (server, sender) = handing_out(|it| {
        it.limits.send_buffer = 1000;
        it.limits.slow_reader = SlowReader::Drop;
    });
    let _client = server.client().await;
    let sender = sender.await.unwrap();
    fill(&sender, &"x".repeat(10_000)).await;
    let counted = Arc::new(Counted);
    let waker = Arc::clone(&counted).into();
    let mut sending = pin!(sender.send("one more"));
    for _ in 0..1000 {
        let polled = sending.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    assert!(
        Arc::strong_count(&counted) <= 3,
        "{}",
        Arc::strong_count(&counted)
    );
}

#[tokio::test(start_paused = true)]
async fn s12_echoes_that_nobody_reads_are_bounded_empty_ones_too() {
    for text in ["", "x", &"x".repeat(1000)] {
        let server = Running::in_memory(server(|it| it.limits.send_buffer = 10_000));
        let stream = server.network.connect_through(4096);
        let mut client = Asked::with(stream, upgrade("/ws", &[]))
            .await
            .client()
            .await;
        let some = text_frame(text).repeat(100);
        let mut sent = 0;
        // In the end the client is the one who has to wait.
        while timeout(ms(10), client.stream().write_all(&some))
            .await
            .is_ok()
        {
            sent += 100;
            assert!(
                sent < 50_000,
                "{sent} messages were taken, and no answer read"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s12_one_that_sends_without_ever_reading_is_lost_like_one_that_is_silent() {
    let server = Running::in_memory(server(|it| it.limits.send_buffer = 10_000));
    let stream = server.network.connect_through(4096);
    let mut client = Asked::with(stream, upgrade("/ws", &[]))
        .await
        .client()
        .await;
    let some = text_frame(&"x".repeat(1000)).repeat(100);
    while timeout(ms(10), client.stream().write_all(&some))
        .await
        .is_ok()
    {}
    server.shows("/connections/live", 1).await;
    sleep(secs(36)).await;
    server.shows("/connections/live", 0).await;
}

#[tokio::test(start_paused = true)]
async fn s12_one_that_is_never_sent_too_much_and_reads_nothing_is_lost_with_the_first_ping() {
    let (server, sender) = handing_out(|it| it.limits.slow_reader = SlowReader::Drop);
    let client = server.client().await;
    let sender = sender.await.unwrap();
    sleep(secs(34)).await;
    server.shows("/connections/live", 1).await;
    sleep(secs(2)).await;
    server.shows("/connections/live", 0).await;
    assert_eq!(sender.send_now("gone"), Err(SendNowError::Closed));
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn s4_s12_pongs_that_nobody_reads_are_bounded_held_or_live() {
    for held in [false, true] {
        let (server, mut hand) = Running::early(|it| it.queue.hold = HoldMode::Frames);
        let stream = server.network.connect_through(4096);
        let asked = Asked::with(stream, upgrade("/ws", &[])).await;
        let mut client = asked.client().await;
        server.holds(1).await;
        if !held {
            hand.finish(Phase::Services);
            server.shows("/connections/live", 1).await;
        }
        let pings = frame(0x89, &[b'x'; 125]).repeat(10);
        let mut sent = 0;
        while timeout(ms(10), client.stream().write_all(&pings))
            .await
            .is_ok()
        {
            sent += 10;
            assert!(sent < 1000, "{sent} pings were taken, and no pong read");
        }
        // Whoever begins to read, after more than one look for its leaving, is served as ever.
        sleep(secs(1)).await;
        for _ in 0..sent {
            assert!(client.hears().await.is_pong());
        }
    }
}
