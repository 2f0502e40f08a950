//! O6: the log tells stories. In a process of its own, as `conformance_tests::log` says.

use std::time::Duration;

use conformance_tests::client::upgrade;
use conformance_tests::log::Log;
use conformance_tests::running::{Running, server};
use startup_phases::Phase;
use tokio::time::sleep;
use ws_server::Connection;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test(start_paused = true)]
async fn o6_the_life_of_one_connection_can_be_followed_by_its_id() {
    let (log, _logging) = Log::of_this_thread();
    let (server, mut hand) = Running::early(|_| {});
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let fields = [("traceparent", traceparent.as_str())];
    // Its query may hold a secret.
    let held = server.ask(upgrade("/ws?token=secret", &fields)).await;
    server.holds(1).await;
    let leaves = server.held().await;
    sleep(Duration::from_millis(1500)).await;
    drop(leaves);
    server.holds(1).await;
    hand.finish(Phase::Services);
    let mut client = held.client().await;
    client.is_echoed("hello").await;
    client.says_goodbye(4000).await;
    client.is_closed().await;
    server.shows("/connections/live", 0).await;

    let of = |id: &str| log.with(&format!(" id={id} "));
    let begin = |line: &String| line.split(" id=").next().unwrap_or_default().to_owned();
    let story = of("1");
    let events: Vec<_> = story.iter().map(begin).collect();
    let said = |event: &str| format!("DEBUG ws_server::visit: {event}");
    let expected = ["arrived", "held", "admitted", "closed"].map(said);
    assert_eq!(events, expected, "{log}");
    assert!(
        story
            .iter()
            .all(|line| line.contains(&format!("trace=\"{TRACE}\"")))
    );
    assert!(story[0].contains("path=\"/ws\"") && story[1].contains("position=0"));
    assert!(story[2].contains("after=1.5"), "{}", story[2]);
    let ends = "code=4000 by=\"client\" after=";
    assert!(
        story[3].contains(ends) && story[3].ends_with("received=1 sent=1"),
        "{}",
        story[3]
    );
    assert!(!log.to_string().contains("secret"));
    let events: Vec<_> = of("2").iter().map(begin).collect();
    assert_eq!(events, ["arrived", "held", "left while held"].map(said));
}

#[tokio::test(start_paused = true)]
async fn o6_g6_a_normal_start_is_a_dozen_lines_whatever_the_number_of_clients() {
    let (log, _logging) = Log::of_this_thread();
    let (server, mut hand) = Running::early(|_| {});
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(server.held().await);
    }
    sleep(Duration::from_secs(3)).await;
    hand.finish(Phase::Services);
    for client in held {
        client.client().await.is_echoed("hello").await;
    }
    server.shows("/connections/live", 0).await;
    let told = log.to_string();
    let above_debug: Vec<_> = told
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("DEBUG"))
        .collect();
    assert!((10..=15).contains(&above_debug.len()), "{above_debug:#?}");
    let one = |what: &str| {
        let lines = log.with(what);
        assert_eq!(lines.len(), 1, "{what}: {lines:#?}");
        lines[0].clone()
    };
    let waited = one("Fixed-interval wait completed successfully");
    for field in [
        "elapsed=3",
        "checks=",
        "interval=100ms",
        "phase=\"finalize\"",
    ] {
        assert!(waited.contains(field), "{waited}");
    }
    assert!(one("gate open").contains("held=40 after=3"));
    assert!(one("held clients admitted").contains("admitted=40 took="));
    for phase in Phase::ALL {
        let reached = one(&format!("Startup phase reached phase={phase} "));
        assert!(reached.contains("duration="), "{reached}");
    }
}

#[tokio::test(start_paused = true)]
async fn o6_s11_a_handler_that_failed_is_told_with_the_id_and_trace_of_its_connection() {
    let (log, _logging) = Log::of_this_thread();
    let failing = |_: Connection| async { Err::<(), _>("out of order") };
    let server = Running::in_memory(server(|_| {}).handler(failing));
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let asked = server
        .ask(upgrade("/ws", &[("traceparent", &traceparent)]))
        .await;
    assert_eq!(asked.client().await.is_closed().await.0, 1011);
    let failed = log.with("handler failed");
    let told =
        format!("WARN ws_server::visit: handler failed id=1 trace=\"{TRACE}\" error=out of order");
    assert!(failed.contains(&told), "{log}");
}
