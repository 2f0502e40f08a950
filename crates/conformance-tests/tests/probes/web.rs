//! `tcp://`, `http(s)://` and `ws(s)://`.

use std::process::Command;

use conformance_tests::servers::{Port, Process, must_succeed, require};
use futures::StreamExt as _;
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::accept_async;

use super::{happens, is_not_ready, is_ready, probe, seen};

/// Answers every request with `answer`; gives the address.
async fn answering(answer: &'static str) -> String {
    let (listener, address) = silent().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            head(&mut stream).await;
            stream
                .write_all(answer.as_bytes())
                .await
                .expect("the client reads");
        }
    });
    address
}

/// Accepts connections and never says a word.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    (listener, address)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.expect("a whole head")));
    }
    head.to_lowercase()
}

#[tokio::test]
async fn g8_tcp_is_ready_once_something_listens() {
    let port = Port::reserve();
    let late = probe(&format!("tcp://{}", port.address()));
    assert_eq!(seen(&late).await, "connection refused");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(port.address()).unwrap();
    let listener = socket.listen(8).unwrap();
    late.check().await.expect("ready");
    drop(listener);
    assert_eq!(seen(&late).await, "connection refused");
}

#[tokio::test]
async fn g8_a_name_without_an_address_is_not_ready() {
    is_not_ready("tcp://nowhere.invalid:80", "cannot resolve nowhere.invalid").await;
}

#[tokio::test]
async fn g8_http_is_ready_with_a_2xx_only() {
    for (answer, why) in [
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            "answered 503 Service Unavailable",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "answered 404 Not Found",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: /login\r\n\r\n",
            "answered 302 Found: redirects are not followed",
        ),
        (
            "",
            "no HTTP answer: connection closed before message completed",
        ),
        ("220 mail.example ESMTP\r\n", "no HTTP answer"),
    ] {
        is_not_ready(&format!("http://{}/health", answering(answer).await), why).await;
    }
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 204 No Content\r\n\r\n",
    ] {
        is_ready(&format!("http://{}/health", answering(answer).await)).await;
    }
}

#[tokio::test]
async fn g8_http_asks_for_what_the_address_names() {
    let (listener, address) = silent().await;
    let probe = probe(&format!("http://app:p%40ss@{address}/health?deep=1"));
    let asked = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        head
    };
    let (ready, head) = tokio::join!(probe.check(), asked);
    ready.expect("ready");
    assert!(
        head.starts_with("get /health?deep=1 http/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains(&format!("\r\nhost: {address}\r\n")), "{head}");
    // app:p@ss, in lower case as all of the head here
    assert!(
        head.contains("\r\nauthorization: basic yxbwonbac3m=\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn g8_ws_is_ready_after_a_handshake_and_closes_cleanly() {
    let (listener, address) = silent().await;
    let probe = probe(&format!("ws://{address}/chat"));
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        let first = socket
            .next()
            .await
            .expect("a close frame")
            .expect("no error");
        assert!(first.is_close(), "{first}");
        assert!(
            socket.next().await.is_none(),
            "the close handshake is complete"
        );
    };
    let (ready, ()) = tokio::join!(probe.check(), serve);
    ready.expect("ready");
}

#[tokio::test]
async fn g8_ws_is_not_ready_without_a_handshake() {
    for (answer, why) in [
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            "answered 503 Service Unavailable, not 101",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "answered 200 OK, not 101",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "no WebSocket",
        ),
    ] {
        is_not_ready(&format!("ws://{}/chat", answering(answer).await), why).await;
    }
}

#[tokio::test(start_paused = true)]
async fn g8_a_service_that_says_nothing_is_not_ready() {
    let (_listener, address) = silent().await;
    for scheme in ["http", "https", "ws", "wss", "postgres", "redis", "nats"] {
        let probe = probe(&format!("{scheme}://{address}"));
        let began = Instant::now();
        let error = probe.check().await.expect_err(scheme);
        assert!(error.is_timeout(), "{error}");
        assert!(
            error.to_string().ends_with("no answer within 3s"),
            "{error}"
        );
        // The clock is virtual and counts in milliseconds.
        assert_eq!(
            began.elapsed().as_secs(),
            probe.limit().as_secs(),
            "{scheme}"
        );
    }
}

#[tokio::test]
async fn g8_dropping_an_attempt_closes_its_connection() {
    let (listener, address) = silent().await;
    for scheme in ["http", "ws", "postgres", "redis", "nats"] {
        let check = probe(&format!("{scheme}://{address}")).check();
        let mut stream = tokio::select! {
            seen = check => panic!("{scheme}: {seen:?}"),
            accepted = listener.accept() => accepted.unwrap().0,
        };
        happens(stream.read_to_end(&mut Vec::new()))
            .await
            .expect(scheme);
    }
}

/// A TLS server that answers `GET` with 200, and its own certificate, which nobody else has signed.
async fn self_signed() -> Option<(Process, std::path::PathBuf)> {
    let openssl = require("openssl")?;
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = (
        directory.path().join("certificate.pem"),
        directory.path().join("key.pem"),
    );
    let mut create = Command::new(&openssl);
    create.args([
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
    ]);
    create.args([
        "-subj",
        "/CN=test",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]);
    // Else it would be an authority's, and no server may use that.
    create.args(["-addext", "basicConstraints=CA:FALSE"]);
    create
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key);
    must_succeed(&mut create);
    let port = Port::reserve();
    let mut command = Command::new(openssl);
    command.args(["s_server", "-www", "-accept", &port.address().to_string()]);
    command.arg("-cert").arg(&certificate).arg("-key").arg(key);
    let server = Process::start(command, &port, "ACCEPT", Signal::SIGKILL, directory).await;
    Some((server, certificate))
}

#[tokio::test]
async fn g8_a_certificate_nobody_trusts_is_not_ready() {
    let Some((server, _)) = self_signed().await else {
        return;
    };
    for scheme in ["https", "wss"] {
        is_not_ready(
            &format!("{scheme}://{}/", server.address()),
            "TLS: invalid peer certificate",
        )
        .await;
    }
}

#[tokio::test]
async fn g8_https_is_ready_with_a_trusted_certificate_for_the_host() {
    let Some((server, certificate)) = self_signed().await else {
        return;
    };
    let port = server.address().port();
    for (address, what) in [
        (format!("https://127.0.0.1:{port}/"), "ready"),
        (
            format!("wss://127.0.0.1:{port}/"),
            "no WebSocket: WebSocket protocol error: HTTP version must be 1.1",
        ),
        (
            format!("https://localhost:{port}/"),
            "TLS: invalid peer certificate: certificate not valid for name",
        ),
    ] {
        let look = tokio::process::Command::new(env!("CARGO_BIN_EXE_look"))
            .arg(&address)
            .env("SSL_CERT_FILE", &certificate)
            .env_remove("SSL_CERT_DIR")
            .output();
        let output = look.await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(what), "{address}: {output:?}");
    }
}

#[tokio::test]
async fn o3_a_page_is_read_part_by_part_as_it_comes() {
    let (listener, address) = silent().await;
    let served = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        head(&mut stream).await;
        let begun = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\none";
        stream.write_all(begun.as_bytes()).await.expect("it reads");
        stream
    };
    let page = probe(&format!("http://{address}/status/events"));
    let (mut stream, page) = tokio::join!(happens(served), happens(page.get()));
    let mut page = page.expect("an answer");
    assert_eq!(page.status(), 200);
    assert_eq!(page.media_type(), Some("text/event-stream"));
    assert_eq!(
        happens(page.next()).await.unwrap().as_deref(),
        Some(&b"one"[..])
    );
    stream.write_all(b"two").await.expect("it reads");
    assert_eq!(
        happens(page.next()).await.unwrap().as_deref(),
        Some(&b"two"[..])
    );
    drop(stream);
    assert_eq!(happens(page.next()).await.unwrap(), None);
}

#[tokio::test]
async fn o3_a_page_is_got_whatever_its_status_and_breaks_off_with_an_error() {
    let address = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nbut").await;
    let missing = probe(&format!("http://{address}/?token=secret"));
    let mut page = missing.get().await.expect("an answer");
    assert_eq!((page.status(), page.media_type()), (404, None));
    assert_eq!(
        happens(page.next()).await.unwrap().as_deref(),
        Some(&b"but"[..])
    );
    let error = happens(page.next()).await.expect_err("it breaks off");
    assert!(
        error.to_string().starts_with(&missing.to_string()),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
    let other = probe("tcp://127.0.0.1:1").get().await;
    assert!(other.is_err());
}
