//! How long earlier starts took, in a file that outlives the process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use conformance_tests::binary::WsServer;
use conformance_tests::happens;
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::sleep;

/// A server as a service manager starts it that grants a folder for state.
fn with_state(folder: &Path) -> WsServer {
    WsServer::new().variable("STATE_DIRECTORY", folder.to_str().expect("text"))
}

/// Waits until `starts` starts are in the file of this folder.
async fn until_kept(folder: &Path, starts: usize) {
    let file = folder.join("startup-history.json");
    let kept = || {
        let history: Value = serde_json::from_str(&fs::read_to_string(&file).ok()?).ok()?;
        Some(history["starts"].as_array()?.len())
    };
    happens("the start is written down", async {
        while kept() != Some(starts) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn o7_a_start_knows_how_long_the_one_before_it_took() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = with_state(folder.path()).start().await;
    until_kept(folder.path(), 1).await;
    assert_eq!(first.status().await["history"], Value::Null);
    first.signal(Signal::SIGTERM);
    assert_eq!(first.end().await.code, Some(0));

    let second = with_state(folder.path()).start().await;
    let status = second.until(|status| !status["history"].is_null()).await;
    let history = &status["history"];
    assert_eq!(history["starts"], 1);
    assert!(history["open_seconds"].as_f64() > Some(0.0), "{history:#}");
    assert!(history["steps"]["listener"].is_f64(), "{history:#}");
    assert!(history["phases"]["websocket"].is_f64(), "{history:#}");
    until_kept(folder.path(), 2).await;
}

#[tokio::test]
async fn o7_a_torn_history_is_a_warning_and_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("startup-history.json");
    fs::write(&file, "{\"version\": 1, \"sta").expect("a file");
    let server = with_state(folder.path()).start().await;
    server
        .until_says("history of starts (startup.history) is ignored")
        .await;
    until_kept(folder.path(), 1).await;
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.warns("startup-history.json"), "{}", ended.stderr);
}
