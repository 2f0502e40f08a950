//! The end of a connection, from either side (S5, S11): everyone learns of it, and nobody waits long.

use std::future::pending;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll};

use conformance_tests::client::{Asked, frame, text_frame, upgrade};
use conformance_tests::network::memory;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use ws_server::{Closed, Connection, Transport};

use super::*;

#[tokio::test(start_paused = true)]
async fn s11_a_clients_close_is_answered_with_its_own_code_and_the_handler_ends() {
    for code in [1000, 1001, 3000, 4999] {
        let server = Running::in_memory(server(|_| {}));
        let mut client = server.client().await;
        client.is_echoed("hello").await;
        client.says_goodbye(code).await;
        assert_eq!(client.is_closed().await.0, code);
        server.shows("/connections/live", 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s11_a_close_without_a_code_is_answered_without_one() {
    let server = Running::in_memory(server(|_| {}));
    let mut asked = server.dial().await;
    assert_eq!(asked.answer().await.status, 101);
    asked.sends(&frame(0x88, b"")).await;
    assert_eq!(asked.rest().await, [0x88, 0]);
}

#[tokio::test(start_paused = true)]
async fn s11_the_answer_to_a_close_is_read_however_much_nobody_has_read_before_it() {
    let server = Running::in_memory(server(|_| {}).handler(|connection: Connection| async {
        tokio::spawn(async move {
            sleep(secs(1)).await;
            connection.close(4000, "enough");
            pending::<()>().await;
        });
        pending::<()>().await;
    }));
    let mut client = server.client().await;
    let begun = Instant::now();
    for number in 0..300 {
        client.says(&number.to_string()).await;
    }
    assert_eq!(client.is_closed().await, (4000, "enough".to_owned()));
    assert_eq!(begun.elapsed(), secs(1));
}

#[tokio::test(start_paused = true)]
async fn s11_what_a_client_sent_before_its_close_reaches_the_handler_in_order() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Running::in_memory(server(|_| {}).handler(move |mut connection: Connection| {
        let tell = tell.clone();
        async move {
            while let Some(message) = connection.recv().await {
                // Slower than the client.
                sleep(secs(1)).await;
                let _ = tell.send(message.as_text().map(str::to_owned));
            }
            let _ = tell.send(None);
        }
    }));
    let mut client = server.client().await;
    let goodbye = frame(0x88, &1000_u16.to_be_bytes());
    client
        .sends(&[text_frame("one"), text_frame("two"), goodbye].concat())
        .await;
    for expected in [Some("one"), Some("two"), None] {
        assert_eq!(told.recv().await.unwrap().as_deref(), expected);
    }
}

/// A stream that takes bytes at every second attempt only, as a socket whose buffer is just being
/// emptied.
struct Hesitant(DuplexStream, bool);

impl AsyncRead for Hesitant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Hesitant {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1 = !self.1;
        if self.1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Transport for Hesitant {
    fn peer_has_left(&self) -> bool {
        self.0.peer_has_left()
    }
}

#[tokio::test(start_paused = true)]
async fn s11_a_clients_close_is_answered_although_something_else_waits_to_be_written() {
    let (network, listener) = memory::<Hesitant>();
    let _server = Running::on((), server(|_| {}), listener);
    let (client, servers) = duplex(64 * 1024);
    network.hand_over(Hesitant(servers, false), Ipv4Addr::LOCALHOST.into());
    let mut asked = Asked::with(client, upgrade("/ws", &[])).await;
    assert_eq!(asked.answer().await.status, 101);
    // The echo is there in the moment in which the answer to the close cannot be written yet.
    let goodbye = frame(0x88, &1000_u16.to_be_bytes());
    asked.sends(&[text_frame("hello"), goodbye].concat()).await;
    assert!(asked.rest().await.ends_with(&[0x88, 2, 3, 0xe8]));
}

#[tokio::test(start_paused = true)]
async fn s11_a_clients_close_ends_its_tcp_connection_although_the_handler_works_on() {
    let (finish, finished) = oneshot::channel();
    let finished = parking_lot::Mutex::new(Some(finished));
    let server = Running::in_memory(server(|_| {}).handler(move |mut connection: Connection| {
        let finished = finished.lock().take();
        async move {
            while connection.recv().await.is_some() {}
            // It tidies up.
            let _ = finished.unwrap().await;
        }
    }));
    let mut client = server.client().await;
    client.says_goodbye(1000).await;
    let closed = when(async { assert_eq!(client.is_closed().await.0, 1000) }).await;
    assert_eq!(closed, Duration::ZERO);
    server.shows("/connections/live", 1).await;
    finish.send(()).unwrap();
    server.shows("/connections/live", 0).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_fault_ends_its_tcp_connection_although_the_handler_works_on() {
    let server = Running::in_memory(server(|_| {}).handler(|_| pending::<()>()));
    let mut client = server.client().await;
    client.sends(&frame(0x83, b"unknown")).await;
    let closed = when(async { assert_eq!(client.is_closed().await.0, 1002) }).await;
    assert_eq!(closed, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn s11_a_client_that_never_answers_the_close_is_given_five_seconds() {
    let server = Running::in_memory(server(|_| {}).handler(|_| async {}));
    let mut asked = server.dial().await;
    assert_eq!(asked.answer().await.status, 101);
    let begun = Instant::now();
    // The close frame, then nothing, then the end.
    assert_eq!(asked.rest().await, [0x88, 2, 0x03, 0xe8]);
    assert_eq!(begun.elapsed(), secs(5));
    sleep(secs(1)).await;
    server.shows("/connections/live", 0).await;
}

#[tokio::test(start_paused = true)]
async fn s11_a_client_that_answers_the_close_with_a_flood_is_not_read_forever() {
    let server = Running::in_memory(server(|_| {}).handler(|_| async {}));
    let mut asked = server.dial().await;
    assert_eq!(asked.answer().await.status, 101);
    let begun = Instant::now();
    let flood = text_frame(&"x".repeat(1000));
    while asked.stream().write_all(&flood).await.is_ok() {
        sleep(ms(1)).await;
    }
    assert!(begun.elapsed() <= ms(6_010), "{:?}", begun.elapsed());
    server.shows("/connections/live", 0).await;
}

#[tokio::test(start_paused = true)]
async fn s11_closes_that_cross_end_the_connection_at_once() {
    let server = Running::in_memory(server(|_| {}).handler(
        |mut connection: Connection| async move {
            connection.recv().await;
        },
    ));
    let mut client = server.client().await;
    // The message makes the handler end, and the close comes with it.
    let goodbye = frame(0x88, &4000_u16.to_be_bytes());
    client.sends(&[text_frame("end"), goodbye].concat()).await;
    let ended = when(client.is_gone()).await;
    assert_eq!(ended, Duration::ZERO);
    drop(client);
    server.shows("/connections/live", 0).await;
}

#[tokio::test(start_paused = true)]
async fn s11_a_handler_that_ends_with_a_full_outbox_has_it_written_first() {
    let server = Running::in_memory(server(|_| {}).handler(|connection: Connection| async move {
        for number in 0..500 {
            connection.send(format!("{number:1000}")).await?;
        }
        Ok::<_, Closed>(())
    }));
    let stream = server.network.connect_through(1000);
    let mut client = Asked::with(stream, upgrade("/ws", &[]))
        .await
        .client()
        .await;
    sleep(secs(1)).await;
    for number in 0..500 {
        assert_eq!(client.hears_text().await, format!("{number:1000}"));
    }
    assert_eq!(client.is_closed().await.0, 1000);
}

#[tokio::test(start_paused = true)]
async fn s11_a_client_that_vanishes_ends_its_handler() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Running::in_memory(server(|_| {}).handler(move |mut connection: Connection| {
        let tell = tell.clone();
        async move {
            while connection.recv().await.is_some() {}
            let _ = tell.send(connection.send("anybody?").await);
        }
    }));
    drop(server.client().await);
    assert_eq!(told.recv().await, Some(Err(Closed)));
    server.shows("/connections/live", 0).await;
}

#[tokio::test(start_paused = true)]
async fn s11_a_client_that_vanishes_while_its_messages_wait_leaves_its_handler_working() {
    // Its inbox is full and nothing is read, so only writing shows that it has gone. The handler
    // then takes what was left, and waits in between: for other things than its connection.
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Running::in_memory(server(|_| {}).handler(move |mut connection: Connection| {
        let tell = tell.clone();
        async move {
            sleep(secs(1)).await;
            let _ = connection.send("are you there?").await;
            sleep(secs(1)).await;
            let mut taken = 0;
            while connection.recv().await.is_some() {
                taken += 1;
                sleep(ms(1)).await;
            }
            let _ = tell.send(taken);
        }
    }));
    let mut client = server.client().await;
    for number in 0..300 {
        client.says(&number.to_string()).await;
    }
    sleep(ms(500)).await;
    drop(client);
    let taken = told.recv().await.unwrap();
    assert!((256..=300).contains(&taken), "{taken}");
    server.shows("/connections/live", 0).await;
}

#[tokio::test]
async fn s11_a_reset_ends_the_handler_at_the_event() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let builder = server(|it| it.limits.ping_interval = Duration::ZERO);
    let server = Running::on_tcp(builder.handler(move |mut connection: Connection| {
        let tell = tell.clone();
        async move {
            while connection.recv().await.is_some() {}
            let _ = tell.send(());
        }
    }))
    .await;
    let mut client = happens(server.client()).await;
    client.says("hello").await;
    client.stream().set_zero_linger().unwrap();
    drop(client);
    happens(told.recv()).await.unwrap();
    happens(server.shows("/connections/live", 0)).await;
}

#[tokio::test(start_paused = true)]
async fn s10_s11_a_clients_close_that_crosses_ours_destroys_nothing_that_waits_to_be_written() {
    let echo_once = |mut connection: Connection| async move {
        let message = connection.recv().await.expect("it says something");
        connection.send(message).await
    };
    let server = Running::in_memory(server(|_| {}).handler(echo_once));
    let stream = server.network.connect_through(100);
    let asked = Asked::with(stream, upgrade("/ws", &[])).await;
    let mut client = asked.client().await;
    let text = "x".repeat(300);
    client.sends(&text_frame(&text)).await;
    // The echo and the close behind it do not fit into the window.
    sleep(secs(1)).await;
    client.sends(&frame(0x88, &1000_u16.to_be_bytes())).await;
    sleep(secs(1)).await;
    assert_eq!(client.hears_text().await, text);
    assert!(client.hears().await.is_close());
}
