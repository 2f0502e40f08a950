//! S2 and S3: the gate opens at the event, and who was held is served like anybody else.

use conformance_tests::client::{text_frame, upgrade};
use startup_phases::{Phase, Sequence, Step};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use ws_server::settings::HoldMode;
use ws_server::{Closed, Connection};

use super::*;

#[tokio::test(start_paused = true)]
async fn s2_the_gate_opens_at_the_moment_the_websocket_phase_is_reached() {
    // No multiple of the interval, and long after the guard's first wait has ended.
    for (held_for, hold) in [
        (1, HoldMode::Upgrade),
        (51, HoldMode::Frames),
        (4_321, HoldMode::Upgrade),
        (7_777, HoldMode::Frames),
        (29_999, HoldMode::Upgrade),
    ] {
        let (startup, mut hand) = by_hand([Phase::Websocket]);
        let builder = server(|it| it.queue.hold = hold).startup(startup.build().unwrap());
        let server = Running::in_memory(builder);
        let held = server.held().await;
        sleep(ms(held_for)).await;
        hand.finish(Phase::Websocket);
        let served = when(async { held.client().await.is_echoed("hello").await }).await;
        assert_eq!(served, Duration::ZERO, "after {held_for} ms");
    }
}

#[tokio::test]
async fn s1_serve_binds_and_runs_until_it_is_told_to_stop() {
    let (began, has_begun) = oneshot::channel();
    let (stop, told) = oneshot::channel::<()>();
    let step = Step::new(Phase::Init, "begins", || async move {
        began.send(()).map_err(|()| "the test is over")
    });
    let startup = Sequence::builder().step(step).build().unwrap();
    let builder = server(|it| it.server.listen = ([127, 0, 0, 1], 0).into())
        .startup(startup)
        .stop_when(async { drop(told.await) });
    let serving = tokio::spawn(builder.serve());
    happens(has_begun).await.unwrap();
    assert!(!serving.is_finished());
    drop(stop);
    happens(serving).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_phase_that_is_entered_opens_nothing() {
    let (startup, mut hand) = by_hand([Phase::Services, Phase::Websocket]);
    let server = Running::in_memory(server(|_| {}).startup(startup.build().unwrap()));
    let mut held = server.held().await;
    hand.finish(Phase::Services);
    sleep(secs(9)).await;
    assert_eq!(server.status().await["startup"]["phase"], "websocket");
    held.is_unanswered();
    assert_eq!(server.get("/readyz").await.status, 503);
    hand.finish(Phase::Websocket);
    held.client().await.is_echoed("hello").await;
}

#[tokio::test(start_paused = true)]
async fn s2_open_after_decides_which_phase_opens() {
    for open_after in [Phase::Init, Phase::Cache, Phase::Services, Phase::Finalize] {
        let (startup, mut hand) = by_hand(Phase::ALL);
        let builder = server(|it| {
            it.startup.open_after = open_after;
            it.guard.minimum_phase = Phase::Init;
        });
        let server = Running::in_memory(builder.startup(startup.build().unwrap()));
        let mut held = server.held().await;
        for phase in Phase::ALL.into_iter().take_while(|it| *it <= open_after) {
            sleep(ms(130)).await;
            held.is_unanswered();
            hand.finish(phase);
        }
        let served = when(async { held.client().await.is_echoed("hello").await }).await;
        assert_eq!(served, Duration::ZERO, "{open_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn s2_a_minimum_phase_of_the_guard_that_is_later_opens_at_its_moment_too() {
    let (startup, mut hand) = by_hand([Phase::Services, Phase::Finalize]);
    let builder = server(|it| it.guard.minimum_phase = Phase::Finalize);
    let server = Running::in_memory(builder.startup(startup.build().unwrap()));
    let mut held = server.held().await;
    hand.finish(Phase::Services);
    sleep(ms(6_543)).await;
    held.is_unanswered();
    hand.finish(Phase::Finalize);
    let served = when(async { held.client().await.is_echoed("hello").await }).await;
    assert_eq!(served, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn s3_a_held_client_is_served_not_just_released() {
    // The trap: a connection that was queued, and of which nothing was left but its place.
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let (server, mut hand) = Running::early(|it| it.queue.hold = hold);
        let held = server.held().await;
        sleep(secs(5)).await;
        hand.finish(Phase::Services);
        let mut client = held.client().await;
        for text in ["first", "second", "third"] {
            client.is_echoed(text).await;
            sleep(secs(1)).await;
        }
        server.shows("/connections/live", 1).await;
        assert_eq!(server.status().await["queue"]["admitted"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn s3_time_held_counts_against_no_other_limit() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let (server, mut hand) = Running::early(|it| {
            it.queue.hold = hold;
            it.limits.handshake_timeout = ms(100);
            it.limits.idle_timeout = secs(10);
            it.limits.ping_interval = secs(4);
            it.limits.pong_timeout = secs(1);
        });
        let held = server.held().await;
        sleep(secs(29)).await;
        hand.finish(Phase::Services);
        let mut client = held.client().await;
        let first_ping = when(async {
            let heard = client.hears().await;
            assert!(heard.is_ping(), "{heard:?}");
        });
        assert_eq!(first_ping.await, secs(4));
        client.is_echoed("hello").await;
    }
}

#[tokio::test(start_paused = true)]
async fn s3_a_first_message_sent_with_the_request_is_answered() {
    let (server, mut hand) = Running::early(|_| {});
    let early = [upgrade("/ws", &[]).into_bytes(), text_frame("early")].concat();
    let held = server.ask(&early).await;
    server.holds(1).await;
    hand.finish(Phase::Services);
    assert_eq!(held.client().await.hears_text().await, "early");

    let through_the_open_gate = server.ask(&early).await;
    assert_eq!(
        through_the_open_gate.client().await.hears_text().await,
        "early"
    );
}

#[tokio::test(start_paused = true)]
async fn s3_a_request_that_comes_byte_by_byte_is_held_and_served() {
    let (server, mut hand) = Running::early(|_| {});
    let mut held = server.ask("").await;
    for byte in upgrade("/ws", &[]).bytes() {
        held.sends(&[byte]).await;
        sleep(ms(5)).await;
    }
    server.holds(1).await;
    hand.finish(Phase::Services);
    held.client().await.is_echoed("hello").await;
}

#[tokio::test]
async fn s3_200_held_are_served_in_order_of_arrival() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let (startup, mut hand) = by_hand([Phase::Services]);
        let (tell, mut order) = mpsc::unbounded_channel();
        let builder = server(|it| {
            it.queue.max_size = 200;
            it.queue.hold = hold;
        });
        let builder =
            builder
                .startup(startup.build().unwrap())
                .handler(move |mut connection: Connection| {
                    let number = connection.request().query().map(str::to_owned);
                    let _ = tell.send(number.unwrap().parse::<u64>().unwrap());
                    async move {
                        while let Some(message) = connection.recv().await {
                            connection.send(message).await?;
                        }
                        Ok::<_, Closed>(())
                    }
                });
        let server = Running::on_tcp(builder).await;
        let mut held = Vec::new();
        for number in 0..200 {
            held.push(server.ask(upgrade(&format!("/ws?{number}"), &[])).await);
            happens(server.holds(number + 1)).await;
        }
        hand.finish(Phase::Services);
        for (number, held) in (0..).zip(held) {
            assert_eq!(happens(order.recv()).await, Some(number));
            happens(async { held.client().await.is_echoed("hello").await }).await;
        }
    }
}
