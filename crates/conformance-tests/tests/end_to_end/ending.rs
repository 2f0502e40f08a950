//! A startup that fails, and a server that is told to stop.

use conformance_tests::binary::WsServer;
use conformance_tests::clients::{Client, closed};
use conformance_tests::servers::{PASSWORD, Port, USER};
use conformance_tests::wire::{Frame, Wire};
use nix::sys::signal::Signal;

use super::{adds_up, step, waits_for};

/// A startup that fails once `first` answers, because `never` does not.
fn fails_after(first: &Port, never: &Port) -> String {
    waits_for(first) + &step("websocket", "never", never, "200ms")
}

#[tokio::test]
async fn s8_a_failed_startup_refuses_the_held_says_why_and_exits_3() {
    let (first, never) = (Port::reserve(), Port::reserve());
    let settings = "startup.failed_linger = \"3s\"\n".to_owned() + &fails_after(&first, &never);
    let server = WsServer::with(settings).start().await;
    let mut held = Wire::upgrading(server.address()).await;
    server.until_held(1).await;
    let Some(mut python) = Client::python(&server.url(), "hello").await else {
        return;
    };
    server.until_held(2).await;

    let _open = first.open();
    held.answer().await.is_refusal("startup_failed");
    assert_eq!(python.event().await["status"], 503);
    let startup = server.get("/startupz").await;
    assert_eq!(startup.status, 503);
    let startup = startup.json();
    assert_eq!(startup["state"], "failed");
    assert_eq!(startup["failed_step"], "never");
    let status = server.status().await;
    assert_eq!(status["startup"]["state"], "failed");
    assert_eq!(status["queue"]["refused_failed"], 2);
    assert_eq!(adds_up(&status), 2);
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 503);
    let mut late = Wire::upgrading(server.address()).await;
    late.answer().await.is_refusal("startup_failed");

    let ended = server.end().await;
    assert_eq!(ended.code, Some(3));
    let last = ended.stderr.lines().last().expect("a message");
    for part in ["websocket", "never", "connection refused"] {
        assert!(last.contains(part), "{last}");
    }
}

#[tokio::test]
async fn s8_s4_a_failed_startup_closes_those_held_with_frames() {
    let (first, never) = (Port::reserve(), Port::reserve());
    let settings = "queue.hold = \"frames\"\n".to_owned() + &fails_after(&first, &never);
    let server = WsServer::with(settings).start().await;
    let mut held = Wire::open(server.address()).await;
    let _open = first.open();
    held.frame().await.is_refusal();
    assert_eq!(held.rest().await, []);
    assert_eq!(server.end().await.code, Some(3));
}

#[tokio::test]
async fn s8_an_unreachable_database_is_named_with_its_error() {
    let port = Port::reserve();
    let address = port.address();
    let settings = format!(
        r#"
        startup.failed_linger = "0s"
        [[startup.steps]]
        phase = "database"
        name = "postgres"
        probe = "postgres://{USER}:{PASSWORD}@{address}/app"
        timeout = "200ms"
        "#
    );
    let ended = WsServer::with(settings)
        .arguments(["--listen", "127.0.0.1:0"])
        .finish()
        .await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let last = ended.stderr.lines().last().expect("a message");
    for part in [
        "database",
        "postgres",
        &address.to_string(),
        "connection refused",
    ] {
        assert!(last.contains(part), "{last}");
    }
    assert!(!ended.stderr.contains(PASSWORD), "{}", ended.stderr);
}

#[tokio::test]
async fn s5_sigterm_during_startup_refuses_the_held_and_exits_0() {
    for (hold, signal) in [("upgrade", Signal::SIGTERM), ("frames", Signal::SIGINT)] {
        let port = Port::reserve();
        let queue = format!("queue.hold = \"{hold}\"\n");
        let server = WsServer::with(queue + &waits_for(&port)).start().await;
        let mut held = Wire::upgrading(server.address()).await;
        server.until_held(1).await;
        server.signal(signal);
        if hold == "upgrade" {
            held.answer().await.is_refusal("draining");
        } else {
            held.opened().await;
            held.frame().await.is_refusal();
        }
        drop(held);
        assert_eq!(server.end().await.code, Some(0));
    }
}

#[tokio::test]
async fn s5_sigterm_closes_the_live_with_1001_and_exits_0() {
    let server = WsServer::new().start().await;
    let Some(mut clients) = Client::all(&server.url(), ["hello"; 3]).await else {
        return;
    };
    for client in &mut clients {
        assert_eq!(client.event().await["event"], "open");
        assert_eq!(client.event().await["data"], "hello");
    }
    let mut wire = Wire::open(server.address()).await;
    server.signal(Signal::SIGTERM);
    let Frame::Close(1001, reason) = wire.frame().await else {
        panic!("not 1001");
    };
    drop(wire);
    for client in &mut clients {
        assert_eq!(client.event().await, closed(1001, &reason));
    }
    assert_eq!(server.end().await.code, Some(0));
}

#[tokio::test]
async fn s5_sigterm_behind_a_gate_closed_again_refuses_the_held_and_closes_the_live() {
    let port = Port::reserve();
    let server = WsServer::with(waits_for(&port) + "monitor = true\n")
        .start()
        .await;
    let open = port.open();
    let mut live = Wire::open(server.address()).await;
    live.echoes("live").await;
    drop(open);
    server
        .until(|status| status["queue"]["open"] == false)
        .await;
    let mut held = Wire::upgrading(server.address()).await;
    server.until_held(1).await;

    server.signal(Signal::SIGTERM);
    held.answer().await.is_refusal("draining");
    assert!(matches!(live.rest().await[..], [Frame::Close(1001, _)]));
    drop(held);
    assert_eq!(server.end().await.code, Some(0));
}
