//! Many clients at once, on several threads and real sockets: nobody is lost (S3, S5, S7).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use conformance_tests::client::{Asked, upgrade};
use conformance_tests::network::Net;
use conformance_tests::running::number;
use readiness_guard::ReadinessCheck;
use startup_phases::Phase;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use ws_server::settings::HoldMode;

use super::*;

async fn is_served(address: SocketAddr) {
    let asked = Asked::with(address.connect().await, upgrade("/ws", &[])).await;
    asked.client().await.is_echoed("hello").await;
}

async fn all_end(mut clients: JoinSet<()>) {
    happens(async {
        while let Some(ended) = clients.join_next().await {
            ended.expect("each is served");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_all_who_come_around_the_very_moment_of_the_opening_are_served() {
    for turn in 0..10 {
        let (server, mut hand) = Running::early_on_tcp(|it| {
            it.queue.max_size = 1000;
            it.queue.hold = [HoldMode::Upgrade, HoldMode::Frames][turn % 2];
        })
        .await;
        let mut clients = JoinSet::new();
        for number in 0..100 {
            if number == 30 {
                hand.finish(Phase::Services);
            }
            clients.spawn(is_served(server.network));
            yield_now().await;
        }
        all_end(clients).await;
        happens(server.shows("/connections/live", 0)).await;
        let status = server.status().await;
        assert_eq!(number(&status, "/queue/admitted"), 100, "{status:#}");
        assert_eq!(number(&status, "/queue/entered"), 100, "{status:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn q8_s3_all_are_served_although_the_gate_opens_and_closes_all_the_time() {
    let turns = Arc::new(AtomicUsize::new(0));
    let turn = Arc::clone(&turns);
    let check = ReadinessCheck::new("shaky", move || {
        // Two looks yes, two looks no.
        let yes = turn.fetch_add(1, Ordering::Relaxed) % 4 < 2;
        async move { if yes { Ok(()) } else { Err("not now") } }
    });
    let builder = server(|it| {
        it.guard.interval = ms(1);
        it.queue.max_size = 1000;
    });
    let server = Running::on_tcp(builder.readiness_check(check.after_startup())).await;
    let mut clients = JoinSet::new();
    for _ in 0..20 {
        let address = server.network;
        clients.spawn(async move {
            for _ in 0..25 {
                is_served(address).await;
            }
        });
    }
    all_end(clients).await;
    let status = server.status().await;
    assert_eq!(number(&status, "/queue/admitted"), 500, "{status:#}");
    assert_eq!(number(&status, "/queue/size"), 0, "{status:#}");
    assert!(turns.load(Ordering::Relaxed) > 4, "the gate never turned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s7_those_who_leave_during_the_release_take_nobody_with_them() {
    for _ in 0..5 {
        let (server, mut hand) = Running::early_on_tcp(|it| it.queue.max_size = 200).await;
        let mut stay = Vec::new();
        let mut leave = Vec::new();
        for _ in 0..100 {
            stay.push(server.dial().await);
            leave.push(server.dial().await);
        }
        happens(server.holds(200)).await;
        let leaving = tokio::spawn(async move {
            for held in leave {
                drop(held);
                yield_now().await;
            }
        });
        hand.finish(Phase::Services);
        for held in stay {
            happens(async { held.client().await.is_echoed("hello").await }).await;
        }
        leaving.await.unwrap();
        happens(server.holds(0)).await;
        happens(server.shows("/connections/live", 0)).await;
        let status = server.status().await;
        let ended = number(&status, "/queue/admitted") + number(&status, "/queue/abandoned");
        assert_eq!(
            (ended, number(&status, "/queue/entered")),
            (200, 200),
            "{status:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s5_all_who_are_held_at_a_stop_get_their_answer() {
    for _ in 0..5 {
        let (mut server, _hand) = Running::early_on_tcp(|it| it.queue.max_size = 100).await;
        let address = server.network;
        let mut clients = JoinSet::new();
        for _ in 0..100 {
            let mut held = server.dial().await;
            clients.spawn(async move {
                assert_eq!(held.answer().await.reason(), "draining");
                held.ends().await;
            });
        }
        happens(server.holds(100)).await;
        server.stop();
        happens(server.end()).await.unwrap();
        all_end(clients).await;
        // Nobody listens there any more.
        assert!(TcpStream::connect(address).await.is_err());
    }
}
