//! The examples of the crates, each as a process, with clients over TCP.

use conformance_tests::examples::Example;
use conformance_tests::servers::Port;
use conformance_tests::wire::{Frame, UPGRADE, Wire};
use futures::future::join_all;

/// A client that the example says is held.
async fn held(gate: &mut Example) -> Wire {
    let wire = Wire::upgrading(gate.address()).await;
    gate.until_says(" is held").await;
    wire
}

#[tokio::test]
async fn p2_p7_an_axum_service_says_how_far_startup_is_and_stops_in_order() {
    let database = Port::reserve();
    let mut service = Example::start("phases_in_axum", &database).await;
    // It listens before its startup begins.
    let early = loop {
        let early = service.get("/readyz").await;
        assert_eq!(early.status, 503);
        if early.body.trim_end() != "startup has not begun" {
            break early;
        }
    };
    assert!(early.body.contains("3 database"), "{}", early.body);
    let mut waiting = service.asking("/").await;

    let _open = database.open();
    // A page that came early is answered when what it needs is there.
    let answer = waiting.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello\n"));
    let timeline = service.until_says("startup complete in ").await;
    assert!(timeline.ends_with("degraded, without prices"), "{timeline}");
    assert_eq!(service.get("/readyz").await.status, 200);

    service.terminate();
    let (code, last) = service.end().await;
    assert_eq!(code, Some(0));
    assert!(last.starts_with("stopped jobs in "), "{last}");
}

#[tokio::test]
async fn p7_an_axum_service_that_is_stopped_while_it_starts_says_so() {
    let database = Port::reserve();
    let service = Example::start("phases_in_axum", &database).await;
    assert_eq!(service.get("/readyz").await.status, 503);
    service.terminate();
    let (code, last) = service.end().await;
    assert_eq!(code, Some(1));
    assert!(last.contains("told to stop"), "{last}");
}

#[tokio::test]
async fn q1_q5_q8_a_gate_in_axum_holds_and_admits_in_order_again_and_again() {
    let backend = Port::reserve();
    let mut gate = Example::start("gate_in_axum", &backend).await;
    for _ in 0..2 {
        // As long as the gate has not noticed that the backend is away, it lets clients through.
        let mut wire = Wire::upgrading(gate.address()).await;
        while !gate.until_says("number ").await.ends_with(" is held") {
            wire = Wire::upgrading(gate.address()).await;
        }
        let mut clients = vec![wire];
        for _ in 0..2 {
            clients.push(held(&mut gate).await);
        }
        let _open = backend.open();
        let mut served = Vec::new();
        for client in &mut clients {
            served.push(gate.until_says(" is served").await);
            client.opened().await;
            client.echoes("hello").await;
        }
        assert!(served.is_sorted(), "{served:#?}");
    }
}

#[tokio::test]
async fn q2_q3_a_full_gate_in_axum_refuses_until_somebody_leaves() {
    let backend = Port::reserve();
    let mut gate = Example::start("gate_in_axum", &backend).await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(held(&mut gate).await);
    }
    let refused = Wire::upgrading(gate.address()).await.answer().await;
    assert_eq!((refused.status, refused.body.as_str()), (503, "full\n"));
    let seconds = refused.field("retry-after").expect("when to come again");
    assert!(
        (1..=3).contains(&seconds.parse().expect("seconds")),
        "{seconds}"
    );

    drop(clients.pop());
    // Its place is free as soon as axum has seen it leave.
    let mut newcomer = loop {
        let mut wire = Wire::connect(gate.address()).await;
        wire.send(UPGRADE.as_bytes()).await;
        tokio::select! {
            _ = gate.until_says("is held") => break wire,
            answer = wire.answer() => assert_eq!(answer.status, 503),
        }
    };
    let _open = backend.open();
    newcomer.opened().await;
    join_all(clients.iter_mut().map(Wire::opened)).await;
}

#[tokio::test]
async fn q4_a_gate_in_axum_refuses_the_held_when_it_is_told_to_stop() {
    let backend = Port::reserve();
    let mut gate = Example::start("gate_in_axum", &backend).await;
    let mut client = held(&mut gate).await;
    gate.terminate();
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "draining\n"));
    assert_eq!(gate.end().await.0, Some(0));
}

#[tokio::test]
async fn s2_s3_a_chat_room_of_ones_own_opens_when_its_startup_is_through() {
    let database = Port::reserve();
    let mut room = Example::start("own_handler", &database).await;
    let mut early = [
        Wire::upgrading(room.address()).await,
        Wire::upgrading(room.address()).await,
    ];
    let status = room.get("/readyz").await;
    assert_eq!(status.status, 503);

    let _open = database.open();
    for client in &mut early {
        client.opened().await;
    }
    let [one, other] = &mut early;
    // In the room is who hears what it says itself.
    other.echoes("I am here").await;
    one.text("hello").await;
    assert_eq!(other.frame().await, Frame::Text("hello".to_owned()));

    room.terminate();
    for client in &mut early {
        let frames = client.rest().await;
        let last = frames.last().expect("a goodbye");
        assert!(matches!(last, Frame::Close(1001, _)), "{frames:?}");
    }
    room.until_says("the room is closed").await;
    assert_eq!(room.end().await.0, Some(0));
}
