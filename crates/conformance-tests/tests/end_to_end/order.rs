//! Many clients, in order.

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::servers::Port;
use conformance_tests::wire::{Frame, Wire, frame};
use nix::sys::signal::Signal;
use tokio::task::JoinSet;

use super::{adds_up, waits_for};

const CLIENTS: usize = 200;

/// How many come before the first is served, each after the one before it is held; then the port
/// opens. Gives all that each saw on the wire, the handshake apart, in the order in which they got
/// their 101.
async fn cold_start(settings: &str) -> Vec<(usize, Vec<Frame>)> {
    let port = Port::reserve();
    let settings = format!("queue.max_size = 500\n{settings}\n{}", waits_for(&port));
    let server = WsServer::with(settings).start().await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(Wire::upgrading(server.address()).await);
        server.until_held(number + 1).await;
    }

    let (opened, mut order) = tokio::sync::mpsc::unbounded_channel();
    let mut served = JoinSet::new();
    for (number, mut wire) in clients.into_iter().enumerate() {
        let opened = opened.clone();
        served.spawn(async move {
            wire.opened().await;
            opened.send(number).expect("the test listens");
            wire.text(&format!("client {number}")).await;
            let echo = wire.frame().await;
            (number, wire, echo)
        });
    }
    drop(opened);
    let _open = port.open();
    let mut seen: Vec<_> = served.join_all().await;
    seen.sort_by_key(|(number, ..)| *number);
    all_were_admitted(&server).await;

    server.signal(Signal::SIGTERM);
    let mut frames = Vec::new();
    for (_, mut wire, echo) in seen {
        let rest = wire.rest().await;
        frames.push([vec![echo], rest].concat());
    }
    assert_eq!(server.end().await.code, Some(0));
    let mut in_order = Vec::new();
    while let Some(number) = order.recv().await {
        in_order.push((number, std::mem::take(&mut frames[number])));
    }
    in_order
}

async fn all_were_admitted(server: &Running) {
    let status = server.status().await;
    assert_eq!(adds_up(&status), CLIENTS as u64);
    assert_eq!(status["queue"]["admitted"], CLIENTS);
    assert_eq!(status["connections"]["live"], CLIENTS);
}

/// Its echo, and at the end 1001: nothing else was ever on the wire, least of all 1011.
fn was_served((number, frames): &(usize, Vec<Frame>)) {
    let [Frame::Text(echo), Frame::Close(1001, _)] = &frames[..] else {
        panic!("client {number} saw {frames:?}");
    };
    assert_eq!(*echo, format!("client {number}"));
}

#[tokio::test]
async fn q1_q9_s5_all_of_200_early_clients_get_their_echo_and_none_a_1011() {
    let served = cold_start("").await;
    assert_eq!(served.len(), CLIENTS);
    served.iter().for_each(was_served);
}

/// One at a time, so that the order on the wire is the order of admission and not of threads.
#[tokio::test]
async fn q5_200_early_clients_are_served_in_order_of_arrival() {
    let served = cold_start("queue.release_in_flight = 1").await;
    served.iter().for_each(was_served);
    let order: Vec<usize> = served.iter().map(|(number, _)| *number).collect();
    assert_eq!(order, (0..CLIENTS).collect::<Vec<_>>());
}

#[tokio::test]
async fn s4_what_200_clients_sent_while_held_is_answered_first() {
    let port = Port::reserve();
    let settings = format!(
        "queue = {{ max_size = 500, hold = \"frames\" }}\n{}",
        waits_for(&port)
    );
    let server = WsServer::with(settings).start().await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut wire = Wire::open(server.address()).await;
        wire.text(&format!("first of {number}")).await;
        // Its pong says that what came before it has been read, and is held.
        wire.send(&frame(0x9, b"held")).await;
        assert_eq!(wire.frame().await, Frame::Pong(b"held".into()));
        wire.text(&format!("second of {number}")).await;
        clients.push(wire);
    }
    assert_eq!(adds_up(&server.until_held(CLIENTS).await), CLIENTS as u64);

    let _open = port.open();
    for (number, wire) in clients.iter_mut().enumerate() {
        assert_eq!(
            wire.frame().await,
            Frame::Text(format!("first of {number}"))
        );
        assert_eq!(
            wire.frame().await,
            Frame::Text(format!("second of {number}"))
        );
        wire.echoes("after admission").await;
    }
    all_were_admitted(&server).await;
    server.signal(Signal::SIGTERM);
    for wire in &mut clients {
        assert!(matches!(wire.rest().await[..], [Frame::Close(1001, _)]));
    }
    assert_eq!(server.end().await.code, Some(0));
}
