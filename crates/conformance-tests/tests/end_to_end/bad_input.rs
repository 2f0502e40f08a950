//! What clients get wrong, while others go on being served.

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::wire::{Answer, Frame, UPGRADE, Wire, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Someone who is served before and after what others do.
struct Bystander(Wire);

impl Bystander {
    async fn of(server: &Running) -> Self {
        let mut wire = Wire::open(server.address()).await;
        wire.echoes("before").await;
        Self(wire)
    }

    async fn goes_on(mut self, server: &Running) {
        self.0.echoes("after").await;
        let mut newcomer = Wire::open(server.address()).await;
        newcomer.echoes("hello").await;
    }
}

/// What comes back for these bytes, and then nothing more.
async fn answer_to(server: &Running, bytes: &[u8]) -> Answer {
    let mut wire = Wire::connect(server.address()).await;
    wire.send(bytes).await;
    let answer = wire.answer().await;
    assert_eq!(wire.frame().await, Frame::End, "{answer:?}");
    answer
}

#[tokio::test]
async fn s6_what_is_not_a_request_gets_its_status() {
    let server = WsServer::with("limits.handshake_timeout = \"1s\"")
        .start()
        .await;
    let bystander = Bystander::of(&server).await;
    let long = format!(
        "GET /ws HTTP/1.1\r\nX-Long: {}\r\n\r\n",
        "x".repeat(17 * 1024)
    );
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], 400),
        (b"hello, is anybody there?\r\n\r\n", 400),
        (b"\x00\x01\x02\x03\r\n\r\n", 400),
        (b"GET /ws HTTP/1.1\r\nbroken header\r\n\r\n", 400),
        (long.as_bytes(), 431),
        (&UPGRADE.as_bytes()[..40], 408),
        (
            b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            405,
        ),
    ] {
        let answer = answer_to(&server, bytes).await;
        let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
        assert_eq!(answer.status, status, "{sent:?}: {answer:?}");
        assert!(answer.json()["reason"].is_string(), "{answer:?}");
    }
    bystander.goes_on(&server).await;
}

#[tokio::test]
async fn s6_a_handshake_that_is_wrong_gets_its_status() {
    let server = WsServer::new().start().await;
    let bystander = Bystander::of(&server).await;
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    for (right, wrong, status) in [
        (key, "dGhlIHNhbXBsZQ==", 400),
        (key, "not base64", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("Connection: Upgrade\r\n", "Connection: keep-alive\r\n", 400),
        ("Version: 13", "Version: 12", 426),
        ("/ws", "/elsewhere", 404),
        ("GET", "POST", 405),
        ("Upgrade: websocket\r\n", "", 426),
    ] {
        let answer = answer_to(&server, UPGRADE.replace(right, wrong).as_bytes()).await;
        assert_eq!(answer.status, status, "{wrong:?}: {answer:?}");
        if right == "Version: 13" {
            assert_eq!(answer.field("sec-websocket-version"), Some("13"));
        }
    }
    let plain = server.get("/ws").await;
    assert_eq!(plain.status, 426);
    assert_eq!(plain.field("upgrade"), Some("websocket"));
    assert_eq!(server.get("/nowhere").await.status, 404);
    bystander.goes_on(&server).await;
}

#[tokio::test]
async fn s6_a_header_of_100_mb_costs_no_memory() {
    let server = WsServer::new().start().await;
    let bystander = Bystander::of(&server).await;
    let before = server.peak_memory();

    let wire = Wire::connect(server.address()).await;
    let (mut answer, mut request) = wire.into_stream().into_split();
    let sending = tokio::spawn(async move {
        request.write_all(b"GET /ws HTTP/1.1\r\nX-Long: ").await?;
        let part = vec![b'x'; 1024 * 1024];
        for _ in 0..100 {
            request.write_all(&part).await?;
        }
        request.write_all(b"\r\n\r\n").await
    });
    let mut start = [0; 12];
    answer.read_exact(&mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 431");
    // Sooner or later it is cut off.
    let _ = sending.await.expect("no panic");

    if let (Some(before), Some(after)) = (before, server.peak_memory()) {
        let grown = after - before;
        assert!(grown < 4 * 1024 * 1024, "{grown} bytes");
    }
    bystander.goes_on(&server).await;
}

#[tokio::test]
async fn s12_what_breaks_the_protocol_gets_its_close_code() {
    let server = WsServer::with("limits.max_message_size = \"1KiB\"")
        .start()
        .await;
    let bystander = Bystander::of(&server).await;
    let mut unmasked = frame(0x1, b"hello");
    unmasked[1] &= 0x7f;
    unmasked.drain(2..6);
    let mut fragment = frame(0x1, &[b'x'; 600]);
    fragment[0] &= 0x7f;
    let fragments = [fragment, frame(0x0, &[b'x'; 600])].concat();
    let mut reserved_bit = frame(0x1, b"hello");
    reserved_bit[0] |= 0x40;
    for (what, bytes, code) in [
        ("unmasked", unmasked, 1002),
        ("a reserved bit", reserved_bit, 1002),
        ("an opcode that is none", frame(0x3, b"hello"), 1002),
        ("a continuation of nothing", frame(0x0, b"hello"), 1002),
        ("a ping that is too long", frame(0x9, &[0; 126]), 1002),
        ("not UTF-8", frame(0x1, b"caf\xe9"), 1007),
        ("too long", frame(0x2, &[0; 1025]), 1009),
        ("too long in fragments", fragments, 1009),
    ] {
        let mut wire = Wire::open(server.address()).await;
        wire.send(&bytes).await;
        let frames = wire.rest().await;
        let [Frame::Close(seen, _)] = frames[..] else {
            panic!("{what}: {frames:?}");
        };
        assert_eq!(seen, code, "{what}");
    }
    bystander.goes_on(&server).await;
}

#[tokio::test]
async fn s12_connections_over_the_limit_are_refused() {
    let server = WsServer::with("limits.max_connections = 1").start().await;
    let bystander = Wire::open(server.address()).await;
    let mut second = Wire::upgrading(server.address()).await;
    second.answer().await.is_refusal("connection_limit");
    drop(bystander);
    server
        .until(|status| status["connections"]["live"] == 0)
        .await;
    Wire::open(server.address()).await.echoes("hello").await;
}
