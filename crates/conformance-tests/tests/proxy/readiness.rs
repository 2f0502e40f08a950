//! X7: readiness while the gate is closed again.

use conformance_tests::happens;
use conformance_tests::running::Running;
use conformance_tests::servers::Port;
use std::net::SocketAddr;

use super::upstream::Upstream;
use super::{as_it_is, in_front_of};

async fn until_open(server: &Running<SocketAddr>, open: bool) {
    let looking = async { while server.status().await["queue"]["open"] != open {} };
    happens("the gate opens or closes", looking).await;
}

#[tokio::test]
async fn x7_q8_readiness_says_no_before_the_upstream_is_there_and_stays_yes_after() {
    let port = Port::reserve();
    let server = in_front_of(&port, as_it_is).await;
    for path in ["/readyz", "/health/ready", "/-/readyz"] {
        assert_eq!(server.get(path).await.status, 503);
    }
    let startup = async { while server.get("/startupz").await.status != 200 {} };
    // A slow application is not a failed startup.
    happens("startup is complete", startup).await;
    assert_eq!(server.get("/readyz").await.status, 503);

    let upstream = Upstream::on(&port);
    until_open(&server, true).await;
    assert_eq!(server.get("/readyz").await.status, 200);
    upstream.goes().await;
    // The monitor finds out by itself.
    until_open(&server, false).await;
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));
    let status = server.status().await;
    assert_eq!(status["readiness"]["ready"], false);
    assert_eq!(status["readiness"]["reason"], "check_failed");
    let failed = &status["readiness"]["failed_checks"][0];
    assert_eq!(failed["name"], "upstream");
    let error = failed["error"].as_str().expect("a text");
    assert!(error.contains("connection refused"), "{error}");

    let _upstream = Upstream::on(&port);
    until_open(&server, true).await;
    let status = server.status().await;
    assert_eq!(status["readiness"]["ready"], true);
    assert_eq!(status["readiness"]["failed_checks"], serde_json::json!([]));
}

#[tokio::test]
async fn x7_readiness_follows_the_upstream_where_that_is_asked_for() {
    let port = Port::reserve();
    let server = in_front_of(&port, |it| it.proxy.readyz_follows_upstream = true).await;
    for _ in 0..2 {
        let upstream = Upstream::on(&port);
        until_open(&server, true).await;
        assert_eq!(server.get("/readyz").await.status, 200);
        upstream.goes().await;
        until_open(&server, false).await;
        let ready = server.get("/readyz").await;
        assert_eq!((ready.status, &ready.json()["ready"]), (503, &false.into()));
        assert_eq!(ready.json()["reason"], "check_failed");
    }
}

#[tokio::test]
async fn x7_readiness_says_no_once_the_server_stops() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let mut server = in_front_of(&port, |it| {
        it.shutdown.delay = super::ms(3_600_000);
    })
    .await;
    until_open(&server, true).await;
    server.stop();
    let stopping = async { while server.get("/readyz").await.status == 200 {} };
    happens("readiness says no", stopping).await;
    // For so long as the delay lasts, who comes is served.
    let client = server.dial().await;
    let _asked = upstream.opens().await;
    client.client().await.hears_nothing();
}
