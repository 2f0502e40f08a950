//! X2: not ready means held.

use conformance_tests::client::upgrade;
use conformance_tests::happens;
use conformance_tests::servers::Port;
use tokio::task::JoinSet;

use super::upstream::Upstream;
use super::{as_it_is, in_front_of, ms};

const CLIENTS: usize = 20;

#[tokio::test]
async fn x2_q1_clients_that_come_before_the_upstream_are_served_by_it() {
    let port = Port::reserve();
    let server = in_front_of(&port, as_it_is).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(server.held().await);
    }
    let mut upstream = Upstream::on(&port);
    let mut asked = Vec::new();
    for _ in 0..CLIENTS {
        asked.push(upstream.opens().await);
    }
    for client in clients {
        client.client().await.hears_nothing();
    }
    server.shows("/queue/admitted", CLIENTS as u64).await;
    server.shows("/connections/total", CLIENTS as u64).await;
}

#[tokio::test]
async fn x2_an_upstream_that_drops_a_request_gets_it_again() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    for target in ["/ended", "/reset", "/half"] {
        let mut client = server.ask(upgrade(target, &[])).await;
        let mut asked = upstream.asked().await;
        match target {
            "/ended" => drop(asked),
            "/reset" => asked.reset(),
            _ => {
                asked.sends("HTTP/1.1 101 Switch").await;
                drop(asked);
            }
        }
        let mut again = upstream.asked().await;
        assert_eq!(again.line(), format!("GET {target} HTTP/1.1"));
        client.is_unanswered();
        again.opens("").await;
        client.client().await.hears_nothing();
    }
    server.shows("/queue/admitted", 3).await;
    server.shows("/queue/entered", 3).await;
}

#[tokio::test]
async fn x2_q6_an_upstream_that_drops_every_request_costs_a_client_no_more_than_its_one_limit() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, |it| {
        it.queue.max_wait = ms(600);
        it.guard.interval = ms(100);
    })
    .await;
    let mut client = server.dial().await;
    let dropping = async {
        let mut dropped = 0;
        loop {
            drop(upstream.asked().await);
            dropped += 1;
            assert!(dropped <= 10, "it spins");
        }
    };
    let answer = tokio::select! {
        answer = client.answer() => answer,
        () = dropping => unreachable!(),
    };
    assert_eq!((answer.status, &*answer.reason()), (503, "hold_expired"));
    server.shows("/queue/expired", 1).await;
}

/// Whoever was admitted and is refused is held again, first, behind a gate that is closed at once.
#[tokio::test]
async fn x2_q8_a_refused_connection_closes_the_gate_for_all() {
    let port = Port::reserve();
    let upstream = Upstream::on(&port);
    // It would not find out by itself within this test.
    let server = in_front_of(&port, |it| it.guard.interval = ms(3_600_000)).await;
    happens("open", async { while !is_open(&server).await {} }).await;
    upstream.goes().await;
    let mut client = server.held().await;
    assert!(!is_open(&server).await);
    let mut next = server.held().await;
    client.is_unanswered();
    next.is_unanswered();
}

async fn is_open(server: &conformance_tests::running::Running<std::net::SocketAddr>) -> bool {
    server.status().await["queue"]["open"] == true
}

#[tokio::test]
async fn x2_q5_q10_refused_during_a_release_clients_keep_their_positions() {
    let port = Port::reserve();
    let server = in_front_of(&port, |it| it.queue.release_in_flight = 1).await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let request = upgrade(&format!("/{number}"), &[]);
        clients.push(server.ask(request).await);
        server.holds(number as u64 + 1).await;
    }
    let mut clients = clients.into_iter();
    for served in 0..CLIENTS {
        let first = format!("GET /{served} HTTP/1.1");
        if served % 4 == 0 {
            // It takes the first request and is gone, so that the client is refused when it asks again.
            let mut upstream = Upstream::on(&port);
            let asked = upstream.asked().await;
            assert_eq!(asked.line(), first);
            upstream.goes().await;
            asked.reset();
        }
        let mut upstream = Upstream::on(&port);
        let mut asked = upstream.asked().await;
        assert_eq!(asked.line(), first);
        asked.opens("").await;
        let client = clients.next().expect("one for each request");
        client.client().await;
        upstream.goes().await;
    }
    server.shows("/queue/admitted", CLIENTS as u64).await;
    server.shows("/queue/entered", CLIENTS as u64).await;
}

/// Up, down and up again within one interval, many times, under clients that come all the while.
#[tokio::test]
async fn x2_q8_an_upstream_that_flaps_loses_nobody_and_is_not_stormed() {
    const TURNS: usize = 15;
    let port = Port::reserve();
    let server = in_front_of(&port, |it| it.queue.max_size = 1000).await;
    let mut clients = JoinSet::new();
    let (mut answered, mut connections) = (0, 0);
    for _ in 0..TURNS {
        for _ in 0..CLIENTS {
            let client = server.dial().await;
            clients.spawn(async move { client.client().await });
        }
        let mut upstream = Upstream::on(&port);
        // Gone again as soon as it has answered one: who is on the way meanwhile is dropped.
        let mut asked = upstream.asked().await;
        asked.opens("").await;
        answered += 1;
        drop(asked);
        connections += upstream.connections();
        upstream.goes().await;
    }
    let mut upstream = Upstream::on(&port);
    let mut kept = Vec::new();
    let all = async {
        while !clients.is_empty() {
            tokio::select! {
                asked = upstream.opens() => kept.push(asked),
                Some(client) = clients.join_next() => drop(client.expect("it is served")),
            }
        }
    };
    happens("all are served", all).await;
    let total = TURNS * CLIENTS;
    server.shows("/queue/admitted", total as u64).await;
    server.shows("/queue/entered", total as u64).await;
    // Each time it comes, all who are held may ask once, and once more after one interval.
    let most = (1..=TURNS).map(|turn| turn * CLIENTS).sum::<usize>() * 2;
    assert!(
        connections <= most,
        "{connections} connections for {answered}"
    );
}
