//! P4 and P6 as the log tells them. In a process of its own: tracing remembers for each place that
//! logs whether anybody listens, and tests on other threads, where nobody does, would spoil that.

use std::future::pending;
use std::io;

use conformance_tests::log::Log;
use startup_phases::{Phase, Sequence, Step};
use tracing::Level;

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

    let at = |level| log.at(level);
    assert!(
        at(Level::DEBUG).iter().any(|line| line.contains("config")),
        "{log}"
    );
    assert!(at(Level::INFO).is_empty(), "{log}");
    let [warning] = &at(Level::WARN)[..] else {
        panic!("{log}")
    };
    assert!(
        warning.contains("redis") && warning.contains("out of order"),
        "{warning}"
    );
    let [error] = &at(Level::ERROR)[..] else {
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
    let [info] = &log.at(Level::INFO)[..] else {
        panic!("{log}")
    };
    assert!(info.contains("startup stopped"), "{log}");
    assert!(log.at(Level::ERROR).is_empty(), "{log}");
}
