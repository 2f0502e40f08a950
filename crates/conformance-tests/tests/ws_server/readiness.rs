//! Readiness, lost and regained, as clients of the server meet it; and a guard that gives up waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use conformance_tests::network::Memory;
use readiness_guard::ReadinessCheck;
use startup_phases::Phase;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use ws_server::settings::{HoldMode, Settings};

use super::*;

/// Something the server depends on, which a test switches on and off.
#[derive(Clone, Default)]
struct Upstream(Arc<AtomicBool>);

impl Upstream {
    fn is(&self, there: bool) {
        self.0.store(there, Ordering::Relaxed);
    }

    fn check(&self) -> ReadinessCheck {
        let Self(there) = self.clone();
        ReadinessCheck::new("upstream", move || {
            let there = there.load(Ordering::Relaxed);
            async move { if there { Ok(()) } else { Err("not there") } }
        })
    }
}

/// A server without a startup of its own that follows its upstream.
fn following(upstream: &Upstream, change: impl FnOnce(&mut Settings)) -> Running<Memory> {
    let check = upstream.check().after_startup();
    Running::in_memory(server(change).readiness_check(check))
}

async fn is_ready(server: &Running<Memory>) -> bool {
    let answer = server.get("/readyz").await;
    let ready = answer.status == 200;
    assert_eq!(answer.json()["ready"], ready);
    assert_eq!(server.status().await["readiness"]["ready"], ready);
    assert_eq!(server.status().await["queue"]["open"], ready);
    ready
}

#[tokio::test(start_paused = true)]
async fn g9_s2_a_check_that_says_no_keeps_the_gate_closed_until_the_next_look() {
    let upstream = Upstream::default();
    let server = following(&upstream, |_| {});
    let held = server.held().await;
    sleep(ms(12_345)).await;
    assert!(!is_ready(&server).await);
    let answer = server.get("/readyz").await.json();
    assert_eq!(answer["reason"], "check_failed");
    let failed = &server.status().await["readiness"]["failed_checks"][0];
    assert_eq!(
        (&failed["name"], &failed["error"]),
        (&"upstream".into(), &"not there".into())
    );

    upstream.is(true);
    let served = when(async { held.client().await.is_echoed("hello").await }).await;
    assert!(served <= ms(100), "{served:?}");
    assert!(is_ready(&server).await);
}

#[tokio::test(start_paused = true)]
async fn q8_s3_readiness_lost_and_regained_closes_and_opens_the_gate_any_number_of_times() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let upstream = Upstream::default();
        upstream.is(true);
        let server = following(&upstream, |it| {
            it.queue.hold = hold;
            it.limits.ping_interval = Duration::ZERO;
        });
        let mut lives_on = server.client().await;
        for turn in 1..=5 {
            upstream.is(false);
            sleep(ms(100)).await;
            assert!(!is_ready(&server).await);
            let held = [server.held().await, server.held().await];
            sleep(secs(7)).await;
            // Who has been admitted stays.
            lives_on.is_echoed("still here").await;

            upstream.is(true);
            sleep(ms(100)).await;
            assert!(is_ready(&server).await);
            for held in held {
                held.client().await.is_echoed("hello").await;
            }
            server.client().await.is_echoed("hello").await;
            let queue = &server.status().await["queue"];
            assert_eq!(
                (&queue["size"], &queue["admitted"]),
                (&0.into(), &(1 + 3 * turn).into())
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g8_s2_what_a_check_said_before_the_phase_was_reached_opens_nothing() {
    // It says yes when `services` is reached, and no when the gate could open.
    let upstream = Upstream::default();
    upstream.is(true);
    let (startup, mut hand) = by_hand([Phase::Services, Phase::Websocket]);
    let builder = server(|_| {}).startup(startup.build().unwrap());
    let server = Running::in_memory(builder.readiness_check(upstream.check()));
    let mut held = server.held().await;
    hand.finish(Phase::Services);
    sleep(ms(500)).await;
    upstream.is(false);
    sleep(ms(500)).await;
    hand.finish(Phase::Websocket);
    sleep(ms(500)).await;
    held.is_unanswered();
    assert!(!is_ready(&server).await);
    upstream.is(true);
    held.client().await.is_echoed("hello").await;
}

#[tokio::test(start_paused = true)]
async fn s2_the_guard_waits_again_after_each_verdict_and_refuses_nobody_by_itself() {
    let (startup, mut hand) = by_hand([Phase::Init]);
    let builder = server(|it| {
        it.guard.timeout = Some(secs(1));
        it.queue.max_wait = secs(3600);
    });
    let server = Running::in_memory(builder.startup(startup.build().unwrap()));
    let mut held = server.held().await;
    for _ in 0..60 {
        sleep(secs(10)).await;
        held.is_unanswered();
        // The last verdict is what is told as the reason.
        assert_eq!(server.get("/readyz").await.reason(), "phase_timeout");
    }
    hand.finish(Phase::Init);
    let served = when(async { held.client().await.is_echoed("hello").await }).await;
    assert_eq!(served, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn s5_a_check_that_fails_at_the_release_is_no_1011() {
    // The trap: a client was released, a check said no, and the client was closed with 1011.
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let upstream = Upstream::default();
        let (startup, mut hand) = by_hand([Phase::Services]);
        let builder = server(|it| it.queue.hold = hold).startup(startup.build().unwrap());
        let server = Running::in_memory(builder.readiness_check(upstream.check().after_startup()));
        let held = server.held().await;
        hand.finish(Phase::Services);
        sleep(secs(1)).await;
        // Open for one look, and closed again.
        upstream.is(true);
        sleep(ms(100)).await;
        upstream.is(false);
        let mut client = held.client().await;
        sleep(secs(1)).await;
        client.is_echoed("served all the same").await;

        // The next one waits, and is told to come again when its time is over.
        let mut late = server.held().await;
        sleep(secs(29)).await;
        match hold {
            HoldMode::Upgrade => assert_eq!(late.answer().await.reason(), "hold_expired"),
            HoldMode::Frames => assert_eq!(late.client().await.is_closed().await.0, 1013),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s2_a_paced_release_is_ready_and_newcomers_queue_behind() {
    let (server, mut hand) = Running::early(|it| it.queue.release_per_second = 10);
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(server.held().await);
    }
    hand.finish(Phase::Services);
    let begun = Instant::now();
    assert!(is_ready(&server).await);
    let newcomer = server.dial().await;
    for (number, held) in (0..).zip(held) {
        held.client().await.is_echoed("hello").await;
        assert!(begun.elapsed() >= ms(100 * number), "{:?}", begun.elapsed());
    }
    newcomer.client().await.is_echoed("hello").await;
    assert!(
        begun.elapsed() >= ms(900) && begun.elapsed() <= ms(1100),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn g8_s8_a_bypass_opens_at_once_shows_in_the_status_and_does_not_outlive_a_failure() {
    let (server, mut hand) = Running::early(|it| it.guard.bypass = true);
    let mut client = server.client().await;
    client.is_echoed("hello").await;
    assert_eq!(server.status().await["readiness"]["bypassed"], true);
    hand.fail(Phase::Services, "out of order");
    assert_eq!(client.is_closed().await.0, 1001);
    assert_eq!(
        server.dial().await.answer().await.reason(),
        "startup_failed"
    );
    assert!(server.end().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn g7_one_guard_looks_whatever_the_number_of_clients() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let check = ReadinessCheck::new("upstream", move || {
        count.fetch_add(1, Ordering::Relaxed);
        async { Err::<(), _>("not there") }
    });
    let builder = server(|it| it.queue.max_size = 500).readiness_check(check);
    let server = Running::in_memory(builder);
    let mut held = Vec::new();
    for _ in 0..500 {
        held.push(server.dial().await);
    }
    server.holds(500).await;
    let before = asked.load(Ordering::Relaxed);
    sleep(secs(10)).await;
    let looks = asked.load(Ordering::Relaxed) - before;
    assert!((99..=102).contains(&looks), "{looks}");
}

async fn opens(server: &Running<Memory>, open: bool) {
    for _ in 0..1_000 {
        if server.status().await["queue"]["open"] == open {
            return;
        }
    }
    panic!("the gate does not turn");
}

#[tokio::test(start_paused = true)]
async fn s2_q8_a_signal_closes_and_opens_the_gate_at_that_moment() {
    let (signal, holds) = watch::channel(true);
    let server = Running::in_memory(server(|_| {}).readiness_signal("upstream", holds));
    let mut clients = vec![server.client().await];
    // Off the grid of the looks.
    sleep(ms(12_345)).await;
    let began = Instant::now();
    for _ in 0..5 {
        signal.send_replace(false);
        opens(&server, false).await;
        let held = server.held().await;
        assert!(!is_ready(&server).await);
        signal.send_replace(true);
        clients.push(held.client().await);
        assert!(is_ready(&server).await);
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    // Nobody is left who could say otherwise.
    drop(signal);
    sleep(ms(12_345)).await;
    assert!(is_ready(&server).await);
}

#[tokio::test(start_paused = true)]
async fn s2_g8_whatever_a_signal_sends_has_the_guard_look_at_that_moment() {
    let upstream = Upstream::default();
    let (signal, holds) = watch::channel(true);
    let builder = server(|_| {}).readiness_check(upstream.check());
    let server = Running::in_memory(builder.readiness_signal("signal", holds));
    let held = server.held().await;
    sleep(ms(12_345)).await;
    signal.send_replace(true);
    sleep(ms(1)).await;
    assert!(!is_ready(&server).await, "it looks, and believes nothing");
    let told = Instant::now();
    upstream.is(true);
    signal.send_replace(true);
    held.client().await;
    assert_eq!(told.elapsed(), Duration::ZERO);
}
