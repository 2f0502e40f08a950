//! P4 and P6 as the log tells them. In a process of its own: tracing remembers for each place that
//! logs whether anybody listens, and tests on other threads, where nobody does, would spoil that.

use std::future::pending;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use startup_phases::{Phase, Sequence, Step};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().push_str(&String::from_utf8_lossy(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What is logged on this thread, as long as the guard lives.
    fn of_this_thread() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }
}

#[tokio::test(start_paused = true)]
async fn p4_p6_the_log_is_quiet_where_all_is_well_and_loud_where_it_is_not() {
    let (log, _logging) = Log::of_this_thread();
    let works = || async { Ok::<_, io::Error>(()) };
    let fails = || async { Err("out of order") };
    let startup = Sequence::builder()
        .step(Step::new(Phase::Init, "config", works))
        .step(Step::new(Phase::Cache, "redis", fails).optional())
        .step(Step::new(Phase::Services, "agents", fails))
        .build()
        .unwrap();
    startup.run().await.unwrap_err();

    let log = log.0.lock();
    let at = |level: &str| -> Vec<&str> {
        log.lines()
            .filter(|line| line.trim_start().starts_with(level))
            .collect()
    };
    assert!(
        at("DEBUG").iter().any(|line| line.contains("config")),
        "{log}"
    );
    assert!(at("INFO").is_empty(), "{log}");
    let [warning] = at("WARN")[..] else {
        panic!("{log}")
    };
    assert!(
        warning.contains("redis") && warning.contains("out of order"),
        "{warning}"
    );
    let [error] = at("ERROR")[..] else {
        panic!("{log}")
    };
    assert!(
        error.contains("agents") && error.contains("services"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn p6_a_startup_that_was_told_to_stop_is_no_error_in_the_log() {
    let (log, _logging) = Log::of_this_thread();
    let works = pending::<Result<(), io::Error>>;
    let startup = Sequence::builder().step(Step::new(Phase::Init, "config", works));
    let stopped = startup.build().unwrap().run_until(async {}).await;
    stopped.unwrap_err();
    let log = log.0.lock();
    assert!(
        log.contains("INFO") && log.contains("startup stopped"),
        "{log}"
    );
    assert!(!log.contains("ERROR"), "{log}");
}
