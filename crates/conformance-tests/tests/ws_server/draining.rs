//! The orderly end: S9 and S10.

use std::future::pending;
use std::sync::Arc;

use conformance_tests::client::{Asked, text_frame, upgrade};
use conformance_tests::network::{Memory, Net};
use conformance_tests::running::number;
use futures::future::join_all;
use parking_lot::Mutex;
use startup_phases::{Phase, Sequence, Step};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use ws_server::{Closed, Connection};

use super::*;

type Client = conformance_tests::client::Client<DuplexStream>;

/// So many clients, all of them live.
async fn live(server: &Running<Memory>, count: u64) -> Vec<Client> {
    let mut clients = Vec::new();
    let before = number(&server.status().await, "/connections/live");
    for _ in 0..count {
        clients.push(server.client().await);
    }
    server.shows("/connections/live", before + count).await;
    clients
}

/// When each is closed, counted from now, and the code. They answer.
async fn closes(clients: Vec<Client>) -> Vec<(Duration, u16)> {
    let begun = Instant::now();
    let closes = clients.into_iter().map(|mut client| async move {
        let heard = client.hears().await;
        let at = begun.elapsed();
        let code = match heard {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("{other:?}"),
        };
        client.is_over().await;
        (at, code)
    });
    join_all(closes).await
}

#[tokio::test(start_paused = true)]
async fn s9_many_are_closed_in_order_of_arrival_evenly_over_the_drain_time() {
    let mut server = Running::in_memory(server(|_| {}));
    let clients = live(&server, 80).await;
    server.stop();
    let closes = closes(clients).await;
    for (n, (at, code)) in closes.into_iter().enumerate() {
        assert_eq!(code, 1001);
        // 80 over three quarters of 8 s; timers count in milliseconds.
        assert!(at.abs_diff(ms(75) * n as u32) <= ms(1), "{n} at {at:?}");
    }
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_a_few_do_not_wait_for_the_drain_time_to_pass() {
    for (count, last) in [(0, ms(0)), (1, ms(0)), (2, ms(100)), (10, ms(900))] {
        let mut server = Running::in_memory(server(|_| {}));
        let clients = live(&server, count).await;
        let begun = Instant::now();
        server.stop();
        closes(clients).await;
        server.end().await.unwrap();
        assert!(
            begun.elapsed().abs_diff(last) <= ms(5),
            "{count} clients: {:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn s9_a_restart_closes_with_1012() {
    let mut server = Running::in_memory(server(|it| it.shutdown.close_code = 1012));
    let clients = live(&server, 2).await;
    server.stop();
    assert!(closes(clients).await.iter().all(|(_, code)| *code == 1012));
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_readiness_says_no_at_once_and_newcomers_are_refused_to_the_last_moment() {
    let stubborn = |_connection: Connection| pending::<()>();
    let mut server = Running::in_memory(server(|_| {}).handler(stubborn));
    let _clients = live(&server, 1).await;
    server.stop();
    for second in 0..8 {
        let ready = server.get("/readyz").await;
        assert_eq!(
            (ready.status, ready.reason().as_str()),
            (503, "draining"),
            "after {second} s"
        );
        let answer = server.dial().await.answer().await;
        assert_eq!((answer.status, answer.reason().as_str()), (503, "draining"));
        assert!(answer.field("retry-after").is_some());
        assert_eq!(server.get("/livez").await.status, 200);
        sleep(ms(990)).await;
    }
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_those_who_never_answer_their_close_cost_no_more_than_the_drain_time() {
    let mut server = Running::in_memory(server(|_| {}));
    let mut silent = live(&server, 100).await;
    let begun = Instant::now();
    server.stop();
    let told = silent.iter_mut().map(|client| async {
        let mut frame = [0; 4];
        client.stream().read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, [0x88, 2, 0x03, 0xe9], "1001");
        begun.elapsed()
    });
    let last = join_all(told).await.into_iter().max();
    assert!(last.is_some_and(|last| last <= secs(6)), "{last:?}");
    server.end().await.unwrap();
    assert_eq!(begun.elapsed(), secs(8));
}

#[tokio::test(start_paused = true)]
async fn s9_a_drain_takes_as_long_as_it_is_set_to_if_that_is_days() {
    let stubborn = |_connection: Connection| pending::<()>();
    let days = secs(25 * 60 * 60);
    let settings = server(|it| {
        it.shutdown.drain = days;
        it.limits.ping_interval = Duration::ZERO;
    });
    let mut server = Running::in_memory(settings.handler(stubborn));
    let _clients = live(&server, 1).await;
    let begun = Instant::now();
    server.stop();
    server.end().await.unwrap();
    assert_eq!(begun.elapsed(), days);
}

#[tokio::test(start_paused = true)]
async fn s9_who_connected_before_the_stop_and_asks_after_it_is_refused() {
    let stubborn = |_connection: Connection| pending::<()>();
    let mut server = Running::in_memory(server(|_| {}).handler(stubborn));
    let _keeps_it_from_ending = live(&server, 1).await;
    let connected = server.network.connect().await;
    assert_eq!(server.get("/readyz").await.status, 200);
    server.stop();
    sleep(ms(100)).await;
    let mut asked = Asked::with(connected, upgrade("/ws", &[])).await;
    let answer = asked.answer().await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "draining"));
}

#[tokio::test(start_paused = true)]
async fn s9_goes_on_serving_for_the_delay_and_has_the_whole_drain_time_after_it() {
    let mut server = Running::in_memory(server(|it| it.shutdown.delay = secs(5)));
    let mut clients = live(&server, 1).await;
    let begun = Instant::now();
    server.stop();
    sleep(ms(4900)).await;
    assert_eq!(server.get("/readyz").await.status, 503);
    clients[0].is_echoed("still served").await;
    clients.extend(live(&server, 80).await);
    assert!(begun.elapsed() < secs(5));
    let closes = closes(clients).await;
    let (first, last) = (closes[0].0, closes[80].0);
    assert!(first.abs_diff(ms(100)) <= ms(2), "{first:?}");
    assert!(
        last.abs_diff(ms(100) + secs(6) * 80 / 81) <= ms(2),
        "{last:?}"
    );
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_p7_stop_hooks_run_when_the_last_connection_has_gone() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let hook_log = Arc::clone(&log);
    let startup = Sequence::builder()
        .step(
            Step::new(Phase::Database, "pool", || async { Ok::<_, String>(()) }).on_stop(
                move || async move {
                    hook_log.lock().push("hook");
                    Ok::<_, String>(())
                },
            ),
        )
        .build()
        .unwrap();
    let handler_log = Arc::clone(&log);
    let handler = move |_connection: Connection| {
        let on_drop = Pushes(Arc::clone(&handler_log), "dropped");
        async move {
            let _on_drop = on_drop;
            pending::<()>().await;
        }
    };
    let mut server = Running::in_memory(server(|_| {}).startup(startup).handler(handler));
    let _clients = live(&server, 2).await;
    server.stop();
    server.end().await.unwrap();
    assert_eq!(*log.lock(), ["dropped", "dropped", "hook"]);
}

/// Says so when it is dropped.
struct Pushes(Arc<Mutex<Vec<&'static str>>>, &'static str);

impl Drop for Pushes {
    fn drop(&mut self) {
        self.0.lock().push(self.1);
    }
}

#[tokio::test(start_paused = true)]
async fn s9_on_a_shared_listener_newcomers_are_left_to_others() {
    let stubborn = |_connection: Connection| pending::<()>();
    let mut server = Running::in_memory(server(|_| {}).handler(stubborn).shared_listener());
    let _clients = live(&server, 1).await;
    server.stop();
    tokio::task::yield_now().await;
    let mut left = server.dial().await;
    sleep(secs(7)).await;
    left.is_unanswered();
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_on_a_shared_listener_those_accepted_before_are_served_still() {
    let mut server = Running::in_memory(server(|_| {}).shared_listener());
    let mut clients = live(&server, 1).await;
    let [mut soon, mut late] = [
        server.ask("GET /ws HTTP/1.1\r\n").await,
        server.ask("GET /ws HTTP/1.1\r\n").await,
    ];
    clients[0].is_echoed("both are accepted").await;
    server.stop();
    let rest = upgrade("/ws", &[]).replacen("GET /ws HTTP/1.1\r\n", "", 1);
    sleep(ms(900)).await;
    soon.sends(rest.as_bytes()).await;
    let mut soon = soon.client().await;
    soon.is_echoed("served").await;
    assert_eq!(soon.is_closed().await.0, 1001);
    sleep(ms(500)).await;
    late.sends(rest.as_bytes()).await;
    let answer = late.answer().await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "draining"));
}

#[tokio::test(start_paused = true)]
async fn s10_what_was_accepted_is_worked_on_in_order_and_answered_before_the_close() {
    // Takes 10 ms for each message.
    let slow = |mut connection: Connection| async move {
        while let Some(message) = connection.recv().await {
            sleep(ms(10)).await;
            connection.send(message).await?;
        }
        Ok::<_, Closed>(())
    };
    let mut server = Running::in_memory(server(|_| {}).handler(slow));
    let mut clients = live(&server, 60).await;
    for (n, client) in clients.iter_mut().enumerate() {
        let messages = (0..10).map(|it| text_frame(&format!("{n} {it}")));
        client.sends(&messages.collect::<Vec<_>>().concat()).await;
    }
    sleep(ms(5)).await;
    server.stop();
    let answered = clients
        .into_iter()
        .enumerate()
        .map(|(n, mut client)| async move {
            for it in 0..10 {
                assert_eq!(client.hears_text().await, format!("{n} {it}"));
            }
            assert_eq!(client.is_closed().await.0, 1001);
        });
    join_all(answered).await;
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s10_what_the_handler_had_sent_is_written_before_the_close_however_slow_the_client() {
    let (sent, is_sent) = oneshot::channel();
    let sent = Mutex::new(Some(sent));
    let talks = move |mut connection: Connection| {
        let sent = sent.lock().take();
        async move {
            for n in 0..20 {
                connection
                    .send(format!("{n} {}", "x".repeat(20_000)))
                    .await?;
            }
            let _ = sent.map(|it| it.send(()));
            while connection.recv().await.is_some() {}
            connection.send("the last word").await
        }
    };
    let mut server = Running::in_memory(server(|_| {}).handler(talks));
    let mut clients = live(&server, 1).await;
    is_sent.await.unwrap();
    server.stop();
    let mut client = clients.remove(0);
    for n in 0..20 {
        sleep(ms(200)).await;
        let text = client.hears_text().await;
        assert!(text.starts_with(&format!("{n} ")), "{n}");
    }
    assert_eq!(client.hears_text().await, "the last word");
    assert_eq!(client.is_closed().await.0, 1001);
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s10_a_handler_has_half_of_the_time_that_is_left_to_finish() {
    let slow = |mut connection: Connection| async move {
        while let Some(message) = connection.recv().await {
            sleep(secs(3)).await;
            connection.send(message).await?;
        }
        Ok::<_, Closed>(())
    };
    let mut server = Running::in_memory(server(|_| {}).handler(slow));
    let mut clients = live(&server, 1).await;
    clients[0].says("one").await;
    clients[0].says("two").await;
    sleep(ms(1)).await;
    let begun = Instant::now();
    server.stop();
    let mut client = clients.remove(0);
    assert_eq!(client.hears_text().await, "one");
    assert_eq!(client.is_closed().await.0, 1001);
    assert!(
        begun.elapsed().abs_diff(secs(4)) <= ms(1),
        "{:?}",
        begun.elapsed()
    );
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s10_what_had_come_by_the_moment_of_the_stop_is_accepted() {
    let mut server = Running::in_memory(server(|_| {}));
    let mut clients = live(&server, 1).await;
    clients[0].says("just in time").await;
    server.stop();
    let mut client = clients.remove(0);
    assert_eq!(client.hears_text().await, "just in time");
    assert_eq!(client.is_closed().await.0, 1001);
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_the_drain_time_may_be_as_long_as_one_likes() {
    let mut server = Running::in_memory(server(|it| it.shutdown.drain = Duration::MAX));
    let clients = live(&server, 2).await;
    server.stop();
    assert!(closes(clients).await.iter().all(|(_, code)| *code == 1001));
    server.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_a_request_under_way_when_nobody_is_left_is_refused_and_not_dropped() {
    let mut server = Running::in_memory(server(|_| {}));
    let head = upgrade("/ws", &[]);
    let (begin, rest) = head.split_at(20);
    let mut asked = server.ask(begin).await;
    let silent = server.network.connect_through(64);
    // Both have been accepted.
    server.status().await;
    server.stop();
    sleep(ms(300)).await;
    asked.sends(rest.as_bytes()).await;
    assert_eq!(asked.answer().await.json()["reason"], "draining");
    // Who says nothing is not waited for longer than a second.
    let ended = when(server.end()).await;
    assert!(ended <= ms(1_000), "{ended:?}");
    drop(silent);
}
