//! `run`, as whoever sits before it sees it.

use conformance_tests::binary::{Ended, Stream, WsServer};
use conformance_tests::servers::Port;
use conformance_tests::wire::Wire;
use nix::sys::signal::Signal;

use super::{step, waits_for};

/// So wide that no log line is wrapped.
const WIDE: u16 = 240;

/// Every line is a log line, or one of `others`: nothing that was drawn is left, and nothing of it is
/// among the lines that stay.
fn shows_only_log_lines_and(ended: &Ended, others: &[&str]) {
    let shown = ended.shown.as_deref().expect("a terminal");
    for line in shown.lines() {
        let is_log_line = line.starts_with("20") && line.contains("Z ");
        let is_other = others.iter().any(|other| line.starts_with(other));
        assert!(is_log_line || is_other, "{line:?} in:\n{shown}");
    }
    for other in others {
        assert_eq!(shown.matches(other).count(), 1, "{other:?} in:\n{shown}");
    }
    assert!(!ended.stderr.contains("\x1b[?25l"), "the cursor was hidden");
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn o5_a_terminal_shows_the_phases_and_the_held_and_then_one_line() {
    let port = Port::reserve();
    let server = WsServer::with(waits_for(&port))
        .on_terminal(Stream::Stderr, WIDE)
        .start()
        .await;
    let mut held = Wire::upgrading(server.address()).await;
    let shown = server.until_shows("1 held, oldest").await;
    let full = "█".repeat(24);
    let empty = "░".repeat(24);
    for line in [
        format!("✓ 1 init         {full} reached"),
        format!("✓ 4 cache        {full} reached"),
        format!("▸ 5 services     {empty} running"),
        "    ▸ upstream running ".to_owned(),
        format!("· 6 websocket    {empty} pending"),
        format!("· 7 finalize     {empty} pending"),
    ] {
        let is_there = shown.lines().any(|it| it.starts_with(&line));
        assert!(is_there, "{line:?} is not in:\n{shown}");
    }
    let refused = format!(": tcp://{}: connection refused", port.address());
    server.until_shows(&refused).await;

    let _open = port.open();
    held.opened().await;
    server.until_shows(" held client admitted in ").await;
    held.echoes("hello").await;
    drop(held);
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0));
    shows_only_log_lines_and(&ended, &["open after "]);
    assert!(ended.stderr.contains("\x1b[32m"), "{}", ended.stderr);
}

#[tokio::test]
async fn o5_what_is_over_at_once_is_only_told() {
    let server = WsServer::new().on_terminal(Stream::Stderr, WIDE);
    let server = server.start().await;
    server.until_shows(", nobody was held").await;
    server.signal(Signal::SIGTERM);
    shows_only_log_lines_and(&server.end().await, &["open after "]);
}

#[tokio::test]
async fn o5_forty_columns_and_no_colours_show_the_same() {
    let port = Port::reserve();
    let server = WsServer::with(waits_for(&port))
        .variable("NO_COLOR", "1")
        .on_terminal(Stream::Stderr, 40)
        .start()
        .await;
    let _held = Wire::upgrading(server.address()).await;
    let shown = server.until_shows("\n  1 held, oldest").await;
    for line in [
        "✓ 2 dependencies ███████ reached 0 ms",
        "▸ 5 services     ░░░░░░░ running ",
        "· 7 finalize     ░░░░░░░ pending",
    ] {
        let is_there = shown.lines().any(|it| it.starts_with(line));
        assert!(is_there, "{line:?} is not in:\n{shown}");
    }
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;
    // What is between `ESC [` and `m` would be a colour; the cursor does move.
    let mut sequences = ended.stderr.split("\x1b[").skip(1);
    let colour = sequences.find(|it| it.find(char::is_alphabetic) == it.find('m'));
    assert_eq!(colour, None);
}

#[tokio::test]
async fn o5_s8_a_failed_startup_leaves_where_and_why_and_the_message_last() {
    let never = Port::reserve();
    let server = WsServer::with(step("database", "postgres", &never, "300ms"))
        .on_terminal(Stream::Stderr, WIDE)
        .start()
        .await;
    server.until_shows("✗ startup failed after ").await;
    let ended = server.end().await;
    assert_eq!(ended.code, Some(3));
    let others = ["✗ startup failed after ", "ws-server: startup failed in "];
    shows_only_log_lines_and(&ended, &others);
    let shown = ended.shown.expect("a terminal");
    let own: Vec<&str> = shown.lines().filter(|it| it.starts_with('✗')).collect();
    assert!(
        own[0].contains("in phase database, step postgres: "),
        "{own:?}"
    );
    let last = shown.lines().last().expect("a message");
    assert!(last.starts_with(others[1]), "{shown}");
}

#[tokio::test]
async fn o5_s9_a_signal_during_startup_leaves_nothing_of_the_drawing() {
    let port = Port::reserve();
    let server = WsServer::with(waits_for(&port))
        .on_terminal(Stream::Stderr, WIDE)
        .start()
        .await;
    server.until_shows("nobody is held").await;
    server.types("\x03");
    server.until_says("^C").await;
    server.signal(Signal::SIGINT);
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0));
    shows_only_log_lines_and(&ended, &[]);
}

#[tokio::test]
async fn o5_what_an_application_prints_stands_above_the_drawing() {
    let (upstream, port) = (Port::reserve(), Port::reserve());
    let server = WsServer::with(step("websocket", "later", &port, "10m"))
        .arguments(["--upstream", &format!("ws://{}", upstream.address())])
        .command(["sh", "-c", "echo one >&2; echo two >&2; exec sleep 600"])
        .on_terminal(Stream::Stderr, WIDE)
        .start()
        .await;
    server.until_shows("    ▸ later running").await;
    server.until_shows("[sh] two").await;
    server.signal(Signal::SIGTERM);
    shows_only_log_lines_and(&server.end().await, &["[sh] one", "[sh] two"]);
}

#[tokio::test]
async fn o5_without_a_terminal_there_are_plain_lines() {
    let port = Port::reserve();
    let server = WsServer::with(waits_for(&port)).start().await;
    let mut held = Wire::upgrading(server.address()).await;
    server.until_held(1).await;
    let _open = port.open();
    held.opened().await;
    server.until_says("gate open").await;
    drop(held);
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;
    assert!(!ended.stderr.contains('\x1b'), "{}", ended.stderr);
    assert!(ended.stderr.lines().all(|line| line.starts_with("20")));
    assert_eq!(ended.stdout, "");
}
