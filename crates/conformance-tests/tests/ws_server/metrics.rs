//! O1: what `/metrics` says, name by name.

use std::collections::BTreeMap;
use std::fmt::Debug;

use conformance_tests::client::upgrade;
use conformance_tests::network::Net;
use serde_json::json;
use startup_phases::Phase;
use tokio::time::sleep;
use ws_server::settings::{HoldMode, RefuseWith, Settings};
use ws_server::{Connection, Message, StatusWatch};

use super::*;

/// Every sample, by its name and labels as they stand there.
async fn samples<N: Net<Stream: Debug>>(server: &Running<N>) -> BTreeMap<String, f64> {
    let answer = server.get("/metrics").await;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(
        (answer.status, answer.field("content-type")),
        (200, Some(kind))
    );
    let (comments, lines): (Vec<_>, Vec<_>) =
        answer.body.lines().partition(|it| it.starts_with('#'));
    // A sample without a type is one that nobody can make a rate of.
    for line in &lines {
        let name = line.split(['{', ' ']).next().expect("a name");
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let typed = [Some(name), family].into_iter().flatten();
        let is_typed = |name| {
            comments
                .iter()
                .any(|it| it.starts_with(&format!("# TYPE {name} ")))
        };
        assert!(typed.into_iter().any(is_typed), "{line}");
    }
    let lines = lines.into_iter();
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    lines.map(sample).collect()
}

/// The values of these samples, all of which have to be there.
fn of<const N: usize>(samples: &BTreeMap<String, f64>, names: [&str; N]) -> [f64; N] {
    names.map(|name| *samples.get(name).unwrap_or_else(|| panic!("no {name}")))
}

#[tokio::test(start_paused = true)]
async fn o1_every_known_label_value_is_there_from_the_start_at_0() {
    let (server, _hand) = Running::early(|_| {});
    let samples = samples(&server).await;
    let counted = |family: &str, label: &str, values: &[&str]| {
        for value in values {
            let name = format!("{family}{{{label}=\"{value}\"}}");
            assert_eq!(samples.get(&name), Some(&0.0), "{name}");
        }
    };
    let outcomes = ["admitted", "expired", "abandoned", "refused"];
    counted("ws_queue_hold_seconds_count", "outcome", &outcomes);
    let reasons = [
        "queue_full",
        "hold_expired",
        "too_early",
        "startup_failed",
        "draining",
        "connection_limit",
    ];
    counted("ws_queue_refused_total", "reason", &reasons);
    for family in ["ws_messages_total", "ws_message_bytes_total"] {
        counted(family, "direction", &["received", "sent"]);
    }
    counted(
        "ws_handshake_failures_total",
        "reason",
        &["origin", "request_timeout"],
    );
    let verdicts = ["ready", "near_ready", "check_failed", "iteration_bound"];
    counted("ws_guard_wait_seconds_count", "verdict", &verdicts);
    for code in ["1000", "1006", "1011", "1013", "4000-4999"] {
        for initiator in ["client", "server"] {
            let name = format!("ws_close_total{{code=\"{code}\",initiator=\"{initiator}\"}}");
            assert_eq!(samples.get(&name), Some(&0.0), "{name}");
        }
    }
    assert!(!samples.keys().any(|name| name.contains("upstream\"")));
    of(
        &samples,
        [
            "ws_connection_duration_seconds_count",
            "ws_connections_total",
        ],
    );
    // From a look of a timer to the longest usual patience.
    let bucket =
        |le: &str| format!("ws_queue_hold_seconds_bucket{{le=\"{le}\",outcome=\"expired\"}}");
    assert!(
        ["0.001", "60.0", "+Inf"]
            .iter()
            .all(|le| samples.contains_key(&bucket(le)))
    );
}

#[tokio::test(start_paused = true)]
async fn o1_the_figures_follow_a_startup_its_held_clients_and_their_messages() {
    let (server, mut hand) = Running::early(|settings| settings.queue.max_size = 3);
    sleep(Duration::from_millis(500)).await;
    let stays = server.held().await;
    let leaves = server.held().await;
    let expires = server.held().await;
    assert_eq!(server.dial().await.answer().await.status, 503);
    drop(leaves);
    sleep(Duration::from_millis(1500)).await;
    let early = samples(&server).await;
    let names = [
        "ws_startup_complete",
        "ws_ready",
        "ws_queue_size",
        "ws_queue_oldest_age_seconds",
        "ws_startup_elapsed_seconds",
        "ws_startup_phase_duration_seconds{phase=\"services\"}",
        "ws_queue_max_size",
    ];
    assert_eq!(of(&early, names), [0.0, 0.0, 2.0, 1.5, 2.0, 2.0, 3.0]);
    drop(expires);
    server.holds(1).await;

    hand.finish(Phase::Services);
    let mut client = stays.client().await;
    client.is_echoed("hello").await;
    client.says_goodbye(1000).await;
    client.is_closed().await;
    server.shows("/connections/live", 0).await;
    let later = samples(&server).await;
    assert_eq!(of(&later, names)[..3], [1.0, 1.0, 0.0]);
    // Since then it stands still.
    sleep(Duration::from_millis(700)).await;
    assert_eq!(
        of(&samples(&server).await, ["ws_startup_elapsed_seconds"]),
        [2.0]
    );
    let once = [
        "ws_queue_hold_seconds_count{outcome=\"admitted\"}",
        "ws_queue_refused_total{reason=\"queue_full\"}",
        "ws_connections_total",
        "ws_connection_duration_seconds_count",
        "ws_messages_total{direction=\"received\"}",
        "ws_messages_total{direction=\"sent\"}",
        "ws_close_total{code=\"1000\",initiator=\"client\"}",
        "ws_guard_wait_seconds_count{verdict=\"ready\"}",
    ];
    assert_eq!(of(&later, once), [1.0; 8]);
    let more = [
        "ws_queue_hold_seconds_count{outcome=\"abandoned\"}",
        "ws_message_bytes_total{direction=\"received\"}",
        "ws_message_bytes_total{direction=\"sent\"}",
        "ws_connections_live",
    ];
    assert_eq!(of(&later, more), [2.0, 5.0, 5.0, 0.0]);
    let held = of(&later, ["ws_queue_hold_seconds_sum{outcome=\"admitted\"}"]);
    assert!((1.5..1.6).contains(&held[0]), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn o1_s5_refusals_and_failed_handshakes_are_counted_by_the_reason_that_was_told() {
    let (server, hand) = Running::early(|settings| {
        settings.queue.hold = HoldMode::Frames;
        settings.queue.refuse_with = RefuseWith::Close;
        settings.limits.max_connections = 1;
        settings.limits.origins = vec!["https://example.com".to_owned()];
    });
    let ask = || upgrade("/ws", &[("origin", "https://example.com")]);
    let held = server.ask(ask()).await.client().await;
    let one_too_many = server.ask(ask()).await.client().await;
    assert_eq!(one_too_many.is_closed().await.0, 1013);
    assert_eq!(server.dial().await.answer().await.status, 403);
    assert_eq!(
        server.ask("nonsense\r\n\r\n").await.answer().await.status,
        400
    );
    drop(hand);
    assert_eq!(held.is_closed().await.0, 1013);
    let samples = samples(&server).await;
    let names = [
        "ws_queue_refused_total{reason=\"connection_limit\"}",
        "ws_queue_refused_total{reason=\"startup_failed\"}",
        "ws_queue_hold_seconds_count{outcome=\"refused\"}",
        "ws_handshake_failures_total{reason=\"origin\"}",
        "ws_handshake_failures_total{reason=\"malformed_request\"}",
    ];
    assert_eq!(of(&samples, names), [1.0; 5]);
    let closed = of(
        &samples,
        ["ws_close_total{code=\"1013\",initiator=\"server\"}"],
    );
    assert_eq!(closed, [2.0]);
}

#[tokio::test(start_paused = true)]
async fn o1_who_closes_and_with_which_code_is_counted() {
    let failing = |connection: Connection| async move {
        let mut connection = connection;
        match connection.recv().await {
            Some(Message::Text(text)) if text.as_str() == "fail" => Err("out of order"),
            _ => Ok(()),
        }
    };
    let server = Running::in_memory(server(|_| {}).handler(failing));
    let mut fails = server.client().await;
    fails.says("fail").await;
    assert_eq!(fails.is_closed().await.0, 1011);
    let mut ends = server.client().await;
    ends.says("end").await;
    assert_eq!(ends.is_closed().await.0, 1000);
    drop(server.client().await);
    server.shows("/connections/live", 0).await;
    let samples = samples(&server).await;
    let names = [
        "ws_close_total{code=\"1011\",initiator=\"server\"}",
        "ws_close_total{code=\"1000\",initiator=\"server\"}",
        "ws_close_total{code=\"1006\",initiator=\"client\"}",
    ];
    assert_eq!(of(&samples, names), [1.0; 3]);
}

#[tokio::test(start_paused = true)]
async fn o1_q6_a_hold_that_expired_is_told_apart_from_one_that_was_refused() {
    let (server, _hand) = Running::early(|settings| settings.queue.max_wait = secs(1));
    let expires = server.held().await;
    sleep(secs(2)).await;
    drop(expires);
    let samples = samples(&server).await;
    let count = |outcome: &str| format!("ws_queue_hold_seconds_count{{outcome=\"{outcome}\"}}");
    let [expired, refused] = ["expired", "refused"].map(|it| samples[&count(it)]);
    assert_eq!((expired, refused), (1.0, 0.0));
    let told = of(
        &samples,
        ["ws_queue_refused_total{reason=\"hold_expired\"}"],
    );
    assert_eq!(told, [1.0]);
}

#[tokio::test(start_paused = true)]
async fn o1_s4_a_websocket_that_ends_while_it_is_held_is_counted_with_its_code() {
    let (server, _hand) = Running::early(|settings| settings.queue.hold = HoldMode::Frames);
    let mut breaks = server.dial().await.client().await;
    breaks.sends(b"\x8f\x80\0\0\0\0").await;
    assert_eq!(breaks.is_closed().await.0, 1002);
    let mut leaves = server.dial().await.client().await;
    leaves.says_goodbye(4001).await;
    leaves.is_closed().await;
    drop(server.dial().await.client().await);
    server.holds(0).await;
    let samples = samples(&server).await;
    let names = [
        "ws_close_total{code=\"1002\",initiator=\"server\"}",
        "ws_close_total{code=\"4000-4999\",initiator=\"client\"}",
        "ws_close_total{code=\"1006\",initiator=\"client\"}",
        "ws_queue_hold_seconds_count{outcome=\"abandoned\"}",
        "ws_connections_total",
    ];
    assert_eq!(of(&samples, names), [1.0, 1.0, 1.0, 3.0, 0.0]);
}

/// The closes that the document of a server tells, as it is in the end.
fn closes(watch: &StatusWatch) -> serde_json::Value {
    let status: serde_json::Value = serde_json::from_str(&watch.to_json()).expect("JSON");
    status["closes"].clone()
}

#[tokio::test(start_paused = true)]
async fn o1_s9_whoever_does_not_answer_the_close_of_a_drain_was_closed_by_it_all_the_same() {
    let stuck = |_: Connection| std::future::pending::<Result<(), std::io::Error>>();
    let settings = |settings: &mut Settings| settings.shutdown.drain = secs(1);
    let mut server = Running::in_memory(server(settings).handler(stuck));
    let _never_reads = server.client().await;
    let watch = server.watch.clone();
    server.stop();
    server.end().await.expect("it stops");
    let closed = json!([{"code": "1001", "initiator": "server", "count": 1}]);
    assert_eq!(closes(&watch), closed);
}

#[tokio::test(start_paused = true)]
async fn o1_whoever_is_dropped_with_the_server_was_dropped_by_it() {
    let server = Running::in_memory(server(|_| {}));
    let _served = server.client().await;
    let watch = server.watch.clone();
    server.abort();
    sleep(secs(1)).await;
    let closed = json!([{"code": "1006", "initiator": "server", "count": 1}]);
    assert_eq!(closes(&watch), closed);
}
