//! `--log json`: each line as Cloud Logging expects it.

use conformance_tests::binary::WsServer;
use conformance_tests::servers::Port;
use conformance_tests::wire::{UPGRADE, Wire};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{step, waits_for};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The lines, of which each is an entry.
fn entries(stderr: &str) -> Vec<Value> {
    assert!(!stderr.contains('\x1b'), "{stderr}");
    let entries = stderr.lines().map(|line| {
        let entry: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let severity = entry["severity"].as_str().expect(line);
        let known = ["DEFAULT", "DEBUG", "INFO", "WARNING", "ERROR"];
        assert!(known.contains(&severity), "{line}");
        assert!(entry["message"].is_string(), "{line}");
        let time = entry["time"].as_str().expect(line);
        assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
        entry
    });
    entries.collect()
}

#[tokio::test]
async fn o6_a_whole_run_logs_entries_with_severity_message_time_and_trace() {
    let port = Port::reserve();
    let server = WsServer::with("log.level = \"debug\"\n".to_owned() + &waits_for(&port))
        .arguments(["--log", "json"])
        .variable("GOOGLE_CLOUD_PROJECT", "chat")
        .start()
        .await;
    let mut held = Wire::connect(server.address()).await;
    let traceparent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n");
    let request = UPGRADE.replace("\r\n\r\n", &format!("\r\n{traceparent}"));
    held.send(request.as_bytes()).await;
    server.until_held(1).await;
    let _open = port.open();
    held.opened().await;
    held.echoes("hello").await;
    let mut broken = Wire::open(server.address()).await;
    // A frame of an opcode that there is none of: the session fails.
    broken.send(&[0x83, 0x80, 0, 0, 0, 0]).await;
    broken.rest().await;
    held.reset();
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;

    let entries = entries(&ended.stderr);
    let of = |message: &str| {
        let found = entries.iter().find(|entry| entry["message"] == message);
        found.unwrap_or_else(|| panic!("no {message:?} in:\n{}", ended.stderr))
    };
    assert_eq!(of("listening")["severity"], "INFO");
    assert_eq!(of("gate open")["held"], 1);
    let trace = format!("projects/chat/traces/{TRACE}");
    let traced = entries
        .iter()
        .filter(|it| it["logging.googleapis.com/trace"] == trace);
    let story: Vec<&Value> = traced.collect();
    let told: Vec<&Value> = story.iter().map(|entry| &entry["message"]).collect();
    assert_eq!(told, ["arrived", "held", "admitted", "closed"]);
    for entry in story {
        assert_eq!(entry["severity"], "DEBUG");
        assert_eq!(entry["id"], of("arrived")["id"]);
        assert!(entry.get("trace").is_none(), "{entry}");
    }
}

#[tokio::test]
async fn o6_s8_a_failed_startup_logs_its_error_as_a_string_and_the_message_comes_last() {
    let never = Port::reserve();
    let settings = "startup.failed_linger = \"0s\"\n".to_owned()
        + &step("database", "postgres", &never, "100ms");
    let ended = WsServer::with(settings)
        .arguments(["--log", "json", "--listen", "127.0.0.1:0"])
        .finish()
        .await;
    assert_eq!(ended.code, Some(3));
    let (log, last) = ended.stderr.trim_end().rsplit_once('\n').expect("lines");
    assert!(last.starts_with("ws-server: startup failed in "), "{last}");
    let entries = entries(log);
    let error = entries.iter().find(|entry| entry["severity"] == "ERROR");
    let error = error.unwrap_or_else(|| panic!("no error in:\n{log}"));
    assert!(error["error"].is_string(), "{error}");
}

#[tokio::test]
async fn o6_what_an_application_prints_is_an_entry_of_unknown_severity() {
    let upstream = Port::reserve();
    let server = WsServer::new()
        .arguments(["--log", "json", "--set", "child.name=app"])
        .arguments(["--upstream", &format!("ws://{}", upstream.address())])
        .command([
            "sh",
            "-c",
            r#"echo 'plain "words"' >&2; echo '{"severity": "ERROR"}' >&2; exec sleep 600"#,
        ])
        .start()
        .await;
    server.until_says(r#"{"severity": "ERROR"}"#).await;
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;
    // As it is: it is the application's own.
    let (own, others): (Vec<&str>, Vec<&str>) = ended
        .stderr
        .lines()
        .partition(|line| *line == r#"{"severity": "ERROR"}"#);
    assert_eq!(own.len(), 1);
    let entries = entries(&others.join("\n"));
    let words = entries
        .iter()
        .find(|entry| entry["application"] == "app" && entry["severity"] == "DEFAULT");
    let words = words.unwrap_or_else(|| panic!("not in:\n{}", ended.stderr));
    assert_eq!(words["message"], "plain \"words\"");
}
