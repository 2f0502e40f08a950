//! S11: what becomes of a connection is its own handler's affair, and nobody else's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use conformance_tests::client::{text_frame, upgrade};
use tokio::time::sleep;
use ws_server::{BoxError, Closed, Connection, Handler, Message};

use super::*;

/// Echoes, and does what it is told.
async fn obedient(mut connection: Connection) -> Result<(), BoxError> {
    while let Some(message) = connection.recv().await {
        match message.as_text() {
            Some("fail") => return Err("as told".into()),
            Some("panic") => panic!("as told"),
            Some("end") => return Ok(()),
            Some("close") => connection.close(4321, "as told"),
            _ => connection.send(message).await?,
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn s11_a_handler_that_ends_closes_with_1000() {
    let server = Running::in_memory(server(|_| {}).handler(obedient));
    let mut client = server.client().await;
    client.is_echoed("hello").await;
    client.says("end").await;
    assert_eq!(client.is_closed().await, (1000, String::new()));
}

#[tokio::test(start_paused = true)]
async fn s11_an_error_or_a_panic_closes_its_own_connection_with_1011_and_no_other() {
    let server = Running::in_memory(server(|_| {}).handler(obedient));
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(server.client().await);
    }
    for told in ["fail", "panic"] {
        let mut client = server.client().await;
        client.is_echoed("hello").await;
        client.says(told).await;
        assert_eq!(
            client.is_closed().await,
            (1011, "handler failed".to_owned())
        );
    }
    for other in &mut others {
        other.is_echoed("what happened?").await;
    }
    server.client().await.is_echoed("hello").await;
    server.shows("/connections/live", 10).await;
}

#[tokio::test(start_paused = true)]
async fn s11_a_panic_before_the_first_wait_is_its_connections_alone() {
    let at_once = server(|_| {}).handler(|connection: Connection| {
        assert!(
            connection.request().query().is_none(),
            "in the closure itself"
        );
        obedient(connection)
    });
    let factory = server(|_| {}).isolated_handlers(|request| {
        assert!(request.query().is_none(), "in the factory");
        obedient
    });
    for builder in [at_once, factory] {
        let server = Running::in_memory(builder);
        let mut other = server.client().await;
        let client = server.ask(upgrade("/ws?panic", &[])).await.client().await;
        assert_eq!(client.is_closed().await.0, 1011);
        other.is_echoed("hello").await;
    }
}

#[tokio::test(start_paused = true)]
async fn s11_a_panic_while_a_handler_is_dropped_is_its_connections_alone() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "while it is dropped");
        }
    }
    let server = Running::in_memory(server(|_| {}).handler(|connection: Connection| async move {
        let _bomb = connection.request().query().map(|_| PanicsOnDrop);
        obedient(connection).await
    }));
    let mut other = server.client().await;
    let mut client = server.ask(upgrade("/ws?bomb", &[])).await.client().await;
    client.says("end").await;
    assert_eq!(client.is_closed().await.0, 1011);
    other.is_echoed("hello").await;
    server.shows("/connections/live", 1).await;
}

#[tokio::test(start_paused = true)]
async fn s11_a_panic_while_a_subprotocol_is_chosen_is_its_connections_alone() {
    let builder = server(|_| {}).subprotocol(|request| {
        assert!(request.query().is_none(), "no choice");
        None
    });
    let server = Running::in_memory(builder);
    let mut other = server.client().await;
    server.ask(upgrade("/ws?panic", &[])).await.ends().await;
    other.is_echoed("hello").await;
    server.shows("/connections/live", 1).await;
    assert_eq!(server.status().await["queue"]["abandoned"], 1);
}

#[tokio::test(start_paused = true)]
async fn s11_what_was_sent_before_the_end_is_written_before_the_close() {
    for (how, code) in [
        ("end", 1000),
        ("fail", 1011),
        ("panic", 1011),
        ("close", 4321),
    ] {
        let server = Running::in_memory(server(|_| {}).handler(obedient));
        let mut client = server.client().await;
        // In one piece, so that the handler has it all at once.
        client
            .sends(&[text_frame("one"), text_frame("two"), text_frame(how)].concat())
            .await;
        assert_eq!(client.hears_text().await, "one");
        assert_eq!(client.hears_text().await, "two");
        assert_eq!(client.is_closed().await.0, code);
    }
}

/// Counts its calls and echoes the count.
#[derive(Default)]
struct Counting(Arc<AtomicUsize>);

impl Handler for Counting {
    fn handle(
        &self,
        mut connection: Connection,
    ) -> impl Future<Output = Result<(), BoxError>> + Send + 'static {
        let counted = Arc::clone(&self.0);
        async move {
            while connection.recv().await.is_some() {
                let count = counted.fetch_add(1, Ordering::Relaxed);
                connection.send(count.to_string()).await?;
            }
            Ok(())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s11_a_shared_handler_is_one_for_all_an_isolated_one_each_connections_own() {
    let shared = server(|_| {}).handler(Counting::default());
    let isolated = server(|_| {}).isolated_handlers(|request| {
        let first = request.query().map_or(0, str::len);
        Counting(Arc::new(first.into()))
    });
    for (builder, counts) in [(shared, ["0", "1", "2"]), (isolated, ["3", "3", "4"])] {
        let server = Running::in_memory(builder);
        let mut one = server.ask(upgrade("/ws?one", &[])).await.client().await;
        let mut two = server.ask(upgrade("/ws?two", &[])).await.client().await;
        one.says("count").await;
        assert_eq!(one.hears_text().await, counts[0]);
        two.says("count").await;
        assert_eq!(two.hears_text().await, counts[1]);
        two.says("count").await;
        assert_eq!(two.hears_text().await, counts[2]);
    }
}

#[tokio::test(start_paused = true)]
async fn s11_a_handler_that_is_busy_keeps_nobody_else_waiting_and_pings_are_answered() {
    let server = Running::in_memory(server(|_| {}).handler(
        |mut connection: Connection| async move {
            while let Some(message) = connection.recv().await {
                sleep(secs(3600)).await;
                connection.send(message).await?;
            }
            Ok::<_, Closed>(())
        },
    ));
    // The second is as much as is read ahead of a handler.
    for message in ["takes an hour", &"takes an hour".repeat(10_000)] {
        let mut busy = server.client().await;
        busy.says(message).await;
        sleep(secs(1)).await;
        busy.pings("there?").await;
        let heard = busy.hears().await;
        assert!(heard.is_pong(), "{heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s11_a_close_code_that_may_not_be_sent_counts_as_1000_and_a_reason_is_cut() {
    for (code, reason, sent) in [
        (4000, "bye".to_owned(), (4000, "bye".to_owned())),
        (1005, String::new(), (1000, String::new())),
        (1006, String::new(), (1000, String::new())),
        (999, String::new(), (1000, String::new())),
        (3000, "é".repeat(100), (3000, "é".repeat(61))),
    ] {
        let server = Running::in_memory(server(|_| {}).handler(move |connection: Connection| {
            connection.close(code, &reason);
            async {}
        }));
        let client = server.client().await;
        assert_eq!(client.is_closed().await, sent);
    }
}

#[tokio::test(start_paused = true)]
async fn s11_a_connection_outlives_the_drop_of_its_handle() {
    let server = Running::in_memory(server(|_| {}).handler(|connection: Connection| {
        let sender = connection.sender();
        drop(connection);
        async move {
            for number in 0..3 {
                sleep(secs(1)).await;
                sender.send(Message::from(number.to_string())).await?;
            }
            Ok::<_, Closed>(())
        }
    }));
    let mut client = server.client().await;
    client.says("nobody reads this").await;
    for number in 0..3 {
        assert_eq!(client.hears_text().await, number.to_string());
    }
    assert_eq!(client.is_closed().await.0, 1000);
}
