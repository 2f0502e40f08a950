//! S4: two ways to hold.

use conformance_tests::client::{Asked, frame, text_frame, upgrade};
use startup_phases::Phase;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use ws_server::settings::{HoldMode, Settings};
use ws_server::{Connection, Message};

use super::*;

fn frames(settings: &mut Settings) {
    settings.queue.hold = HoldMode::Frames;
}

#[tokio::test(start_paused = true)]
async fn s4_held_before_the_upgrade_a_client_hears_nothing_at_all() {
    let (server, mut hand) = Running::early(|_| {});
    let mut held = server.held().await;
    for _ in 0..29 {
        sleep(secs(1)).await;
        held.is_unanswered();
    }
    hand.finish(Phase::Services);
    held.client().await.is_echoed("hello").await;
}

#[tokio::test(start_paused = true)]
async fn s4_held_in_frames_a_client_has_its_websocket_at_once() {
    let (server, mut hand) = Running::early(frames);
    let mut client = server.dial().await.client().await;
    server.holds(1).await;
    client.pings("are you there?").await;
    let heard = client.hears().await;
    assert_eq!(
        (heard.is_pong(), heard.to_text().unwrap()),
        (true, "are you there?")
    );
    client.says("too early").await;
    sleep(secs(20)).await;
    client.hears_nothing();
    let status = server.status().await;
    assert_eq!(
        (&status["queue"]["size"], &status["connections"]["live"]),
        (&1.into(), &0.into())
    );

    hand.finish(Phase::Services);
    assert_eq!(client.hears_text().await, "too early");
    client.is_echoed("in time").await;
}

#[tokio::test(start_paused = true)]
async fn s4_held_in_frames_messages_are_kept_in_order_and_come_first() {
    let (server, mut hand) = Running::early(frames);
    let mut client = server.dial().await.client().await;
    let numbers = || (0..200).map(|number| number.to_string());
    for number in numbers() {
        client.says(&number).await;
        client.pings("now and then").await;
        assert!(client.hears().await.is_pong());
    }
    server.holds(1).await;
    client.says("last").await;
    hand.finish(Phase::Services);
    client.says("afterwards").await;
    for number in numbers() {
        assert_eq!(client.hears_text().await, number);
    }
    assert_eq!(client.hears_text().await, "last");
    assert_eq!(client.hears_text().await, "afterwards");
}

#[tokio::test(start_paused = true)]
async fn s4_a_message_in_pieces_may_begin_before_the_admission_and_end_after_it() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let (server, mut hand) = Running::early(|it| it.queue.hold = hold);
        let mut asked = server.ask(upgrade("/ws", &[])).await;
        let [first, second, last] = [
            frame(0x01, b"one "),
            frame(0x00, b"two "),
            frame(0x80, b"three"),
        ];
        // Cut in the middle of a frame, too.
        asked.sends(&[&first[..], &second[..5]].concat()).await;
        server.holds(1).await;
        hand.finish(Phase::Services);
        let mut client = asked.client().await;
        client.sends(&second[5..]).await;
        client.pings("between frames").await;
        assert!(client.hears().await.is_pong());
        client.sends(&last).await;
        assert_eq!(client.hears_text().await, "one two three");
    }
}

#[tokio::test(start_paused = true)]
async fn s4_held_in_frames_no_more_is_read_than_may_be_kept() {
    let (server, mut hand) = Running::early(|it| {
        frames(it);
        it.queue.max_held_bytes = 1000;
    });
    let window = 4096;
    let stream = server.network.connect_through(window);
    let mut client = Asked::with(stream, upgrade("/ws", &[]))
        .await
        .client()
        .await;
    server.holds(1).await;
    let message = text_frame(&"x".repeat(100));
    let mut taken = 0;
    // Until TCP, here the window, says stop.
    while let Ok(sent) = timeout(
        ms(1),
        client.stream().write(&message[taken % message.len()..]),
    )
    .await
    {
        taken += sent.unwrap();
        assert!(
            taken < 64 * 1024,
            "{taken} bytes were taken from a held client"
        );
    }
    let whole = taken / message.len();
    hand.finish(Phase::Services);
    client.sends(&message[taken % message.len()..]).await;
    for _ in 0..=whole {
        assert_eq!(client.hears_text().await.len(), 100);
    }
    client.is_echoed("and on").await;
}

#[tokio::test(start_paused = true)]
async fn s4_held_in_frames_empty_messages_find_an_end_too() {
    let (server, mut hand) = Running::early(frames);
    let stream = server.network.connect_through(4096);
    let mut client = Asked::with(stream, upgrade("/ws", &[]))
        .await
        .client()
        .await;
    server.holds(1).await;
    let empty = text_frame("").repeat(100);
    let mut messages = 0;
    while timeout(ms(1), client.stream().write_all(&empty))
        .await
        .is_ok()
    {
        messages += 100;
        assert!(messages < 100_000, "{messages} messages were kept");
    }
    hand.finish(Phase::Services);
    for _ in 0..messages {
        assert_eq!(client.hears_text().await, "");
    }
}

#[tokio::test]
async fn s4_back_pressure_on_a_held_client_is_tcps_own() {
    let (startup, mut hand) = by_hand([Phase::Services]);
    let counting = |mut connection: Connection| async move {
        let mut counted = 0;
        while let Some(Message::Binary(message)) = connection.recv().await {
            assert!(
                message
                    .iter()
                    .all(|byte| usize::from(*byte) == counted % 256)
            );
            counted += 1;
        }
        connection.send(counted.to_string()).await
    };
    let builder = server(frames)
        .startup(startup.build().unwrap())
        .handler(counting);
    let server = Running::on_tcp(builder).await;
    let mut client = server.dial().await.client().await;
    happens(server.holds(1)).await;
    let mut taken = 0;
    let mut messages = (0..).map(|number: usize| frame(0x82, &[(number % 256) as u8; 60_000]));
    // Until nothing moves: not one of both sides' buffers takes any more.
    let rest = 'full: loop {
        let message = messages.next().unwrap();
        let mut rest = &message[..];
        while !rest.is_empty() {
            let Ok(sent) = timeout(ms(200), client.stream().write(rest)).await else {
                break 'full rest.to_vec();
            };
            rest = &rest[sent.unwrap()..];
        }
        taken += 1;
        assert!(taken < 1000, "60 MB were taken from a held client");
    };
    hand.finish(Phase::Services);
    happens(client.sends(&rest)).await;
    client.says("how many?").await;
    assert_eq!(happens(client.hears_text()).await, (taken + 1).to_string());
}

#[tokio::test]
async fn s4_more_early_bytes_than_are_kept_lose_nothing() {
    let (server, mut hand) = Running::early_on_tcp(|_| {}).await;
    let mut asked = server.dial().await;
    let message = text_frame(&"y".repeat(9_999));
    // Three times the 64 KiB that are read ahead.
    let sent = message.repeat(20);
    asked.sends(&sent).await;
    happens(server.holds(1)).await;
    hand.finish(Phase::Services);
    let mut client = happens(asked.client()).await;
    for _ in 0..20 {
        assert_eq!(happens(client.hears_text()).await, "y".repeat(9_999));
    }
    happens(client.is_echoed("hello")).await;
}

#[tokio::test(start_paused = true)]
async fn s4_a_client_that_closes_while_held_in_frames_is_answered_and_gone() {
    let (server, _hand) = Running::early(frames);
    let mut client = server.dial().await.client().await;
    server.holds(1).await;
    client.says("never mind").await;
    client.says_goodbye(1000).await;
    assert_eq!(client.is_closed().await.0, 1000);
    server.holds(0).await;
    assert_eq!(server.status().await["queue"]["abandoned"], 1);
}
