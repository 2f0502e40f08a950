//! The application of the guide to Python, behind the command of that guide.

use conformance_tests::binary::WsServer;
use conformance_tests::clients::Client;
use conformance_tests::servers::{Port, Python};

/// Where the guides lie.
const GUIDES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides");

#[tokio::test]
async fn x1_s3_whoever_comes_while_the_application_starts_is_held_and_served() {
    let Some(python) = Python::installed() else {
        return;
    };
    let upstream = Port::reserve();
    let server = WsServer::new()
        .arguments(["--upstream", &format!("ws://{}", upstream.address())])
        .command([
            &python.interpreter(),
            "-m",
            "uvicorn",
            "app:app",
            "--app-dir",
            GUIDES,
            "--port",
            &upstream.number().to_string(),
        ])
        .variable("PYTHONDONTWRITEBYTECODE", "1")
        .start()
        .await;
    let Some(mut client) = Client::reconnecting_python(&server.url()).await else {
        return;
    };
    // It starts for three seconds, and a client is there before.
    server.until_held(1).await;
    assert_eq!(client.event().await, "connected");
    assert_eq!(client.event().await, "heard you said hello");
    let status = server.status().await;
    assert_eq!(status["queue"]["admitted"], 1);
    assert_eq!(status["queue"]["abandoned"], 0);
}
