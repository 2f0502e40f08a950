//! `watch`: a server elsewhere, on a terminal and piped.

use conformance_tests::binary::{Process, Stream, WsServer};
use conformance_tests::happens;
use conformance_tests::servers::Port;
use conformance_tests::wire::Wire;
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::waits_for;

async fn watch(url: &str, terminal: Option<u16>) -> Process {
    let watch = WsServer::new().arguments(["watch", url]);
    match terminal {
        Some(columns) => watch.on_terminal(Stream::Stdout, columns),
        None => watch,
    }
    .spawn()
    .await
}

#[tokio::test]
async fn o5_watch_shows_a_server_elsewhere_live() {
    let port = Port::reserve();
    let server = WsServer::with(waits_for(&port)).start().await;
    // As a client would write it.
    let pasted = format!("ws://{}/ws", server.address());
    let watch = watch(&pasted, Some(80)).await;
    let url = format!("http://{}", server.address());
    let shown = watch.until_shows("    ▸ upstream running").await;
    assert!(shown.starts_with(&url), "{shown}");
    assert!(shown.contains("▸ closed, startup running "), "{shown}");
    let mut held = Wire::upgrading(server.address()).await;
    watch
        .until_shows("  queue        1 of 50 held, oldest")
        .await;

    let _open = port.open();
    held.opened().await;
    held.echoes("hello").await;
    watch.until_shows("✓ open, startup took ").await;
    watch.until_shows("1 entered, 1 admitted").await;
    watch.until_shows("  connections  1 live, 1 in all").await;
    watch.until_shows("/s received, ").await;

    watch.signal(Signal::SIGINT);
    let ended = watch.end().await;
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stderr, "");
    // What was seen last is left behind.
    let shown = ended.shown.expect("a terminal");
    assert_eq!(shown.matches("✓ 5 services").count(), 1, "{shown}");
    assert!(shown.contains("✓ open"), "{shown}");
}

#[tokio::test]
async fn o5_watch_without_a_terminal_writes_a_line_for_each_change() {
    let (own, port) = (Port::reserve(), Port::reserve());
    let watch = watch(&format!("http://{}", own.address()), None).await;
    let nobody = "not reachable: connection refused";
    watch.until_writes(Stream::Stdout, nobody).await;

    let listen = own.address().to_string();
    let server = WsServer::with(waits_for(&port)).arguments(["--listen", &listen]);
    let server = server.start_on(own).await;
    let waiting = "startup running in phase services, nobody is held, 0 live\n";
    watch.until_writes(Stream::Stdout, waiting).await;
    let mut held = Wire::upgrading(server.address()).await;
    watch.until_writes(Stream::Stdout, ", 1 held, oldest").await;
    let _open = port.open();
    held.opened().await;
    watch
        .until_writes(Stream::Stdout, "Z open, startup complete in ")
        .await;

    watch.signal(Signal::SIGINT);
    let ended = watch.end().await;
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stdout.contains('\x1b'), "{}", ended.stdout);
    // Not one for each look.
    assert_eq!(ended.stdout.matches(nobody).count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.lines().all(|line| line.starts_with("20")));
}

#[tokio::test]
async fn o5_watch_follows_events_to_their_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let watch = watch(&format!("http://{address}/"), None).await;
    let mut server = asked_for_events(&listener).await;
    let event = |phase: &str| {
        format!(
            "event: status\ndata: {{\"startup\": {{\"state\": \"running\",\n\
             data: \"phase\": \"{phase}\"}}, \"queue\": {{}}}}\n\n"
        )
    };
    for phase in ["database", "cache"] {
        server
            .write_all(event(phase).as_bytes())
            .await
            .expect("it reads");
        watch
            .until_writes(Stream::Stdout, &format!("in phase {phase}"))
            .await;
    }
    drop(server);
    let closed = "not reachable: the connection was closed";
    watch.until_writes(Stream::Stdout, closed).await;
    // It comes again.
    let mut server = asked_for_events(&listener).await;
    server
        .write_all(event("services").as_bytes())
        .await
        .expect("it reads");
    watch
        .until_writes(Stream::Stdout, "in phase services")
        .await;
    watch.signal(Signal::SIGINT);
    assert_eq!(watch.end().await.code, Some(0));
}

/// Accepts, and begins to answer what can only be a request for events.
async fn asked_for_events(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = happens("a connection", listener.accept())
        .await
        .expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    assert!(head.starts_with(b"GET /-/status/events HTTP/1.1\r\n"));
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n";
    stream.write_all(answer.as_bytes()).await.expect("it reads");
    stream
}

#[tokio::test]
async fn o5_watch_says_what_is_no_server_and_what_is_no_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let other = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
            let _ = stream.write_all(answer).await;
            // Its request is read, so that closing resets nothing.
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let watch = watch(&format!("http://{address}"), None).await;
    watch
        .until_writes(Stream::Stdout, "not reachable: what it shows is no status")
        .await;
    watch.signal(Signal::SIGINT);
    assert_eq!(watch.end().await.code, Some(0));
    other.abort();

    for url in ["nonsense", "postgres://a:SECRET@127.0.0.1:1/x", "http://"] {
        let ended = WsServer::new().arguments(["watch", url]).finish().await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        let right = "a server is asked at an address such as http://127.0.0.1:8080";
        assert!(ended.stderr.contains(right), "{}", ended.stderr);
        assert!(!ended.stderr.contains("SECRET"), "{}", ended.stderr);
    }
}
