//! No closed port between two versions: the successor has the listener before the old one drains.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use conformance_tests::binary::WsServer;
use conformance_tests::servers::Port;
use conformance_tests::wire::{Frame, Wire};
use nix::sys::signal::Signal;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::waits_for;

fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

#[derive(Default)]
struct Seen {
    echoed: AtomicUsize,
    told_to_come_again: AtomicUsize,
}

/// Connects once and asks to be served. Panics if it is refused or reset.
async fn comes(address: SocketAddr, seen: Arc<Seen>) {
    let mut wire = Wire::open(address).await;
    wire.text("hello").await;
    match wire.frame().await {
        Frame::Text(text) if text == "hello" => {
            seen.echoed.fetch_add(1, Ordering::Relaxed);
        }
        // The old one had just taken it in when its turn came.
        Frame::Close(1001, _) => {
            seen.told_to_come_again.fetch_add(1, Ordering::Relaxed);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn s9_nobody_who_connects_between_two_versions_is_refused_or_reset() {
    let listener = listener();
    let address = listener.local_addr().expect("it is bound");
    let mut version = WsServer::new().start_inheriting(&listener).await;
    version.until_says("gate open").await;

    let (seen, is_over) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let coming = tokio::spawn({
        let (seen, is_over) = (Arc::clone(&seen), Arc::clone(&is_over));
        async move {
            let mut clients = JoinSet::new();
            while !is_over.load(Ordering::Relaxed) {
                clients.spawn(comes(address, Arc::clone(&seen)));
                sleep(Duration::from_millis(2)).await;
            }
            let came = clients.len();
            clients.join_all().await;
            came
        }
    });
    for _ in 0..3 {
        let served = seen.echoed.load(Ordering::Relaxed);
        while seen.echoed.load(Ordering::Relaxed) < served + 50 {
            sleep(Duration::from_millis(5)).await;
        }
        // It need not have come far: it has the listener.
        let next = WsServer::new().start_inheriting(&listener).await;
        let old = std::mem::replace(&mut version, next);
        old.signal(Signal::SIGTERM);
        assert_eq!(old.end().await.code, Some(0));
    }
    is_over.store(true, Ordering::Relaxed);
    let came = coming.await.expect("nobody is refused or reset");
    let echoed = seen.echoed.load(Ordering::Relaxed);
    let again = seen.told_to_come_again.load(Ordering::Relaxed);
    eprintln!("{came} came: {echoed} were served, {again} closed with 1001 before they were");
    assert_eq!(echoed + again, came);
}

#[tokio::test]
async fn s9_early_clients_wait_for_the_successor_that_is_starting() {
    let (listener, port) = (listener(), Port::reserve());
    let address = listener.local_addr().expect("it is bound");
    let old = WsServer::new().start_inheriting(&listener).await;
    old.until_says("gate open").await;
    let next = WsServer::with(waits_for(&port))
        .start_inheriting(&listener)
        .await;
    old.signal(Signal::SIGTERM);
    assert_eq!(old.end().await.code, Some(0));
    let mut held = Wire::upgrading(address).await;
    next.until_held(1).await;
    let _open = port.open();
    held.opened().await;
    held.echoes("served by the successor").await;
}

#[tokio::test]
async fn s9_an_inherited_listener_is_taken_instead_of_the_one_that_is_set() {
    let (listener, other) = (listener(), Port::reserve());
    let set = other.address().to_string();
    let server = WsServer::new().arguments(["--listen", &set]);
    let server = server.start_inheriting(&listener).await;
    server.until_says("server.listen is ignored").await;
    let mut client = Wire::open(server.address()).await;
    client.echoes("hello").await;
    // Nobody listens where it was told to.
    let refused = tokio::net::TcpStream::connect(other.address()).await;
    assert!(refused.is_err(), "{refused:?}");
    server.signal(Signal::SIGTERM);
    assert!(matches!(client.rest().await[..], [Frame::Close(1001, _)]));
    assert_eq!(server.end().await.code, Some(0));
}

#[tokio::test]
async fn s9_a_listener_for_another_process_is_left_alone() {
    let server = WsServer::new()
        .variable("LISTEN_FDS", "1")
        .variable("LISTEN_PID", "1");
    let server = server.start().await;
    Wire::open(server.address()).await.echoes("hello").await;
}

#[tokio::test]
async fn s9_what_was_passed_and_is_no_listener_is_said_so() {
    for (count, says) in [("1", "cannot be listened on"), ("2", "2 sockets")] {
        let server = WsServer::new().variable("LISTEN_FDS", count);
        let ended = server.finish().await;
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
}
