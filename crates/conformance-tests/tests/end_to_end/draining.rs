//! The orderly end of the real process (S9, S10): of what it serves itself, and in front of another
//! server.

use std::io::ErrorKind;
use std::time::Duration;

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::happens;
use conformance_tests::servers::{Application, Port, Python};
use conformance_tests::wire::{Frame, Wire, frame};
use futures::future::join_all;
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// So many clients, each of which has its WebSocket and sent all of `messages` at once.
async fn clients(server: &Running, count: usize, messages: &[&str]) -> Vec<Wire> {
    let bytes: Vec<u8> = messages
        .iter()
        .flat_map(|text| frame(0x1, text.as_bytes()))
        .collect();
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = Wire::open(server.address()).await;
        client.send(&bytes).await;
        clients.push(client);
    }
    clients
}

/// Shows when clients were closed, and that it was in no wave: in no tenth of the drain time a
/// quarter of them.
fn are_spread(closed: &[Duration], drain: Duration) {
    let mut tenths = [0; 10];
    for at in closed {
        let tenth = at.as_secs_f64() / drain.as_secs_f64() * 10.0;
        tenths[(tenth as usize).min(9)] += 1;
    }
    for (n, count) in tenths.iter().enumerate() {
        let bar = "#".repeat(count * 100 / closed.len());
        let from = drain.as_secs_f64() * n as f64 / 10.0;
        eprintln!("from {from:.1} s {count:>4} {bar}");
    }
    assert!(
        tenths.iter().all(|count| count * 4 <= closed.len()),
        "{tenths:?}"
    );
}

#[tokio::test]
async fn s9_s10_sigterm_closes_500_live_clients_spread_over_the_drain_time_and_exits_0() {
    let server = WsServer::new().start().await;
    // The first has come back, so all of them have been read.
    let mut clients = clients(&server, 500, &["one", "two", "three"]).await;
    for client in &mut clients {
        assert_eq!(client.frame().await, Frame::Text("one".to_owned()));
    }
    let begun = Instant::now();
    server.signal(Signal::SIGTERM);
    let closed = join_all(clients.into_iter().map(|mut client| async move {
        for text in ["two", "three"] {
            assert_eq!(client.frame().await, Frame::Text(text.to_owned()));
        }
        assert_eq!(client.frame().await, Frame::Close(1001, String::new()));
        let at = begun.elapsed();
        client.send(&frame(0x8, &1001u16.to_be_bytes())).await;
        assert_eq!(client.frame().await, Frame::End, "in an orderly way");
        at
    }));
    let (closed, ended) = tokio::join!(closed, server.end());
    assert_eq!(ended.code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10));
    are_spread(&closed, Duration::from_secs(8));
}

#[tokio::test]
async fn s9_those_who_never_answer_the_close_do_not_keep_it() {
    let server = WsServer::with("shutdown.drain = \"4s\"").start().await;
    let mut clients = clients(&server, 500, &["here"]).await;
    for client in &mut clients {
        assert_eq!(client.frame().await, Frame::Text("here".to_owned()));
    }
    let begun = Instant::now();
    server.signal(Signal::SIGTERM);
    let closed = join_all(clients.iter_mut().map(|client| async {
        assert_eq!(client.frame().await, Frame::Close(1001, String::new()));
        begun.elapsed()
    }));
    let (closed, ended) = tokio::join!(closed, server.end());
    let elapsed = begun.elapsed();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.warns("connections did not close in time"),
        "{ended:?}"
    );
    assert!(elapsed >= Duration::from_secs(4), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(6), "{elapsed:?}");
    are_spread(&closed, Duration::from_secs(4));
}

#[tokio::test]
async fn s9_a_second_signal_ends_it_at_once_with_1() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        // Nothing else would end it before the test gives up.
        let server = WsServer::with("shutdown.drain = \"10m\"").start().await;
        let mut client = Wire::open(server.address()).await;
        server.signal(Signal::SIGTERM);
        assert_eq!(client.frame().await, Frame::Close(1001, String::new()));
        let mut late = Wire::upgrading(server.address()).await;
        late.answer().await.is_refusal("draining");
        server.signal(second);
        let ended = server.end().await;
        assert_eq!(ended.code, Some(1));
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.contains("a second time"), "{last}");
        assert!(matches!(client.frame().await, Frame::End | Frame::Reset));
    }
}

#[tokio::test]
async fn s9_during_the_delay_readiness_says_no_and_everyone_is_served() {
    let server = WsServer::with("shutdown.delay = \"10m\"").start().await;
    let mut client = Wire::open(server.address()).await;
    server.signal(Signal::SIGTERM);
    server
        .until(|status| status["readiness"]["ready"] == false)
        .await;
    let ready = server.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json()["reason"]),
        (503, &"draining".into())
    );
    client.echoes("still").await;
    Wire::open(server.address()).await.echoes("new").await;
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().await.code, Some(1));
}

#[tokio::test]
async fn s9_s10_behind_the_proxy_what_the_upstream_still_says_comes_before_1001() {
    let port = Port::reserve();
    let upstream = tokio::spawn(answers_late(port.open()));
    let url = format!("ws://{}", port.address());
    let server = WsServer::with("shutdown.drain = \"4s\"")
        .arguments(["--upstream", &url])
        .start()
        .await;
    let mut clients = clients(&server, 200, &["question"]).await;
    for client in &mut clients {
        assert_eq!(client.frame().await, Frame::Text("asked".to_owned()));
    }
    let begun = Instant::now();
    server.signal(Signal::SIGTERM);
    let closed = join_all(clients.into_iter().map(|mut client| async move {
        assert_eq!(client.frame().await, Frame::Text("answer".to_owned()));
        // The upstream said 1000.
        assert_eq!(client.frame().await, Frame::Close(1001, String::new()));
        let at = begun.elapsed();
        client.send(&frame(0x8, &1001u16.to_be_bytes())).await;
        assert_eq!(client.frame().await, Frame::End, "in an orderly way");
        at
    }));
    let (closed, ended) = tokio::join!(closed, server.end());
    assert_eq!(ended.code, Some(0));
    are_spread(&closed, Duration::from_secs(4));
    upstream.abort();
}

/// A server that has an answer to every question only when it is told to go.
async fn answers_late(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move { answer_late(&mut stream).await });
    }
}

/// `None` where the connection is but a look whether it is there.
async fn answer_late(stream: &mut TcpStream) -> Option<()> {
    open(stream).await?;
    let mut question = vec![0; frame(0x1, b"question").len()];
    stream.read_exact(&mut question).await.ok()?;
    stream.write_all(b"\x81\x05asked").await.ok()?;
    let mut close = [0; 8];
    stream.read_exact(&mut close).await.ok()?;
    assert_eq!(close, [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9], "1001");
    stream
        .write_all(b"\x81\x06answer\x88\x02\x03\xe8")
        .await
        .ok()?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.ok()?;
    assert_eq!(rest, b"");
    Some(())
}

#[tokio::test]
async fn s9_behind_the_proxy_nobody_waits_for_an_upstream_that_answers_nothing() {
    let port = Port::reserve();
    let listener = port.open();
    let upstream = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(tokio::spawn(ignore(stream)));
        }
    });
    let url = format!("ws://{}", port.address());
    let server = WsServer::with("shutdown.drain = \"2s\"")
        .arguments(["--upstream", &url])
        .start()
        .await;
    let clients = clients(&server, 20, &["hello"]).await;
    let begun = Instant::now();
    server.signal(Signal::SIGTERM);
    let closed = join_all(clients.into_iter().map(|mut client| async move {
        assert_eq!(client.frame().await, Frame::Close(1001, String::new()));
    }));
    let (_, ended) = tokio::join!(closed, server.end());
    assert_eq!(ended.code, Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    upstream.abort();
}

/// Opens a WebSocket, and then only reads.
async fn ignore(mut stream: TcpStream) {
    if open(&mut stream).await.is_some() {
        let _ = happens("the end", stream.read_to_end(&mut Vec::new())).await;
    }
}

/// Answers the request for a WebSocket; `None` where none comes.
async fn open(stream: &mut TcpStream) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let opened = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(opened.as_bytes()).await.ok()
}

#[tokio::test]
async fn s9_x4_real_applications_answer_the_goodbye_so_that_nobody_waits() {
    let Some(python) = Python::installed() else {
        return;
    };
    let ports = [Port::reserve(), Port::reserve()];
    let Some(node) = Application::node_on(&ports[0]).await else {
        return;
    };
    let python = python.start_on(&ports[1], Signal::SIGKILL).await;
    for application in [node, python] {
        let url = format!("ws://{}", application.address());
        // Should they not answer, the test gives up before the drain does.
        let server = WsServer::with("shutdown.drain = \"10m\"")
            .arguments(["--upstream", &url])
            .start()
            .await;
        let clients = clients(&server, 5, &[]).await;
        server.signal(Signal::SIGTERM);
        for mut client in clients {
            assert_eq!(client.rest().await, [Frame::Close(1001, String::new())]);
        }
        assert_eq!(server.end().await.code, Some(0));
    }
}

#[tokio::test]
async fn s9_x4_inside_a_large_frame_the_end_of_the_drain_is_a_reset() {
    let port = Port::reserve();
    let listener = port.open();
    let upstream = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            kept.push(tokio::spawn(async move {
                open(&mut stream).await?;
                // Asked for, and not before: then it comes behind the 101, apart from it.
                stream.read_u8().await.ok()?;
                // 100 bytes of 1 MiB, and then nothing.
                let part = [&b"\x82\x7f\0\0\0\0\0\x10\0\0"[..], &[7; 100]].concat();
                stream.write_all(&part).await.ok()?;
                stream.read_to_end(&mut Vec::new()).await.ok()
            }));
        }
    });
    let url = format!("ws://{}", port.address());
    let server = WsServer::with("shutdown.drain = \"1s\"")
        .arguments(["--upstream", &url])
        .start()
        .await;
    let mut client = Wire::open(server.address()).await.into_stream();
    let asks = client.write_all(&frame(0x1, b"how much?")).await;
    asks.expect("it is read");
    let mut part = [0; 110];
    let came = happens("a part", client.read_exact(&mut part)).await;
    came.expect("a part");
    server.signal(Signal::SIGTERM);
    let end = happens("the end", client.read(&mut part)).await;
    assert_eq!(
        end.map_err(|error| error.kind()),
        Err(ErrorKind::ConnectionReset)
    );
    assert_eq!(server.end().await.code, Some(0));
    upstream.abort();
}
