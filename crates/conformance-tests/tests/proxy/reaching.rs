//! X1, X3: an upstream that is reached by something else than TCP.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use conformance_tests::client::Asked;
use conformance_tests::happens;
use conformance_tests::running::{Running, server};
use conformance_tests::startup::by_hand;
use startup_phases::Phase;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{UnixListener, UnixStream};
use ws_server::settings::{HandlerKind, ProxySettings, Settings};

fn of_nobody() -> ProxySettings {
    ProxySettings {
        // Nothing is looked up, and nothing is connected to.
        upstream: "ws://no.such.host.invalid:80".to_owned(),
        ..ProxySettings::default()
    }
}

/// Answers a request with its own first line; the monitor's connections ask nothing.
async fn tells_what_it_was_asked(mut stream: UnixStream) {
    let mut read = BytesMut::new();
    while !read.windows(4).any(|it| it == b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
            return;
        }
    }
    let head = String::from_utf8_lossy(&read);
    let line = head.lines().next().expect("a line");
    let length = line.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{line}");
    let sent = stream.write_all(answer.as_bytes()).await;
    sent.expect("the proxy reads");
}

fn for_every_path(settings: &mut Settings) {
    settings.server.handler = HandlerKind::Proxy;
    settings.server.path = "*".to_owned();
}

#[tokio::test]
async fn x1_x3_an_upstream_behind_a_unix_socket_is_waited_for_and_reached_through_it() {
    let directory = tempfile::tempdir().expect("a directory for a socket");
    let socket = directory.path().join("application.sock");
    let builder = server(for_every_path).proxy(&of_nobody());
    let builder = builder.expect("an address").upstream_through({
        let socket = socket.clone();
        move || UnixStream::connect(socket.clone())
    });
    let running = Running::on_tcp(builder).await;
    let mut asked = running.held().await;
    asked.is_unanswered();

    let listener = UnixListener::bind(&socket).expect("nobody listens there yet");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(tells_what_it_was_asked(stream));
        }
    });
    let answer = happens("the upstream answers", asked.answer()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "GET /ws HTTP/1.1");
}

#[tokio::test(start_paused = true)]
async fn x6_s8_a_held_request_is_refused_when_startup_fails_and_nobody_lingers() {
    let (startup, mut hand) = by_hand([Phase::Services]);
    let builder = server(|it| {
        for_every_path(it);
        it.startup.failed_linger = Duration::ZERO;
    });
    let builder = builder.proxy(&of_nobody()).expect("an address");
    let builder = builder
        .startup(startup.build().expect("one step fits with itself"))
        .upstream_through(async || Err::<DuplexStream, _>(io::ErrorKind::ConnectionRefused.into()));
    let running = Running::in_memory(builder);
    let request = "GET /page HTTP/1.1\r\nHost: test\r\n\r\n";
    // The answer does not fit into the window.
    let stream = running.network.connect_through(64);
    let mut asked = Asked::with(stream, request).await;
    running.holds(1).await;
    hand.fail(Phase::Services, "no");
    let answer = asked.answer().await;
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (503, "startup_failed")
    );
    assert!(running.end().await.is_err());
}
