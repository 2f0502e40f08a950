//! X1: the answer is the upstream's own.

use conformance_tests::client::{text_frame, upgrade};
use conformance_tests::happens;
use conformance_tests::servers::Port;

use super::upstream::{OPENED, Upstream};
use super::{as_it_is, in_front_of, ms};

#[tokio::test]
async fn x1_what_the_two_negotiate_is_passed_on_untouched() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let fields = [
        ("Sec-WebSocket-Protocol", "chat.v2, chat.v1"),
        (
            "Sec-WebSocket-Extensions",
            "permessage-deflate; client_max_window_bits",
        ),
        ("Cookie", "session=1; theme=dark"),
        ("Origin", "https://example.com"),
    ];
    let request = upgrade("/rooms/a%20b?token=x%2Fy&z", &fields);
    let client = server.ask(request).await;
    let mut asked = upstream.asked().await;
    assert_eq!(asked.line(), "GET /rooms/a%20b?token=x%2Fy&z HTTP/1.1");
    for (name, value) in fields {
        assert_eq!(asked.fields(name), [value], "{}", asked.head);
    }
    assert_eq!(
        asked.fields("sec-websocket-key"),
        ["dGhlIHNhbXBsZSBub25jZQ=="]
    );
    assert_eq!(asked.fields("sec-websocket-version"), ["13"]);
    assert_eq!(asked.fields("host"), ["test"]);

    let extension = "permessage-deflate; server_no_context_takeover";
    asked
        .opens(&format!(
            "Sec-WebSocket-Protocol: chat.v1\r\nSec-WebSocket-Extensions: {extension}\r\n\
             Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        ))
        .await;
    let (_client, answer) = client.chosen().await;
    assert_eq!(answer.field("sec-websocket-protocol"), Some("chat.v1"));
    assert_eq!(answer.field("sec-websocket-extensions"), Some(extension));
    assert_eq!(answer.values("set-cookie"), ["a=1", "b=2"]);
}

#[tokio::test]
async fn x1_nothing_is_negotiated_that_the_upstream_did_not() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let offers = [("Sec-WebSocket-Protocol", "chat.v2, chat.v1")];
    let client = server.ask(upgrade("/", &offers)).await;
    let _asked = upstream.opens().await;
    let (_client, answer) = client.chosen().await;
    assert_eq!(answer.field("sec-websocket-protocol"), None);
    assert_eq!(answer.field("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn x1_any_other_answer_goes_back_with_its_body() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    for (answer, status, body) in [
        (
            "HTTP/1.1 403 Not For You\r\nContent-Length: 6\r\nX-Why: age\r\nSet-Cookie: a=1\r\n\
             Set-Cookie: b=2\r\n\r\ntoo young",
            "403 Not For You",
            "too yo",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nwho\r\n5\r\n are \r\n4\r\nyou?\r\n0\r\n\r\n",
            "401 Unauthorized",
            "who are you?",
        ),
        (
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
            "307 Temporary Redirect",
            "",
        ),
        (
            "HTTP/1.1 499 Odd\r\nContent-Length: 3\r\n\r\nodd",
            "499 Odd",
            "odd",
        ),
        (
            "HTTP/1.0 404 Not Found\r\n\r\nuntil the end",
            "404 Not Found",
            "until the end",
        ),
    ] {
        let mut client = server.dial().await;
        let mut asked = upstream.asked().await;
        asked.sends(answer).await;
        drop(asked);
        let seen = happens("the whole answer", client.rest()).await;
        let seen = String::from_utf8(seen).expect("text");
        let (head, seen_body) = seen.split_once("\r\n\r\n").expect("a head");
        let line = head.lines().next().expect("a status line");
        assert_eq!(line, format!("HTTP/1.1 {status}"));
        assert_eq!(unchunked(head, seen_body), body);
        let lower = head.to_lowercase();
        for field in [
            "x-why: age",
            "set-cookie: a=1",
            "set-cookie: b=2",
            "location: /elsewhere",
        ] {
            let given = answer.to_lowercase().contains(field);
            assert_eq!(lower.contains(field), given, "{field}: {head}");
        }
    }
    // An answer is an admission, whatever it says.
    server.shows("/queue/admitted", 5).await;
    server.shows("/connections/total", 0).await;
    server
        .shows("/handshake_failures/upstream_refused", 5)
        .await;
}

/// What a body says, as its head says how it is written.
fn unchunked(head: &str, body: &str) -> String {
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut text, mut rest) = (String::new(), body);
    loop {
        let (length, behind) = rest.split_once("\r\n").expect("a length");
        let length = usize::from_str_radix(length, 16).expect("a length");
        if length == 0 {
            assert_eq!(behind, "\r\n");
            return text;
        }
        text.push_str(&behind[..length]);
        rest = behind[length..]
            .strip_prefix("\r\n")
            .expect("the end of a chunk");
    }
}

#[tokio::test]
async fn x1_an_answer_that_is_cut_short_is_not_taken_for_whole() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    for head in ["Content-Length: 12", "Transfer-Encoding: chunked"] {
        let mut client = server.dial().await;
        let mut asked = upstream.asked().await;
        asked
            .sends(format!(
                "HTTP/1.1 403 Forbidden\r\n{head}\r\n\r\n4\r\ncut \r\n"
            ))
            .await;
        drop(asked);
        let seen = happens("what there is of it", client.rest()).await;
        let seen = String::from_utf8(seen).expect("text").to_lowercase();
        let (head, body) = seen.split_once("\r\n\r\n").expect("a head");
        let whole = if head.contains("content-length: 12") {
            body.len() >= 12
        } else {
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            body.ends_with("0\r\n\r\n")
        };
        assert!(!whole, "{seen}");
    }
}

#[tokio::test]
async fn x1_an_answer_before_the_answer_is_not_taken_for_it() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let client = server.dial().await;
    let mut asked = upstream.asked().await;
    asked
        .sends("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        .await;
    asked.opens("").await;
    let mut client = client.client().await;
    asked.sends(b"\x81\x05hello").await;
    assert_eq!(client.hears_text().await, "hello");
}

#[tokio::test]
async fn x1_frames_around_the_handshake_are_not_lost() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    // A client that does not wait for its 101, and an upstream that writes all at once.
    let early = [upgrade("/", &[]).into_bytes(), text_frame("early")].concat();
    let mut client = server.ask(early).await;
    client.sends(&text_frame("later")).await;
    let mut asked = upstream.asked().await;
    let hello = b"\x81\x05hello";
    asked
        .sends([OPENED.as_bytes(), b"\r\n", hello].concat())
        .await;
    let frames = [text_frame("early"), text_frame("later")].concat();
    assert_eq!(asked.reads(frames.len()).await, frames);
    let mut client = client.client().await;
    assert_eq!(client.hears_text().await, "hello");
}

#[tokio::test]
async fn x1_an_upstream_that_never_answers_is_a_504() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, |it| it.proxy.response_timeout = ms(50)).await;
    let mut client = server.dial().await;
    let mut asked = upstream.asked().await;
    let answer = happens("an answer", client.answer()).await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.reason(), "upstream_timeout");
    assert_eq!(asked.rest().await, b"", "nobody waits for its answer now");
}

#[tokio::test]
async fn x1_an_answer_that_is_no_http_is_a_502() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    for request in [
        upgrade("/", &[]),
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
    ] {
        let mut client = server.ask(request).await;
        upstream
            .asked()
            .await
            .sends("220 mail.example ESMTP\r\n\r\n")
            .await;
        let answer = happens("an answer", client.answer()).await;
        assert_eq!(answer.status, 502);
        assert_eq!(answer.reason(), "upstream_failed");
    }
}

#[tokio::test]
async fn x1_a_101_that_nobody_asked_for_is_a_502() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let mut client = server.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstream.asked().await.opens("").await;
    assert_eq!(happens("an answer", client.answer()).await.status, 502);
}

#[tokio::test]
async fn x1_s7_a_client_that_leaves_while_the_upstream_is_asked_leaves_there_too() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    for request in [
        upgrade("/", &[]),
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
    ] {
        let client = server.ask(request).await;
        let mut asked = upstream.asked().await;
        drop(client);
        assert_eq!(asked.rest().await, b"");
    }
    server.shows("/queue/abandoned", 2).await;
    server.shows("/queue/admitted", 0).await;
}
