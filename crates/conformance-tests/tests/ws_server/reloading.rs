//! O8: Q5 and S12 in a server at work: another pace, other limits.

use conformance_tests::client::text_frame;
use startup_phases::Phase;
use tokio::time::sleep_until;

use super::*;

#[tokio::test(start_paused = true)]
async fn q5_o8_another_pace_holds_in_the_middle_of_a_release() {
    let (server, mut hand) = Running::early(|it| it.queue.release_per_second = 1);
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(server.held().await);
    }
    let opened = Instant::now();
    hand.finish(Phase::Services);
    let mut held = held.into_iter();
    for seconds in 0..2 {
        held.next().expect("five").client().await;
        assert_eq!(opened.elapsed(), secs(seconds));
    }
    sleep_until(opened + ms(1500)).await;
    server.reload(|_| {});
    for held in held {
        held.client().await.is_echoed("hello").await;
        assert_eq!(opened.elapsed(), ms(1500));
    }
}

#[tokio::test(start_paused = true)]
async fn s12_o8_new_limits_are_for_those_who_come_then_and_those_who_are_served_keep_theirs() {
    let server = Running::in_memory(server(|it| it.limits.max_message_size = 2000));
    let mut before = server.client().await;
    let [large, small] = [1500, 500].map(|length| "x".repeat(length));
    before.is_echoed(&large).await;
    server.reload(|it| it.limits.max_message_size = 1000);
    before.is_echoed(&large).await;
    let mut after = server.client().await;
    after.is_echoed(&small).await;
    after.sends(&text_frame(&large)).await;
    assert_eq!(after.is_closed().await.0, 1009);
}

#[tokio::test(start_paused = true)]
async fn s12_o8_who_is_held_is_admitted_with_the_limits_of_that_moment() {
    let (server, mut hand) = Running::early(|_| {});
    let held = server.held().await;
    server.reload(|it| it.limits.ping_interval = secs(7));
    hand.finish(Phase::Services);
    let mut client = held.client().await;
    let admitted = Instant::now();
    assert!(client.hears().await.is_ping());
    assert_eq!(admitted.elapsed(), secs(7));
}

#[tokio::test(start_paused = true)]
async fn s12_o8_how_many_there_may_be_is_changed_at_once_and_closes_nobody() {
    let server = Running::in_memory(server(|it| it.limits.max_connections = 2));
    let mut clients = vec![server.client().await, server.client().await];
    let refusal = server.dial().await.answer().await;
    assert_eq!(refusal.reason(), "connection_limit");
    server.reload(|it| it.limits.max_connections = 3);
    clients.push(server.client().await);
    server.reload(|it| it.limits.max_connections = 1);
    for client in &mut clients {
        client.is_echoed("hello").await;
    }
    clients.truncate(1);
    server.shows("/connections/live", 1).await;
    let refusal = server.dial().await.answer().await;
    assert_eq!(refusal.reason(), "connection_limit");
    // Those who are there count for a limit that there was not when they came.
    server.reload(|it| it.limits.max_connections_per_ip = 1);
    let refusal = server.dial().await.answer().await;
    assert_eq!(refusal.reason(), "connection_limit");
}

#[tokio::test(start_paused = true)]
async fn s6_s12_o8_the_time_for_a_handshake_and_the_origins_are_those_in_effect() {
    let server = Running::in_memory(server(|_| {}));
    server.reload(|it| {
        it.limits.handshake_timeout = secs(1);
        it.limits.origins = vec!["https://example.com".to_owned()];
    });
    let begun = Instant::now();
    assert_eq!(server.ask("GET").await.answer().await.status, 408);
    assert_eq!(begun.elapsed(), secs(1));
    assert_eq!(server.dial().await.answer().await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn s12_o8_a_reload_of_a_server_that_has_ended_does_nothing() {
    let mut server = Running::in_memory(server(|_| {}));
    drop(server.client().await);
    server.stop();
    while !server.has_ended() {
        tokio::time::sleep(ms(100)).await;
    }
    server.reload(|it| it.limits.max_connections = 1);
}
