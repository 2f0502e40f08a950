//! The first implementation: whom it queued it never served, and whom it released it closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conformance_tests::client::{text_frame, upgrade};
use conformance_tests::running::{Running, number, server};
use conformance_tests::startup::by_hand;
use readiness_guard::ReadinessCheck;
use startup_phases::Phase;
use tokio::time::{Instant, sleep};
use ws_server::settings::HoldMode;
use ws_server::{Closed, Connection};

use super::ms;

/// A whole queue of them, and nobody has gone when startup completes: each is served, beginning
/// with what it said while it was held.
#[tokio::test(start_paused = true)]
async fn q1_s3_a_full_queue_is_served_to_the_last_client() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let (server, mut hand) = Running::early(|it| it.queue.hold = hold);
        let mut held = Vec::new();
        for number in 0..50 {
            let early = text_frame(&format!("early {number}"));
            let request = [upgrade("/ws", &[]).into_bytes(), early].concat();
            held.push(server.ask(request).await);
            server.holds(number + 1).await;
        }
        sleep(ms(7_777)).await;
        server.holds(50).await;
        hand.finish(Phase::Services);
        let mut served = Vec::new();
        for (number, held) in held.into_iter().enumerate() {
            let mut client = held.client().await;
            assert_eq!(client.hears_text().await, format!("early {number}"));
            client.is_echoed("and still there").await;
            served.push(client);
        }
        let status = server.status().await;
        let figures = ["/queue/entered", "/queue/admitted", "/connections/live"];
        assert_eq!(figures.map(|it| number(&status, it)), [50; 3], "{status:#}");
    }
}

/// Everyone is admitted at the moment of the release, however long those before them take.
#[tokio::test(start_paused = true)]
async fn s3_q5_nobody_waits_for_the_work_of_those_released_before() {
    let (startup, mut hand) = by_hand([Phase::Services]);
    let slow = |mut connection: Connection| async move {
        sleep(Duration::from_secs(8)).await;
        connection.send("at last").await?;
        while connection.recv().await.is_some() {}
        Ok::<_, Closed>(())
    };
    let builder = server(|_| {}).startup(startup.build().expect("one step"));
    let server = Running::in_memory(builder.handler(slow));
    let mut held = Vec::new();
    for _ in 0..50 {
        held.push(server.held().await);
    }
    hand.finish(Phase::Services);
    let released = Instant::now();
    let mut clients = Vec::new();
    for held in held {
        clients.push(held.client().await);
    }
    assert_eq!(released.elapsed(), Duration::ZERO);
    for mut client in clients {
        assert_eq!(client.hears_text().await, "at last");
    }
    assert_eq!(released.elapsed(), Duration::from_secs(8));
}

/// Startup completes, and at that very moment a check says no.
#[tokio::test(start_paused = true)]
async fn s5_g9_a_check_that_fails_at_the_release_closes_nobody() {
    let there = Arc::new(AtomicBool::new(false));
    let check = ReadinessCheck::new("upstream", {
        let there = Arc::clone(&there);
        move || {
            let there = there.load(Ordering::Relaxed);
            async move { if there { Ok(()) } else { Err("gone") } }
        }
    });
    let (startup, mut hand) = by_hand([Phase::Services]);
    let builder = server(|it| it.queue.hold = HoldMode::Frames)
        .startup(startup.build().expect("one step"))
        .readiness_check(check);
    let server = Running::in_memory(builder);
    let mut stays = server.held().await.client().await;
    let leaves_late = server.held().await.client().await;
    sleep(ms(4_321)).await;
    let mut came_late = server.held().await.client().await;
    hand.finish(Phase::Services);
    sleep(Duration::from_secs(20)).await;
    stays.hears_nothing();
    came_late.hears_nothing();

    // Who has no time left is told to try again; the others are served once all is well.
    drop(stays);
    assert_eq!(leaves_late.is_closed().await.0, 1013);
    there.store(true, Ordering::Relaxed);
    came_late.is_echoed("hello").await;
    let status = server.status().await;
    let ends = ["/queue/admitted", "/queue/expired", "/queue/abandoned"];
    assert_eq!(ends.map(|it| number(&status, it)), [1; 3], "{status:#}");
}
