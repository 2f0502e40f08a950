//! What curl gets from every endpoint, word for word, in the files beside this one.
//!
//! Numbers that are another each time, seconds and ports among them, are masked with `…`. To accept a
//! change, run the tests with `INSTA_UPDATE=always` and read the difference.

use std::path::Path;
use std::process::{Command, Stdio};

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::servers::{Port, require};
use insta::{Settings, assert_snapshot};
use nix::sys::signal::Signal;

use super::step;

/// Every page; of those that have a body of their own kind, the head alone.
const PAGES: [&str; 12] = [
    "/livez",
    "/startupz",
    "/readyz",
    "/health/live",
    "/health/startup",
    "/health/ready",
    "/status",
    "/-/status",
    "/metrics",
    "/ws",
    "/nothing/here",
    "/-/livez",
];

/// What makes curl ask for a WebSocket.
const UPGRADE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

const MASKS: [(&str, &str); 8] = [
    (r"date: .*", "date: …"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
    (r"(?m)^(ws_\w*seconds\w*(\{.*\})?) [\d.e-]+$", "$1 …"),
    (r#"(seconds":)[\d.e-]+"#, "$1…"),
    (r#"(attempts":)\d+"#, "$1…"),
    (r"after \d+ attempts", "after … attempts"),
    (r#"(retry_after_ms":)\d+"#, "$1…"),
    (r"((?:retry-after|content-length): )\d+", "$1…"),
];

/// What curl prints for this path, head and body, in lines that are the same each time.
async fn curl(curl: &Path, server: &Running, path: &str, fields: &[&str]) -> String {
    let mut command = Command::new(curl);
    command.args(["--silent", "--show-error", "--include", "--max-time", "60"]);
    for field in fields {
        command.args(["--header", field]);
    }
    command.arg(format!("http://{}{path}", server.address()));
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("no panic").expect("curl runs");
    assert!(output.status.success(), "{path}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut body: Vec<_> = body.lines().collect();
    if path.ends_with("/metrics") {
        // Families come in their order, their labels in any.
        body.sort_unstable();
    }
    let upgrade = if fields.is_empty() {
        ""
    } else {
        " (as a WebSocket)"
    };
    let head = head.replace("\r\n", "\n");
    format!("$ curl -i {path}{upgrade}\n{head}\n\n{}\n", body.join("\n"))
}

/// Holds every page against the golden file of this situation. `None` where there is no curl.
async fn is_golden(server: &Running, situation: &str, refused: bool) -> Option<()> {
    let program = require("curl")?;
    let mut text = String::new();
    for path in PAGES {
        text.push_str(&curl(&program, server, path, &[]).await);
        text.push('\n');
    }
    if refused {
        text.push_str(&curl(&program, server, "/ws", &UPGRADE).await);
    }
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (varies, mask) in MASKS {
        settings.add_filter(varies, mask);
    }
    settings.bind(|| assert_snapshot!(situation, text));
    Some(())
}

#[tokio::test]
async fn s1_o1_o2_a_slow_start_word_for_word() {
    let port = Port::reserve();
    let server = WsServer::with(step("services", "model", &port, "10m"))
        .start()
        .await;
    server
        .until(|status| status["startup"]["phase"] == "services")
        .await;
    is_golden(&server, "slow", false).await;
}

#[tokio::test]
async fn s8_o1_o2_a_failed_start_word_for_word() {
    let port = Port::reserve();
    let settings = format!(
        "startup.failed_linger = \"10m\"\n{}",
        step("database", "postgres", &port, "300ms")
    );
    let server = WsServer::with(settings).start().await;
    server
        .until(|status| status["startup"]["state"] == "failed")
        .await;
    is_golden(&server, "failed", true).await;
}

#[tokio::test]
async fn p4_o1_o2_a_degraded_start_word_for_word() {
    let port = Port::reserve();
    let settings = format!(
        "{}critical = false\n",
        step("cache", "redis", &port, "300ms")
    );
    let server = WsServer::with(settings).start().await;
    server
        .until(|status| status["startup"]["state"] == "complete")
        .await;
    is_golden(&server, "degraded", false).await;
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().await.code, Some(0));
}
