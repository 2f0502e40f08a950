//! What a server does to those it holds and serves when it ends, as far as S5, S8 and P7 say.

use std::future::pending;
use std::sync::Arc;

use conformance_tests::client::upgrade;
use parking_lot::Mutex;
use startup_phases::{Phase, Sequence, Step};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use ws_server::settings::HoldMode;
use ws_server::{Closed, Connection};

use super::*;

#[tokio::test(start_paused = true)]
async fn s5_p7_a_stop_during_startup_refuses_as_draining_and_undoes_what_had_finished() {
    let undone = Arc::new(Mutex::new(Vec::new()));
    let step = |phase, name: &'static str| {
        let undone = Arc::clone(&undone);
        Step::new(phase, name, || async { Ok::<_, String>(()) }).on_stop(move || async move {
            undone.lock().push(name);
            Ok::<_, String>(())
        })
    };
    let startup = Sequence::builder()
        .step(step(Phase::Init, "first"))
        .step(step(Phase::Cache, "second"))
        .step(Step::new(
            Phase::Services,
            "endless",
            pending::<Result<(), String>>,
        ))
        .step(step(Phase::Finalize, "never"))
        .build()
        .unwrap();
    let mut server = Running::in_memory(server(|_| {}).startup(startup));
    let mut held = server.held().await;
    let begun = Instant::now();
    server.stop();
    let answer = held.answer().await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "draining"));
    held.ends().await;
    server
        .end()
        .await
        .expect("to be told to stop is no failure");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(*undone.lock(), ["second", "first"]);
}

#[tokio::test(start_paused = true)]
async fn s5_held_in_frames_a_stop_is_1013_and_never_1011() {
    let (mut server, _hand) = Running::early(|it| it.queue.hold = HoldMode::Frames);
    let client = server.held().await.client().await;
    server.stop();
    assert_eq!(client.is_closed().await.0, 1013);
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s5_newcomers_of_a_stopping_server_are_refused_as_draining() {
    let mut server = Running::in_memory(server(|_| {}));
    let _live = server.client().await;
    server.stop();
    let answer = server.dial().await.answer().await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "draining"));
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.reason().as_str()), (503, "draining"));
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn s5_a_live_client_is_closed_with_1001_and_not_because_its_handler_failed() {
    // Both handlers end badly once there is nothing more to receive.
    let fails = |mut connection: Connection| async move {
        while connection.recv().await.is_some() {}
        Err::<(), _>("nothing more to do")
    };
    let panics = |mut connection: Connection| async move {
        let message = connection.recv().await;
        message.expect("a message");
    };
    for builder in [
        server(|_| {}).handler(fails),
        server(|_| {}).handler(panics),
    ] {
        let mut server = Running::in_memory(builder);
        let client = server.client().await;
        server.shows("/connections/live", 1).await;
        server.stop();
        assert_eq!(client.is_closed().await.0, 1001);
        server.end().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn s5_what_was_accepted_before_a_stop_is_answered_before_the_close() {
    let slow = |mut connection: Connection| async move {
        while let Some(message) = connection.recv().await {
            sleep(ms(100)).await;
            connection.send(message).await?;
        }
        Ok::<_, Closed>(())
    };
    let mut server = Running::in_memory(server(|_| {}).handler(slow));
    let mut client = server.client().await;
    for text in ["one", "two", "three"] {
        client.says(text).await;
    }
    sleep(ms(50)).await;
    server.stop();
    for text in ["one", "two", "three"] {
        assert_eq!(client.hears_text().await, text);
    }
    assert_eq!(client.is_closed().await.0, 1001);
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s5_a_handler_that_never_ends_is_not_waited_for_longer_than_the_drain() {
    let stubborn = |_connection: Connection| pending::<()>();
    let mut server = Running::in_memory(server(|_| {}).handler(stubborn));
    let mut client = server.client().await;
    server.shows("/connections/live", 1).await;
    let begun = Instant::now();
    server.stop();
    let heard = client.hears().await;
    assert!(heard.is_close(), "{heard:?}");
    assert_eq!(begun.elapsed(), secs(4));
    client.is_gone().await;
    server.end().await.unwrap();
    assert_eq!(begun.elapsed(), secs(8));
}

#[tokio::test(start_paused = true)]
async fn s5_nobody_who_does_not_answer_keeps_a_stopping_server_beyond_the_drain() {
    let mut server = Running::in_memory(server(|it| it.shutdown.drain = secs(3)));
    // Neither reads nor answers anything.
    let _silent = [server.dial().await, server.dial().await];
    let _half = server.ask("GET /ws HTTP/1.1\r\n").await;
    server.shows("/connections/live", 2).await;
    server.stop();
    assert_eq!(when(async { server.end().await.unwrap() }).await, secs(3));
}

#[tokio::test(start_paused = true)]
async fn s5_during_the_delay_of_a_stop_newcomers_are_still_served() {
    let mut server = Running::in_memory(server(|it| it.shutdown.delay = secs(5)));
    server.client().await.is_echoed("before").await;
    let begun = Instant::now();
    server.stop();
    sleep(secs(4)).await;
    assert_eq!(server.get("/readyz").await.status, 503);
    let mut late = server.client().await;
    late.is_echoed("still").await;
    assert_eq!(late.is_closed().await.0, 1001);
    assert_eq!(begun.elapsed(), secs(5));
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s5_a_stop_behind_the_gate_opened_early_closes_the_live_and_ends_well() {
    let (startup, _hand) = by_hand([Phase::Finalize]);
    let mut server = Running::in_memory(server(|_| {}).startup(startup.build().unwrap()));
    let mut client = server.client().await;
    client.is_echoed("hello").await;
    server.stop();
    assert_eq!(client.is_closed().await.0, 1001);
    server.end().await.unwrap();
}

/// Tells when it is dropped.
struct OnDrop(Option<oneshot::Sender<()>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.take().map(|it| it.send(()));
    }
}

#[tokio::test(start_paused = true)]
async fn s8_dropping_the_server_ends_everything() {
    let (dropped, is_dropped) = oneshot::channel();
    let (give, given) = oneshot::channel();
    let once = Mutex::new(Some((OnDrop(Some(dropped)), give)));
    let builder = server(|_| {}).handler(move |connection: Connection| {
        let once = once.lock().take();
        async move {
            let (_on_drop, give) = once.unwrap();
            let _ = give.send(connection);
            pending::<()>().await;
        }
    });
    let server = Running::in_memory(builder);
    let mut client = server.client().await;
    let half = server.ask("GET /ws HTTP").await;
    let mut moved = given.await.unwrap();
    server.abort();
    client.is_gone().await;
    half.ends().await;
    is_dropped.await.unwrap();
    // Whoever still holds the connection learns of its end.
    assert!(moved.recv().await.is_none());
    assert_eq!(moved.send("nobody").await, Err(Closed));
    assert!(server.has_ended());
}

#[tokio::test(start_paused = true)]
async fn s8_dropping_the_server_ends_the_held_too() {
    let (server, _hand) = Running::early(|_| {});
    let held = server.held().await;
    let framed = server.ask(upgrade("/ws", &[])).await;
    server.holds(2).await;
    server.abort();
    for held in [held, framed] {
        held.ends().await;
    }
}

#[tokio::test(start_paused = true)]
async fn s5_the_live_are_closed_before_what_they_use_is_undone() {
    for fails in [false, true] {
        let (builder, mut hand) = by_hand([Phase::Finalize]);
        let (close_pool, pool) = watch::channel(());
        let startup = builder
            .step(
                Step::new(Phase::Database, "pool", || async { Ok::<_, String>(()) }).on_stop(
                    move || async move {
                        drop(close_pool);
                        Ok::<_, String>(())
                    },
                ),
            )
            .build()
            .expect("nothing is wrong with it");
        let uses_the_pool = move |mut connection: Connection| {
            let mut pool = pool.clone();
            async move {
                tokio::select! {
                    biased;
                    _ = pool.changed() => Err("the pool is closed"),
                    None = connection.recv() => Ok(()),
                }
            }
        };
        let mut server = Running::in_memory(server(|_| {}).startup(startup).handler(uses_the_pool));
        let client = server.client().await;
        server.shows("/connections/live", 1).await;
        // The gate is open, and startup not complete.
        if fails {
            hand.fail(Phase::Finalize, "out of order");
        } else {
            server.stop();
        }
        assert_eq!(client.is_closed().await.0, 1001, "failed: {fails}");
        assert_eq!(server.end().await.is_err(), fails);
    }
}
