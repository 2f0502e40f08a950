//! Clients that leave while they are held.

use conformance_tests::binary::WsServer;
use conformance_tests::clients::{Client, open};
use conformance_tests::servers::Port;
use conformance_tests::wire::{Frame, Wire, frame};

use super::{adds_up, waits_for};

/// More kibibytes than are read from one held client, but no more than the system takes beyond
/// that: what it does not take stays with the client's system, and the end of the connection behind
/// it.
const MUCH: usize = 100;

/// So many messages of 1 KiB, and a short one.
fn early_messages(kibibytes: usize) -> Vec<Vec<u8>> {
    let long = (0..kibibytes).map(|number| vec![number as u8; 1024]);
    long.chain([b"short".to_vec()]).collect()
}

/// A server with places for two, and one client that stays. Another comes with `arrive`, given the
/// server's URL and address, and leaves with `leave`; then a third finds its place free.
async fn frees_its_place<C>(
    hold: &str,
    arrive: impl AsyncFnOnce(&str, std::net::SocketAddr) -> Option<C>,
    leave: impl FnOnce(C),
) {
    let port = Port::reserve();
    let queue = format!("queue = {{ max_size = 2, hold = \"{hold}\" }}\n");
    let server = WsServer::with(queue + &waits_for(&port)).start().await;
    let mut stays = Wire::upgrading(server.address()).await;
    server.until_held(1).await;
    let Some(leaves) = arrive(&server.url(), server.address()).await else {
        return;
    };
    server.until_held(2).await;
    leave(leaves);
    let status = server
        .until(|status| status["queue"]["abandoned"] == 1)
        .await;
    assert_eq!(status["queue"]["size"], 1);
    assert_eq!(adds_up(&status), 2);

    let mut comes_later = Wire::upgrading(server.address()).await;
    server.until_held(2).await;
    let _open = port.open();
    for wire in [&mut stays, &mut comes_later] {
        wire.opened().await;
        wire.echoes("hello").await;
    }
    let status = server.status().await;
    assert_eq!(status["queue"]["admitted"], 2);
    assert_eq!(status["connections"]["live"], 2);
    assert_eq!(adds_up(&status), 3);
}

#[tokio::test]
async fn s7_a_client_killed_while_held_frees_its_place() {
    let arrive = async |url: &str, _| Client::python(url, "hello").await;
    frees_its_place("upgrade", arrive, Client::kill).await;
}

#[tokio::test]
async fn s7_a_client_killed_while_held_with_frames_frees_its_place() {
    let arrive = async |url: &str, _| {
        let mut python = Client::python(url, "sent while held").await?;
        assert_eq!(python.event().await, open());
        Some(python)
    };
    frees_its_place("frames", arrive, Client::kill).await;
}

#[tokio::test]
async fn s7_a_browser_killed_while_held_frees_its_place() {
    let arrive = async |url: &str, _| Client::chromium(url, "hello").await;
    frees_its_place("upgrade", arrive, Client::kill).await;
}

#[tokio::test]
async fn s7_a_connection_that_ends_while_held_frees_its_place() {
    for leave in [drop, Wire::reset] {
        for hold in ["upgrade", "frames"] {
            let arrive = async |_: &str, address| Some(Wire::upgrading(address).await);
            frees_its_place(hold, arrive, leave).await;
        }
    }
}

#[tokio::test]
async fn s7_early_bytes_do_not_hide_that_a_client_left() {
    for leave in [drop, Wire::reset] {
        for hold in ["upgrade", "frames"] {
            for early in [0, MUCH] {
                let arrive = async |_: &str, address| {
                    let mut wire = Wire::upgrading(address).await;
                    for message in early_messages(early) {
                        wire.send(&frame(0x2, &message)).await;
                    }
                    Some(wire)
                };
                frees_its_place(hold, arrive, leave).await;
            }
        }
    }
}

#[tokio::test]
async fn s7_early_bytes_of_a_client_that_stays_are_answered() {
    for hold in ["upgrade", "frames"] {
        let port = Port::reserve();
        let queue = format!("queue.hold = \"{hold}\"\n");
        let server = WsServer::with(queue + &waits_for(&port)).start().await;
        let mut wire = Wire::upgrading(server.address()).await;
        for message in early_messages(MUCH) {
            wire.send(&frame(0x2, &message)).await;
        }
        server.until_held(1).await;
        let _open = port.open();
        wire.opened().await;
        for message in early_messages(MUCH) {
            assert_eq!(wire.frame().await, Frame::Binary(message));
        }
    }
}

/// Held with frames, a client sends `bytes`, sees one close frame, with `code`, and is gone.
async fn ends_while_held(bytes: &[u8], code: u16) {
    let port = Port::reserve();
    let settings = "queue.hold = \"frames\"\n".to_owned() + &waits_for(&port);
    let server = WsServer::with(settings).start().await;
    let mut wire = Wire::open(server.address()).await;
    server.until_held(1).await;
    wire.send(bytes).await;
    let frames = wire.rest().await;
    assert!(
        matches!(frames[..], [Frame::Close(seen, _)] if seen == code),
        "{frames:?}"
    );
    let status = server.until_held(0).await;
    assert_eq!(status["queue"]["abandoned"], 1);
    assert_eq!(adds_up(&status), 1);
}

#[tokio::test]
async fn s7_a_close_while_held_with_frames_is_answered_and_frees_the_place() {
    ends_while_held(&frame(0x8, &1000u16.to_be_bytes()), 1000).await;
}

#[tokio::test]
async fn s7_s12_a_protocol_error_while_held_with_frames_gets_its_code_and_frees_the_place() {
    ends_while_held(&frame(0x1, b"caf\xe9"), 1007).await;
    ends_while_held(&frame(0x3, b""), 1002).await;
}
