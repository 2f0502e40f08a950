//! S5 and O7: who is turned away is told how long startup usually goes on.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use conformance_tests::network::Memory;
use conformance_tests::running::number;
use serde_json::{Map, json};
use startup_phases::{Phase, Sequence, Step};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};
use ws_server::ServerBuilder;
use ws_server::settings::{QueueSettings, Settings, StartupSettings};

use super::*;

/// A file of this history, which is not there yet; the folder is kept by whoever has it.
fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state/startup-history.json");
    (folder, path)
}

/// A server with one place, and a startup of one step of this name that takes so long.
fn starting(file: &Path, step: &str, takes: Duration) -> ServerBuilder {
    let work = move || async move {
        sleep(takes).await;
        Ok::<_, std::io::Error>(())
    };
    let startup = Sequence::builder().step(Step::new(Phase::Services, step, work));
    let builder = server(|it| {
        it.startup.history = Some(file.to_owned());
        it.queue.max_size = 1;
    });
    builder.startup(startup.build().expect("one step fits with itself"))
}

/// Starts and goes on until the history is written: virtual time stands still while a file is.
async fn started(file: &Path, step: &str, takes: Duration) {
    let server = Running::in_memory(starting(file, step, takes));
    sleep(takes + ms(1)).await;
    assert_eq!(server.get("/readyz").await.status, 200);
    sleep(ms(1)).await;
}

/// After how many milliseconds a client that is refused now is to come again.
async fn retry_after(server: &Running<Memory>, reason: &str) -> u64 {
    let answer = server.dial().await.answer().await;
    assert_eq!(answer.reason(), reason);
    let millis = number(&answer.json(), "/retry_after_ms");
    let seconds = millis.div_ceil(1000).to_string();
    assert_eq!(answer.field("retry-after"), Some(&*seconds));
    millis
}

/// What one client too many is told now.
async fn is_told(server: &Running<Memory>, expected: RangeInclusive<u64>) {
    let millis = retry_after(server, "queue_full").await;
    assert!(
        expected.contains(&millis),
        "{millis} ms, not in {expected:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn s5_o7_the_refused_are_told_what_is_left_of_a_usual_start() {
    let (_folder, file) = file();
    for takes in [3, 4, 60] {
        started(&file, "model", secs(takes)).await;
    }
    let begun = Instant::now();
    let server = Running::in_memory(starting(&file, "model", secs(20)));
    // The file is read while startup runs.
    sleep(ms(1)).await;
    let _held = server.held().await;
    is_told(&server, 3999..=6000).await;
    sleep_until(begun + ms(1500)).await;
    is_told(&server, 2500..=3750).await;
    sleep_until(begun + secs(10)).await;
    is_told(&server, 1000..=2000).await;
}

#[tokio::test(start_paused = true)]
async fn s5_o7_who_comes_too_early_is_told_the_same_over_half_as_long_again() {
    let (_folder, file) = file();
    started(&file, "model", secs(8)).await;
    let server = Running::in_memory(starting(&file, "model", secs(8)).settings(Settings {
        queue: QueueSettings {
            hold_from: Phase::Websocket,
            ..QueueSettings::default()
        },
        startup: StartupSettings {
            history: Some(file.clone()),
            ..StartupSettings::default()
        },
        ..Settings::default()
    }));
    sleep(secs(1)).await;
    let mut told = Vec::new();
    for _ in 0..50 {
        told.push(retry_after(&server, "too_early").await);
    }
    told.sort_unstable();
    let (first, last) = (told[0], told[49]);
    assert!(
        (7000..8000).contains(&first) && (9000..=10_500).contains(&last),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn o7_a_changed_plan_begins_anew() {
    let (_folder, file) = file();
    started(&file, "model", secs(4)).await;
    let server = Running::in_memory(starting(&file, "another", secs(20)));
    sleep(ms(1)).await;
    let _held = server.held().await;
    is_told(&server, 1000..=2000).await;
}

#[tokio::test(start_paused = true)]
async fn o7_only_complete_starts_are_remembered() {
    let (_folder, file) = file();
    let mut stopped = Running::in_memory(starting(&file, "model", secs(4)));
    sleep(secs(1)).await;
    stopped.stop();
    stopped.end().await.unwrap();
    assert!(!file.exists());
    let fails = || async { Err("out of order") };
    // Behind a gate that is open already.
    let startup = Sequence::builder().step(Step::new(Phase::Finalize, "model", fails));
    let builder = starting(&file, "-", secs(0)).startup(startup.build().unwrap());
    Running::in_memory(builder).end().await.unwrap_err();
    assert!(!file.exists());
    started(&file, "model", secs(4)).await;
    assert!(file.exists());
}

#[tokio::test(start_paused = true)]
async fn g8_o7_a_start_whose_gate_opened_without_a_look_is_not_remembered() {
    let (_folder, file) = file();
    let mut settings = Settings::default();
    settings.startup.history = Some(file.clone());
    settings.guard.bypass = true;
    let builder = starting(&file, "model", secs(4)).settings(settings);
    let server = Running::in_memory(builder);
    server.client().await.is_echoed("hello").await;
    sleep(secs(5)).await;
    assert_eq!(server.status().await["startup"]["state"], "complete");
    sleep(ms(1)).await;
    assert!(!file.exists());
    started(&file, "model", secs(4)).await;
    assert!(file.exists());
}

#[tokio::test(start_paused = true)]
async fn s5_o7_one_start_of_two_hours_sends_nobody_away_for_longer_than_a_minute() {
    let (_folder, file) = file();
    let begun = Instant::now();
    let step = |takes| {
        let work = move || async move {
            sleep(takes).await;
            Ok::<_, std::io::Error>(())
        };
        let step = Step::new(Phase::Services, "model", work).timeout(secs(10_000));
        Sequence::builder().step(step).build().expect("one step")
    };
    let slow = starting(&file, "-", secs(0)).startup(step(secs(7200)));
    let slow = Running::in_memory(slow);
    sleep_until(begun + secs(7200) + ms(1)).await;
    assert_eq!(slow.get("/readyz").await.status, 200);
    sleep(ms(1)).await;

    let server = Running::in_memory(starting(&file, "model", secs(20)));
    sleep(ms(1)).await;
    let _held = server.held().await;
    is_told(&server, 60_000..=70_000).await;
}

#[tokio::test(start_paused = true)]
async fn s5_o7_a_gate_that_was_open_is_expected_back_soon() {
    let (_folder, file) = file();
    started(&file, "model", secs(40)).await;
    let (up, holds) = watch::channel(true);
    let builder = starting(&file, "model", secs(1));
    let server = Running::in_memory(builder.readiness_signal("application", holds));
    sleep(secs(2)).await;
    up.send_replace(false);
    let _held = server.held().await;
    is_told(&server, 1000..=2000).await;
}

#[tokio::test(start_paused = true)]
async fn o7_what_is_usual_is_shown() {
    let (_folder, file) = file();
    for takes in [3, 4, 6] {
        started(&file, "model", secs(takes)).await;
    }
    let server = Running::in_memory(starting(&file, "model", secs(20)));
    sleep(ms(1)).await;
    let status = server.status().await;
    let phases = Phase::ALL.map(|phase| {
        let usual = if phase == Phase::Services { 4.0 } else { 0.0 };
        (phase.to_string(), json!(usual))
    });
    let phases: Map<_, _> = phases.into_iter().collect();
    let expected = json!({
        "starts": 3, "open_seconds": 4.0, "phases": phases, "steps": {"model": 4.0}
    });
    assert_eq!(status["history"], expected);
    let metrics = server.get("/metrics").await;
    let usual = "ws_startup_usual_seconds 4.0";
    assert!(
        metrics.body.lines().any(|line| line == usual),
        "{}",
        metrics.body
    );
}
