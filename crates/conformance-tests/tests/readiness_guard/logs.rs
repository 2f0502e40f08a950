//! G6: what is logged.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use serde_json::Value;
use startup_phases::Phase;

use crate::{Lever, complete, config, guard_of, is_not_ready, is_ready, ms, production, start};

/// What the guards of this test log. A test and all that it runs have one thread, so lines are kept by
/// thread.
#[derive(Clone, Copy)]
pub(crate) struct Lines;

thread_local! {
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Lines {
    /// One subscriber for the process, there before the first guard is: tracing decides about a line for
    /// all threads when one of them first comes by, and nobody may come by unheard.
    pub(crate) fn subscribe() {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            tracing_subscriber::fmt()
                .json()
                .flatten_event(true)
                .with_writer(|| Lines)
                .init();
        });
    }

    pub(crate) fn from_here() -> Self {
        Self::subscribe();
        LOGGED.take();
        Self
    }

    /// The guards' lines that say this.
    pub(crate) fn saying(self, message: &str) -> Vec<Value> {
        let logged = LOGGED.with_borrow(Clone::clone);
        serde_json::Deserializer::from_slice(&logged)
            .into_iter()
            .map(|line| line.expect("each line is an object"))
            .filter(|line| text(line, "target").starts_with("readiness_guard"))
            .filter(|line| text(line, "message").contains(message))
            .collect()
    }
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().expect("the field is a text")
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn g6_success_is_one_line_with_its_fields() {
    let lines = Lines::from_here();
    let phases = start([(Phase::Services, ms(250)), (Phase::Websocket, ms(1000))]);
    let _ready = is_ready(guard_of(phases, production()).wait().await);
    let [line] = &lines.saying("Fixed-interval wait completed successfully")[..] else {
        panic!("not one line: {lines:?}", lines = lines.saying(""));
    };
    assert_eq!(
        line["message"],
        "Fixed-interval wait completed successfully"
    );
    assert_eq!(line["level"], "INFO");
    assert_eq!(
        (&line["elapsed"], &line["checks"]),
        (&"300ms".into(), &4.into())
    );
    assert_eq!(
        (&line["interval"], &line["phase"]),
        (&"100ms".into(), &"websocket".into())
    );
}

#[tokio::test(start_paused = true)]
async fn g6_progress_is_told_once_a_second_and_a_default_start_stays_a_dozen_lines() {
    let lines = Lines::from_here();
    let phases = start([(Phase::Database, ms(400)), (Phase::Services, ms(3900))]);
    let _ready = is_ready(guard_of(phases, production()).wait().await);
    let progress = lines.saying("Waiting for readiness");
    let told: Vec<_> = progress.iter().map(|line| text(line, "elapsed")).collect();
    assert_eq!(told, ["1s", "2s", "3s", "4s"]);
    assert!(lines.saying("").len() <= 12, "{:?}", lines.saying(""));
}

#[tokio::test(start_paused = true)]
async fn g6_each_phase_is_told_once_with_its_duration_over_several_waits() {
    let lines = Lines::from_here();
    let phases = start([(Phase::Database, ms(400)), (Phase::Services, ms(1500))]);
    let guard = guard_of(phases, config(&[("ENVIRONMENT", "test")]));
    is_not_ready(guard.wait().await);
    let _ready = is_ready(guard.wait().await);
    let reached = lines.saying("Startup phase reached");
    let told: Vec<_> = reached
        .iter()
        .map(|line| (text(line, "phase"), text(line, "duration")))
        .filter(|(_, duration)| *duration != "0ns")
        .collect();
    assert_eq!(told, [("database", "400ms"), ("services", "1.5s")]);
    let first: Vec<_> = reached
        .iter()
        .take(5)
        .map(|line| text(line, "phase"))
        .collect();
    assert_eq!(
        first,
        ["init", "dependencies", "database", "cache", "services"]
    );
}

#[tokio::test(start_paused = true)]
async fn g6_what_is_not_as_it_should_be_is_a_warning_that_says_why() {
    let lines = Lines::from_here();
    let upstream = Lever::default();
    let odd = config(&[("ENVIRONMENT", "test"), ("K_SERVICE", "chat")]).timeout(ms(1500));
    let guard = guard_of(complete().await, odd).check(upstream.check("upstream").after_startup());
    is_not_ready(guard.wait().await);
    upstream.set(true);
    let _ready = is_ready(guard.wait().await);
    upstream.set(false);
    let _why = guard.lost().await;

    let warnings = lines.saying("").into_iter();
    let warnings: Vec<_> = warnings.filter(|line| line["level"] == "WARN").collect();
    let [environment, gave_up, lost] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(text(environment, "message").starts_with("ENVIRONMENT says test"));
    assert_eq!(
        text(gave_up, "message"),
        "Fixed-interval wait ended without readiness"
    );
    assert_eq!(text(lost, "message"), "Readiness lost");
    let waiting = &lines.saying("Waiting for readiness")[0];
    for line in [gave_up, lost, waiting] {
        assert_eq!(text(line, "failed_checks"), "upstream: lever is down");
    }
    for line in [gave_up, lost] {
        assert_eq!(text(line, "reason"), "check_failed");
    }
}
