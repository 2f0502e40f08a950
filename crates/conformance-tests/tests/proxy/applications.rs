//! In front of real applications: Python's uvicorn and Starlette, Node's `ws`, and Chromium.

use std::sync::Arc;

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::clients::Client;
use conformance_tests::happens;
use conformance_tests::servers::{Application, Port, Python};
use conformance_tests::wire::{Frame, UPGRADE, Wire};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

async fn in_front_of(port: &Port) -> Running {
    let url = format!("ws://{}", port.address());
    let settings = "queue.max_size = 500\nqueue.max_wait = \"2m\"";
    let server = WsServer::with(settings).arguments(["--upstream", &url]);
    server.start().await
}

#[tokio::test]
async fn x2_s3_100_clients_that_come_before_the_application_are_served() {
    let Some(python) = Python::installed() else {
        return;
    };
    let port = Port::reserve();
    let server = in_front_of(&port).await;
    let mut clients = Vec::new();
    for number in 0..100 {
        clients.push(Wire::upgrading(server.address()).await);
        server.until_held(number + 1).await;
    }
    let _application = python.start_on(&port, Signal::SIGKILL).await;
    for (number, wire) in clients.iter_mut().enumerate() {
        wire.opened().await;
        wire.echoes(&format!("client {number}")).await;
    }
    let status = server.status().await;
    assert_eq!(status["queue"]["admitted"], 100);
    assert_eq!(status["connections"]["live"], 100);
}

/// From its request to the end of the test: it gets its WebSocket, and then echoes or a close.
async fn lives(address: std::net::SocketAddr, mut over: watch::Receiver<bool>) -> Vec<Frame> {
    let mut wire = Wire::upgrading(address).await;
    wire.opened().await;
    wire.text("hello").await;
    let mut seen = Vec::new();
    loop {
        tokio::select! {
            frame = wire.frame() => {
                let is_last = !matches!(frame, Frame::Text(_));
                seen.push(frame);
                if is_last { return seen; }
            }
            _ = over.wait_for(|over| *over), if !seen.is_empty() => return seen,
        }
    }
}

/// Killed and started again, five times, under clients that come all the while.
#[tokio::test(flavor = "multi_thread")]
async fn x2_x4_q8_restarts_are_seen_by_nobody_who_comes_and_by_others_as_a_close() {
    const RESTARTS: usize = 5;
    let Some(python) = Python::installed() else {
        return;
    };
    let python = Arc::new(python);
    let port = Port::reserve();
    let server = in_front_of(&port).await;
    let address = server.address();
    let (over, is_over) = watch::channel(false);
    let (restarted, mut restarts) = watch::channel(0);
    let restarting = async {
        let mut application = python.start_on(&port, Signal::SIGKILL).await;
        for restart in 1..=RESTARTS {
            server
                .until(|status| status["connections"]["live"].as_u64() >= Some(10))
                .await;
            drop(application);
            server
                .until(|status| status["queue"]["size"].as_u64() >= Some(10))
                .await;
            application = python.start_on(&port, Signal::SIGKILL).await;
            server.until(|status| status["queue"]["size"] == 0).await;
            restarted.send_replace(restart);
        }
        application
    };
    let coming = async {
        let mut clients = JoinSet::new();
        let mut every_50_ms = tokio::time::interval(super::ms(50));
        loop {
            tokio::select! {
                _ = every_50_ms.tick() => {
                    clients.spawn(lives(address, is_over.clone()));
                }
                _ = restarts.wait_for(|&done| done == RESTARTS) => return clients,
            }
        }
    };
    let (application, clients) = tokio::join!(restarting, coming);
    over.send_replace(true);
    let seen = happens("every client's end", clients.join_all()).await;
    let closed = seen.iter().filter(|seen| match &seen[..] {
        [Frame::Text(echo)] => {
            assert_eq!(echo, "hello");
            false
        }
        // Killed before it could echo, or after.
        [Frame::Close(1012, _)] | [Frame::Text(_), Frame::Close(1012, _)] => true,
        other => panic!("{other:?}"),
    });
    let closed = closed.count();
    assert!(closed >= 10 * RESTARTS, "{closed} of {}", seen.len());
    let status = server.status().await;
    assert_eq!(status["queue"]["admitted"], seen.len(), "{status:#}");
    println!(
        "{} clients, {closed} of them closed by {RESTARTS} restarts",
        seen.len()
    );
    drop(application);
}

#[tokio::test]
async fn x4_an_application_that_ends_in_order_says_so_itself() {
    let Some(python) = Python::installed() else {
        return;
    };
    let port = Port::reserve();
    let server = in_front_of(&port).await;
    let application = python.start_on(&port, Signal::SIGTERM).await;
    let mut wire = Wire::open(server.address()).await;
    wire.echoes("hello").await;
    let ending = tokio::task::spawn_blocking(|| drop(application));
    assert!(matches!(wire.rest().await[..], [Frame::Close(1012, _)]));
    ending.await.expect("it ends");
    let mut next = Wire::upgrading(server.address()).await;
    server.until_held(1).await;
    let _application = python.start_on(&port, Signal::SIGKILL).await;
    next.opened().await;
}

#[tokio::test]
async fn x1_x6_an_applications_pages_and_refusals_arrive() {
    let Some(python) = Python::installed() else {
        return;
    };
    let port = Port::reserve();
    let server = in_front_of(&port).await;
    let mut early = Wire::connect(server.address()).await;
    early
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nearly")
        .await;
    server.until_held(1).await;
    let _application = python.start_on(&port, Signal::SIGKILL).await;
    // It trusts a proxy on its own machine to say who asks.
    assert_eq!(early.answer().await.body, "POST 127.0.0.1 early");
    assert_eq!(server.get("/").await.body, "GET 127.0.0.1 ");
    assert_eq!(server.get("/nothing").await.status, 404);
    let mut wire = Wire::connect(server.address()).await;
    wire.send(UPGRADE.replace("/ws", "/forbidden").as_bytes())
        .await;
    assert_eq!(wire.answer().await.status, 403);
}

#[tokio::test]
async fn x1_a_refusal_of_nodes_arrives_with_its_body() {
    let port = Port::reserve();
    let server = in_front_of(&port).await;
    let Some(_application) = Application::node_on(&port).await else {
        return;
    };
    let mut wire = Wire::connect(server.address()).await;
    wire.send(UPGRADE.replace("/ws", "/forbidden").as_bytes())
        .await;
    let answer = wire.answer().await;
    assert_eq!((answer.status, &*answer.body), (403, "members!\n"));
    assert_eq!(answer.field("content-type"), Some("text/plain"));
}

/// A page through the proxy, its cookies, and its WebSocket with a subprotocol and compression.
#[tokio::test]
async fn x1_x3_a_browser_and_node_get_along_as_if_nobody_stood_between_them() {
    let port = Port::reserve();
    let server = in_front_of(&port).await;
    // It comes before the application: the page is held, too.
    let url = format!("http://{}/", server.address());
    let Some(_browser) = Client::chromium_visiting(&url).await else {
        return;
    };
    server
        .until(|status| status["queue"]["size"].as_u64() >= Some(1))
        .await;
    let Some(_application) = Application::node_on(&port).await else {
        return;
    };
    let reports = async {
        loop {
            let reports = server.get("/reports").await.json();
            if reports != Value::Array(Vec::new()) {
                return reports;
            }
        }
    };
    let reports = happens("the page's report", reports).await;
    assert_eq!(
        reports[0],
        serde_json::json!({
            "length": 240_000,
            "compressed": true,
            "extensions": "permessage-deflate",
            "protocol": "chat.v1",
            "cookie": "a=1; b=2",
            "browser": { "extensions": "permessage-deflate", "protocol": "chat.v1" },
        })
    );
}
