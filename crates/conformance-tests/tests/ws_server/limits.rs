//! S12: what one client may send, how many there may be, and from where.

use conformance_tests::client::{Asked, frame, text_frame, upgrade};
use startup_phases::Phase;
use tokio::time::sleep;
use ws_server::settings::{HoldMode, Settings};

use super::*;

fn small(settings: &mut Settings) {
    settings.limits.max_message_size = 1000;
    settings.limits.max_frame_size = 600;
}

/// What breaks the protocol, or a limit, and with which code it is answered.
fn faults() -> Vec<(&'static str, Vec<u8>, u16)> {
    let fragments = [frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat();
    // Its length is told, its payload never comes.
    let huge = [&[0x82, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat();
    let mut unmasked = text_frame("x");
    unmasked[1] &= 0x7f;
    vec![
        ("a frame too large", frame(0x82, &[0; 601]), 1009),
        ("a frame of a terabyte", huge, 1009),
        ("a message too large, in two frames", fragments, 1009),
        ("text that is not UTF-8", frame(0x81, b"\xff\xfe"), 1007),
        (
            "text that is cut short",
            frame(0x81, &"é".as_bytes()[..1]),
            1007,
        ),
        (
            "a close whose reason is not UTF-8",
            frame(0x88, b"\x03\xe8\xff"),
            1007,
        ),
        ("a frame that is not masked", unmasked, 1002),
        ("a reserved bit", frame(0xc1, b"x"), 1002),
        ("an unknown opcode", frame(0x83, b"x"), 1002),
        ("an unknown control opcode", frame(0x8b, b"x"), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        (
            "a message inside another",
            [frame(0x01, b"x"), frame(0x81, b"y")].concat(),
            1002,
        ),
        ("a ping in pieces", frame(0x09, b"x"), 1002),
        ("a ping too long", frame(0x89, &[0; 126]), 1002),
        ("a close of one byte", frame(0x88, &[3]), 1002),
    ]
}

#[tokio::test(start_paused = true)]
async fn s12_every_fault_has_its_code_and_harms_nobody_else() {
    let server = Running::in_memory(server(small));
    let mut other = server.client().await;
    for (fault, bytes, code) in faults() {
        let mut client = server.client().await;
        client.is_echoed("before").await;
        client.sends(&bytes).await;
        assert_eq!(client.is_closed().await.0, code, "{fault}");
        other.is_echoed("hello").await;
    }
    server.shows("/connections/live", 1).await;
}

#[tokio::test(start_paused = true)]
async fn s12_a_fault_while_held_in_frames_is_told_at_once_and_frees_its_place() {
    for (fault, bytes, code) in faults() {
        let (server, mut hand) = Running::early(|it| {
            small(it);
            it.queue.hold = HoldMode::Frames;
            it.queue.max_size = 1;
        });
        let mut client = server.held().await.client().await;
        client.sends(&[text_frame("before"), bytes].concat()).await;
        // Free before its client has answered the close.
        server.holds(0).await;
        let next = server.held().await;
        hand.finish(Phase::Services);
        next.client().await.is_echoed("hello").await;
        assert_eq!(client.is_closed().await.0, code, "{fault}");
        assert_eq!(server.status().await["queue"]["admitted"], 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn s12_a_fault_while_held_before_the_upgrade_is_told_after_it() {
    for (fault, bytes, code) in faults() {
        let (server, mut hand) = Running::early(small);
        let mut held = server.dial().await;
        held.sends(&bytes).await;
        server.holds(1).await;
        hand.finish(Phase::Services);
        assert_eq!(held.client().await.is_closed().await.0, code, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn s12_what_is_just_within_the_limits_is_served() {
    let server = Running::in_memory(server(small));
    let mut client = server.client().await;
    let [first, last] = ["a".repeat(600), "b".repeat(400)];
    client.sends(&frame(0x01, first.as_bytes())).await;
    client.sends(&frame(0x80, last.as_bytes())).await;
    assert_eq!(client.hears_text().await, first + &last);
    // A character may be cut in two where a message is.
    client
        .sends(&[frame(0x01, b"\xc3"), frame(0x80, b"\xa9")].concat())
        .await;
    assert_eq!(client.hears_text().await, "é");
    client.sends(&text_frame("")).await;
    assert_eq!(client.hears_text().await, "");
}

#[tokio::test(start_paused = true)]
async fn s12_a_frame_that_comes_byte_by_byte_is_a_frame() {
    let server = Running::in_memory(server(|it| it.limits.ping_interval = Duration::ZERO));
    let mut client = server.client().await;
    for byte in text_frame("hello") {
        client.sends(&[byte]).await;
        sleep(secs(20)).await;
    }
    assert_eq!(client.hears_text().await, "hello");
}

#[tokio::test]
async fn s12_the_close_that_answers_a_fault_arrives_although_the_client_goes_on_sending() {
    let server = Running::on_tcp(server(small)).await;
    let mut client = happens(server.client()).await;
    let flood = frame(0x82, &[0; 60_000]).repeat(3);
    happens(client.sends(&flood)).await;
    assert_eq!(happens(client.is_closed()).await.0, 1009);
}

#[tokio::test(start_paused = true)]
async fn s12_each_address_has_its_own_count() {
    let (server, mut hand) = Running::early(|it| it.limits.max_connections_per_ip = 2);
    let from = |last| {
        let stream = server.network.connect_from([10, 0, 0, last].into());
        Asked::with(stream, upgrade("/ws", &[]))
    };
    let first = from(1).await;
    let second = from(1).await;
    let refused = from(1).await.answer().await;
    assert_eq!(
        (refused.status, refused.reason().as_str()),
        (503, "connection_limit")
    );
    let elsewhere = from(2).await;
    server.holds(3).await;
    hand.finish(Phase::Services);
    let mut first = first.client().await;
    for mut client in [second.client().await, elsewhere.client().await] {
        client.is_echoed("hello").await;
    }
    // Those two have left by now, this one has not.
    first.is_echoed("hello").await;
    server.shows("/connections/live", 1).await;
    from(1).await.client().await.is_echoed("hello").await;
}

#[tokio::test(start_paused = true)]
async fn s12_the_limit_of_connections_holds_through_many_comings_and_goings() {
    let server = Running::in_memory(server(|it| {
        it.limits.max_connections = 3;
        it.limits.max_connections_per_ip = 3;
    }));
    for _ in 0..50 {
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(server.client().await);
        }
        for _ in 0..3 {
            assert_eq!(server.dial().await.answer().await.status, 503);
        }
        for client in &mut clients {
            client.is_echoed("hello").await;
        }
        drop(clients);
        server.shows("/connections/live", 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s12_only_the_origins_that_are_listed_may_connect() {
    let server = Running::in_memory(server(|it| {
        it.limits.origins = vec![
            "https://example.com".to_owned(),
            "https://b.test".to_owned(),
        ];
    }));
    for origin in [
        "https://example.com",
        "HTTPS://Example.com",
        "https://b.test",
    ] {
        let client = server
            .ask(upgrade("/ws", &[("Origin", origin)]))
            .await
            .client()
            .await;
        { client }.is_echoed("hello").await;
    }
    for fields in [
        &[("Origin", "https://example.com.evil.test")][..],
        &[("Origin", "http://example.com")],
        &[("Origin", "null")],
        &[],
    ] {
        let answer = server.ask(upgrade("/ws", fields)).await.answer().await;
        assert_eq!((answer.status, answer.reason().as_str()), (403, "origin"));
    }
}
