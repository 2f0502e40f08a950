//! What curl gets from every endpoint, word for word, in the files beside this one.
//!
//! Numbers that are another each time, seconds and ports among them, are masked with `…`. To accept a
//! change, run the tests with `INSTA_UPDATE=always` and read the difference.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::servers::{Port, require};
use insta::{Settings, assert_snapshot};
use nix::sys::signal::Signal;

use super::step;

/// Every page.
const PAGES: [&str; 14] = [
    "/",
    "/status/events",
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

const MASKS: [(&str, &str); 9] = [
    (r"date: .*", "date: …"),
    (r"sha256-[^']+", "sha256-…"),
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
    if path == "/" {
        // The page itself is shown by Chromium.
        command.arg("--head");
    }
    command.arg(format!("http://{}{path}", server.address()));
    let printed = tokio::task::spawn_blocking(move || printed_by(command)).await;
    let text = printed.expect("curl prints text");
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

/// What it prints until it ends, or until the first event of those that never do.
fn printed_by(mut curl: Command) -> String {
    curl.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = curl.spawn().expect("curl runs");
    let lines = BufReader::new(running.stdout.take().expect("a pipe")).split(b'\n');
    let mut text = String::new();
    let mut in_event = false;
    for line in lines {
        let line = String::from_utf8(line.expect("curl prints")).expect("text");
        text.push_str(&line);
        text.push('\n');
        if in_event && line.is_empty() {
            running.kill().expect("our child");
            break;
        }
        in_event |= line.starts_with("data: ");
    }
    let ended = running.wait().expect("our child");
    assert!(in_event || ended.success(), "{text}");
    text
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
        .until(|status| !status["startup"]["phases"][4]["steps"][0]["error"].is_null())
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
