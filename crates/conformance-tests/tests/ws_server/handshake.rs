//! S6: three seconds for a request, and no WebSocket for one that is not right.

use conformance_tests::client::{Asked, text_frame, upgrade};
use startup_phases::Phase;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use ws_server::Connection;
use ws_server::settings::HoldMode;

use super::*;

#[tokio::test(start_paused = true)]
async fn s6_half_a_head_is_cut_off_with_408_after_3_seconds() {
    let server = Running::in_memory(server(|_| {}));
    let head = upgrade("/ws", &[]);
    let begun = Instant::now();
    let mut slow = server.ask(&head[..head.len() - 2]).await;
    let answer = slow.answer().await;
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (408, "request_timeout")
    );
    assert_eq!(begun.elapsed(), secs(3));
    slow.ends().await;
}

#[tokio::test(start_paused = true)]
async fn s6_a_byte_now_and_then_prolongs_nothing() {
    let server = Running::in_memory(server(|it| it.limits.handshake_timeout = secs(2)));
    let begun = Instant::now();
    let mut slow = server.ask("G").await;
    let drip = async {
        for byte in upgrade("/ws", &[]).bytes().skip(1) {
            sleep(ms(100)).await;
            let _ = slow.stream().write_all(&[byte]).await;
            if begun.elapsed() >= secs(2) {
                break;
            }
        }
    };
    drip.await;
    assert_eq!(slow.answer().await.status, 408);
    assert_eq!(begun.elapsed(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn s6_who_says_nothing_is_let_go_without_a_word() {
    let server = Running::in_memory(server(|_| {}));
    let silent = server.ask("").await;
    assert_eq!(when(silent.ends()).await, secs(3));
}

#[tokio::test(start_paused = true)]
async fn s6_many_slow_senders_keep_nobody_else_from_being_served() {
    let server = Running::in_memory(server(|_| {}));
    let mut slow = Vec::new();
    for _ in 0..500 {
        slow.push(server.ask("GET /ws HT").await);
    }
    let served = when(async { server.client().await.is_echoed("hello").await });
    assert_eq!(served.await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn s6_what_is_no_request_is_told_so() {
    let server = Running::in_memory(server(|_| {}));
    let head = upgrade("/ws", &[]);
    let long = upgrade("/ws", &[("Cookie", &"c".repeat(17 * 1024))]);
    let many = upgrade("/ws", &[("a", "b"); 100]);
    for (request, status, reason) in [
        ("\x16\x03\x01\x02\x00 TLS", 400, "malformed_request"),
        ("hello there\r\n\r\n", 400, "malformed_request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http_version"),
        (&long, 431, "head_too_large"),
        (&many, 431, "too_many_fields"),
        (&head.replace("GET", "POST"), 405, "bad_handshake"),
        (
            &head.replace("Version: 13", "Version: 8"),
            426,
            "bad_handshake",
        ),
        (
            &head.replace("Connection: Upgrade", "Connection: close"),
            400,
            "bad_handshake",
        ),
        (
            &head.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"),
            400,
            "bad_handshake",
        ),
    ] {
        let mut asked = server.ask(request).await;
        let answer = asked.answer().await;
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (status, reason),
            "{request}"
        );
        asked.ends().await;
    }
    let version = head.replace("Version: 13", "Version: 8");
    let answer = server.ask(version).await.answer().await;
    assert_eq!(answer.field("sec-websocket-version"), Some("13"));
    assert_eq!(answer.field("upgrade"), Some("websocket"));
}

#[tokio::test(start_paused = true)]
async fn s6_a_bad_request_takes_no_place_and_is_answered_before_the_gate_opens() {
    let (server, _hand) = Running::early(|_| {});
    let bad = upgrade("/ws", &[]).replace("Version: 13", "Version: 8");
    assert_eq!(server.ask(bad).await.answer().await.status, 426);
    assert_eq!(server.status().await["queue"]["entered"], 0);
}

#[tokio::test(start_paused = true)]
async fn s6_fields_with_several_items_are_lists() {
    let server = Running::in_memory(server(|_| {}));
    for (plain, list) in [
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        (
            "Connection: Upgrade",
            "connection: keep-alive\r\nCONNECTION: foo , uPGRADE",
        ),
        ("Upgrade: websocket", "Upgrade: h2c, WebSocket"),
        (
            "Upgrade: websocket",
            "Upgrade: h2c\r\nUpgrade: websocket/13, websocket",
        ),
    ] {
        let request = upgrade("/ws", &[]).replace(plain, list);
        let client = server.ask(&request).await.client().await;
        { client }.is_echoed("hello").await;
    }
}

#[tokio::test(start_paused = true)]
async fn s6_no_frame_is_read_before_the_handshake_is_complete() {
    // A frame in place of a request is no frame.
    let server = Running::in_memory(server(|_| {}));
    let mut asked = server.ask(text_frame("hello")).await;
    assert_eq!(asked.answer().await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn s6_the_first_subprotocol_offered_is_chosen() {
    let server = Running::in_memory(server(|_| {}));
    for (offered, chosen) in [
        (&["chat, other"][..], Some("chat")),
        (&["other", "chat"][..], Some("other")),
        (&[" , chat"][..], Some("chat")),
        (&[][..], None),
    ] {
        let fields: Vec<_> = offered
            .iter()
            .map(|it| ("Sec-WebSocket-Protocol", *it))
            .collect();
        let (mut client, answer) = server.ask(upgrade("/ws", &fields)).await.chosen().await;
        assert_eq!(answer.field("sec-websocket-protocol"), chosen);
        client.is_echoed("hello").await;
    }
}

#[tokio::test(start_paused = true)]
async fn s6_a_server_may_choose_another_subprotocol_or_none() {
    let builder = server(|_| {}).subprotocol(|request| {
        let mut offered = request.subprotocols();
        offered.find(|it| *it == "v2").map(str::to_owned)
    });
    let server = Running::in_memory(builder);
    for (offered, chosen) in [("v1, v2", Some("v2")), ("v1", None)] {
        let request = upgrade("/ws", &[("Sec-WebSocket-Protocol", offered)]);
        let (_, answer) = server.ask(request).await.chosen().await;
        assert_eq!(answer.field("sec-websocket-protocol"), chosen);
    }
}

#[tokio::test(start_paused = true)]
async fn s6_the_path_and_its_query_are_the_handlers_to_see() {
    let (startup, mut hand) = by_hand([Phase::Services]);
    let builder = server(|it| it.server.path = "*".to_owned())
        .startup(startup.build().unwrap())
        .handler(|connection: Connection| async move {
            let request = connection.request();
            let seen = [
                request.path(),
                request.query().unwrap_or("-"),
                request.header("x-user").unwrap_or("-"),
            ];
            connection.send(seen.join(" ")).await
        });
    let server = Running::in_memory(builder);
    let held = server
        .ask(upgrade("/rooms/7?token=abc", &[("X-User", "ada")]))
        .await;
    server.holds(1).await;
    hand.finish(Phase::Services);
    assert_eq!(
        held.client().await.hears_text().await,
        "/rooms/7 token=abc ada"
    );
    let other = server.ask(upgrade("/", &[])).await.client().await;
    assert_eq!({ other }.hears_text().await, "/ - -");
}

#[tokio::test(start_paused = true)]
async fn s6_q5_who_does_not_take_its_101_keeps_a_paced_release_waiting_for_the_handshake_time_only()
{
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let (server, mut hand) = Running::early(|it| {
            it.queue.release_in_flight = 1;
            it.queue.hold = hold;
        });
        let stream = server.network.connect_through(64);
        let deaf = Asked::with(stream, upgrade("/ws", &[])).await;
        server.holds(1).await;
        let next = server.held().await;
        hand.finish(Phase::Services);
        let served = when(async { next.client().await.is_echoed("hello").await }).await;
        assert_eq!(served, secs(3), "{hold:?}");
        drop(deaf);
    }
}
