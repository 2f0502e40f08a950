//! A real startup, and the clients that come before its end.

use conformance_tests::binary::WsServer;
use conformance_tests::clients::{Client, message, open};
use conformance_tests::servers::{PASSWORD, Port, Postgres, Redis, USER};
use conformance_tests::wire::{Frame, Wire};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{adds_up, step, waits_for};

#[tokio::test]
async fn p9_o2_a_start_that_is_stuck_says_why_while_it_is() {
    let port = Port::reserve();
    let server = WsServer::with(waits_for(&port)).start().await;
    let services = "/startup/phases/4/steps/0";
    let status = server
        .until(|status| {
            status
                .pointer(services)
                .is_some_and(|it| !it["error"].is_null())
        })
        .await;
    let upstream = status.pointer(services).expect("it was there");
    let refused = format!("tcp://{}: connection refused", port.address());
    assert_eq!(upstream["error"], refused);
    assert_eq!(upstream["state"], "running");
    let _open = port.open();
    let status = server
        .until(|status| status["startup"]["state"] == "complete")
        .await;
    let upstream = status.pointer(services).expect("it was there");
    assert_eq!(
        (&upstream["state"], &upstream["error"]),
        (&"done".into(), &Value::Null)
    );
}

#[tokio::test]
async fn s3_s4_q9_early_clients_of_three_kinds_are_held_through_a_real_startup_and_all_get_their_echo()
 {
    let (database, cache) = (Port::reserve(), Port::reserve());
    let settings = format!(
        r#"
        [[startup.steps]]
        phase = "database"
        name = "postgres"
        probe = "postgres://{USER}:{PASSWORD}@{}/postgres"
        [[startup.steps]]
        phase = "cache"
        name = "redis"
        probe = "redis://{}"
        "#,
        database.address(),
        cache.address()
    );
    let server = WsServer::with(settings).start().await;

    let Some(mut clients) = Client::all(&server.url(), ["python", "node", "chromium"]).await else {
        return;
    };
    let status = server.until_held(3).await;
    assert_eq!(status["startup"]["phase"], "database");
    assert_eq!(status["connections"]["live"], 0);
    assert_eq!(adds_up(&status), 3);

    let Some(_postgres) = Postgres::start_on(&database).await else {
        return;
    };
    let status = server
        .until(|status| status["startup"]["phase"] == "cache")
        .await;
    assert_eq!(status["queue"]["size"], 3);

    let Some(_redis) = Redis::start_on(&cache).await else {
        return;
    };
    for (client, sent) in clients.iter_mut().zip(["python", "node", "chromium"]) {
        assert_eq!(client.event().await, open());
        assert_eq!(client.event().await, message(sent));
    }
    let status = server
        .until(|status| status["startup"]["state"] == "complete")
        .await;
    assert_eq!(status["queue"]["open"], true);
    assert_eq!(status["queue"]["size"], 0);
    assert_eq!(status["queue"]["admitted"], 3);
    assert_eq!(status["connections"]["live"], 3);
    assert_eq!(adds_up(&status), 3);

    server.signal(Signal::SIGTERM);
    for client in &mut clients {
        assert_eq!(client.event().await["code"], 1001);
    }
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains(PASSWORD), "{}", ended.stderr);
}

#[tokio::test]
async fn s1_the_port_answers_while_phase_1_still_runs() {
    let port = Port::reserve();
    let server = WsServer::with(step("init", "first", &port, "10m"))
        .start()
        .await;

    let alive = server.get("/livez").await;
    assert_eq!((alive.status, alive.body.as_str()), (200, "ok"));
    let status = server.status().await;
    assert_eq!(status["startup"]["state"], "running");
    assert_eq!(status["startup"]["phase"], "init");
    assert_eq!(status["startup"]["phase_number"], 1);
    assert_eq!(status["queue"]["open"], false);
    let startup = server.get("/startupz").await;
    assert_eq!(startup.status, 503);
    assert_eq!(startup.json()["phase"], "init");
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["ready"], false);

    let mut held = Wire::upgrading(server.address()).await;
    server.until_held(1).await;
    let _open = port.open();
    held.opened().await;
    held.echoes("hello").await;
    server
        .until(|status| status["startup"]["state"] == "complete")
        .await;
    assert_eq!(server.get("/startupz").await.status, 200);
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["ready"], true);
}

#[tokio::test]
async fn s1_every_page_of_ours_has_its_twins() {
    let port = Port::reserve();
    let server = WsServer::with(waits_for(&port)).start().await;
    let twins = [
        ["/livez", "/health/live", "/-/livez", "/-/health/live"],
        [
            "/startupz",
            "/health/startup",
            "/-/startupz",
            "/-/health/startup",
        ],
        ["/readyz", "/health/ready", "/-/readyz", "/-/health/ready"],
    ];
    let same = async |status: [u16; 3]| {
        for (twins, status) in twins.into_iter().zip(status) {
            let first = server.get(twins[0]).await;
            assert_eq!(first.status, status, "{first:?}");
            for twin in twins {
                let answer = server.get(twin).await;
                assert_eq!(
                    (answer.status, &answer.body),
                    (status, &first.body),
                    "{twin}"
                );
            }
        }
        assert_eq!(server.get("/-/status").await.status, 200);
    };
    server
        .until(|status| status["startup"]["phase"] == "services")
        .await;
    same([200, 503, 503]).await;
    let _open = port.open();
    server
        .until(|status| status["startup"]["state"] == "complete")
        .await;
    same([200, 200, 200]).await;
}

#[tokio::test]
async fn s2_q8_the_gate_closes_with_a_monitored_service_and_opens_again() {
    let port = Port::reserve();
    let settings = waits_for(&port) + "monitor = true\n";
    let server = WsServer::with(settings).start().await;
    let open = port.open();
    let mut first = Wire::open(server.address()).await;
    first.echoes("first").await;

    drop(open);
    let status = server
        .until(|status| status["queue"]["open"] == false)
        .await;
    assert_eq!(status["readiness"]["ready"], false);
    assert_eq!(server.get("/readyz").await.status, 503);
    let mut second = Wire::upgrading(server.address()).await;
    server.until_held(1).await;
    first.echoes("still served").await;

    let _open = port.open();
    second.opened().await;
    second.echoes("second").await;

    server.signal(Signal::SIGTERM);
    assert!(matches!(first.rest().await[..], [Frame::Close(1001, _)]));
    assert!(matches!(second.rest().await[..], [Frame::Close(1001, _)]));
    assert_eq!(server.end().await.code, Some(0));
}
