//! O7: what the log says of the history. In a process of its own, as everything that looks at a log.

use std::fs;
use std::path::Path;
use std::time::Duration;

use conformance_tests::log::Log;
use conformance_tests::network::Memory;
use conformance_tests::running::{Running, server};
use conformance_tests::startup::{Hand, by_hand};
use startup_phases::{Phase, Sequence, Step};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::Level;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The guard warns too, of things of its own.
fn warnings(log: &Log) -> Vec<String> {
    let mut warnings = log.at(Level::WARN);
    warnings.retain(|line| line.contains("ws_server::history"));
    warnings
}

/// A server whose startup takes what the hand takes, in two steps.
fn starting(file: &Path) -> (Running<Memory>, Hand) {
    let (startup, hand) = by_hand([Phase::Database, Phase::Services]);
    let builder = server(|it| it.startup.history = Some(file.to_owned()));
    let startup = startup.build().expect("two steps fit together");
    let server = Running::in_memory(builder.startup(startup));
    (server, hand)
}

/// A whole start, to the moment at which it is written down: virtual time stands still meanwhile.
async fn started(file: &Path, database: Duration, services: Duration) {
    let (server, mut hand) = starting(file);
    sleep(database).await;
    hand.finish(Phase::Database);
    sleep(services).await;
    hand.finish(Phase::Services);
    server.client().await.is_echoed("hello").await;
    sleep(ms(1)).await;
}

#[tokio::test(start_paused = true)]
async fn o7_a_start_that_takes_far_longer_than_usual_is_told_once_with_what_it_waits_for() {
    let (log, _logging) = Log::of_this_thread();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.json");
    for _ in 0..2 {
        started(&file, ms(500), ms(3500)).await;
    }
    // Two are too few to say what is usual.
    started(&file, ms(500), ms(19_500)).await;
    assert_eq!(warnings(&log), [] as [&str; 0]);

    let (server, mut hand) = starting(&file);
    sleep(ms(500)).await;
    hand.finish(Phase::Database);
    sleep(ms(7499)).await;
    assert_eq!(warnings(&log), [] as [&str; 0]);
    sleep(ms(2)).await;
    let [warning] = &warnings(&log)[..] else {
        panic!("{log}")
    };
    for part in [
        "far longer than usual",
        "elapsed=8",
        "usual=4s",
        "services (usually 3.5s)",
    ] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    assert!(!warning.contains("database"), "{warning}");
    sleep(ms(100_000)).await;
    hand.finish(Phase::Services);
    server.client().await.is_echoed("hello").await;
    sleep(ms(1)).await;
    assert_eq!(warnings(&log).len(), 1, "{log}");
}

#[tokio::test(start_paused = true)]
async fn p9_o7_a_start_that_takes_far_longer_is_told_with_why_the_last_attempt_failed() {
    let (log, _logging) = Log::of_this_thread();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("history.json");
    let starting = |attempts: u32| {
        let mut left = attempts;
        let model = Step::polling(Phase::Services, "model", move || {
            left = left.saturating_sub(1);
            let is_there = left == 0;
            async move { is_there.then_some(()).ok_or("connection refused") }
        });
        let startup = Sequence::builder().step(model).build().expect("one step");
        let builder = server(|it| it.startup.history = Some(file.clone()));
        Running::in_memory(builder.startup(startup))
    };
    for _ in 0..3 {
        let server = starting(11);
        server.client().await.is_echoed("hello").await;
        sleep(ms(1)).await;
    }
    let _server = starting(100);
    sleep(ms(2001)).await;
    let [warning] = &warnings(&log)[..] else {
        panic!("{log}")
    };
    let why = "model (usually 1s): connection refused";
    assert!(warning.contains(why), "{warning}");
}

#[tokio::test(start_paused = true)]
async fn o7_a_start_whose_steps_are_done_waits_for_what_is_not_ready() {
    let (log, _logging) = Log::of_this_thread();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("history.json");
    let starting = |up: bool| {
        let builder = server(|it| it.startup.history = Some(file.clone()));
        let (application, holds) = watch::channel(up);
        let builder = builder.readiness_signal("application", holds);
        (Running::in_memory(builder), application)
    };
    for _ in 0..3 {
        let (server, _up) = starting(true);
        server.client().await.is_echoed("hello").await;
        sleep(ms(1)).await;
    }
    let (_server, _up) = starting(false);
    sleep(ms(1100)).await;
    let [warning] = &warnings(&log)[..] else {
        panic!("{log}")
    };
    assert!(
        warning.contains("application: known to be down"),
        "{warning}"
    );
}

#[tokio::test(start_paused = true)]
async fn o7_nothing_is_said_of_a_start_that_ended_before_it_was_slow() {
    let (log, _logging) = Log::of_this_thread();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.json");
    for _ in 0..3 {
        started(&file, ms(10), ms(20)).await;
    }
    started(&file, ms(10), ms(900)).await;
    let (server, mut hand) = starting(&file);
    sleep(ms(100)).await;
    hand.fail(Phase::Database, "out of order");
    server.end().await.unwrap_err();
    sleep(ms(10_000)).await;
    assert_eq!(warnings(&log), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn o7_a_file_that_is_torn_or_no_file_is_one_warning_and_a_start_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let torn = folder.path().join("history.json");
    fs::write(&torn, "{\"version\": 1, \"starts\": [{\"open_sec").unwrap();
    {
        let (log, _logging) = Log::of_this_thread();
        started(&torn, ms(10), ms(20)).await;
        let [warning] = &warnings(&log)[..] else {
            panic!("{log}")
        };
        let named = warning.contains("history.json") && warning.contains("EOF");
        assert!(named && warning.contains("ignored"), "{warning}");
    }
    // The start has replaced it.
    let (log, _logging) = Log::of_this_thread();
    started(&torn, ms(10), ms(20)).await;
    assert_eq!(warnings(&log), [] as [&str; 0]);
    let no_folder = torn.join("below/history.json");
    started(&no_folder, ms(10), ms(20)).await;
    let [read, written] = &warnings(&log)[..] else {
        panic!("{log}")
    };
    assert!(read.contains("cannot be read"), "{read}");
    assert!(written.contains("cannot be written"), "{written}");
}
