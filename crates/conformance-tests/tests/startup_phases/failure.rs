//! P4, P6 and P10: what fails startup, who is told, and that nothing else makes it ready.

use std::error::Error;

use futures::future::Ready;
use futures::poll;
use startup_phases::{Event, Failure, State};

use super::*;

#[tokio::test(start_paused = true)]
async fn p4_an_optional_failure_degrades_and_startup_goes_on() {
    let panics: fn() -> Ready<io::Result<()>> = || panic!("no such thing");
    let startup = sequence([
        fails(Phase::Cache, "errs", ms(1)).optional(),
        hangs(Phase::Cache, "hangs").optional().timeout(ms(500)),
        Step::new(Phase::Cache, "panics", panics).optional(),
        takes(Phase::Cache, "follows", ms(1)).after("hangs"),
        takes(Phase::Services, "agents", ms(1)),
    ]);
    let watch = startup.watch();
    let started = startup.run().await.unwrap();
    let report = started.report();
    assert_eq!(report.state, State::Complete);
    let degraded: Vec<(Phase, &str, &str)> = report
        .degraded
        .iter()
        .map(|lost| (lost.phase, lost.step.as_str(), lost.error.as_str()))
        .collect();
    assert_eq!(
        degraded,
        [
            (Phase::Cache, "errs", "out of order"),
            (Phase::Cache, "hangs", "not finished within 500ms"),
            (Phase::Cache, "panics", "panicked: no such thing"),
        ]
    );
    assert_eq!(watch.report().degraded, report.degraded);
}

#[tokio::test(start_paused = true)]
async fn p4_p6_the_first_critical_failure_ends_startup_and_starts_nothing_more() {
    let notes = Notes::default();
    let never = |phase, name| {
        let notes = notes.clone();
        Step::new(phase, name, move || async move {
            notes.note(name);
            Ok::<_, io::Error>(())
        })
    };
    let startup = sequence([
        fails(Phase::Database, "pool", ms(5)),
        never(Phase::Database, "schema").after("pool"),
        never(Phase::Services, "agents"),
    ]);
    let watch = startup.watch();
    let error = fails_to_start(startup).await;
    let expected = Failure {
        phase: Phase::Database,
        step: Some("pool".to_owned()),
        error: "out of order".to_owned(),
    };
    assert_eq!(*error.failure(), expected);
    assert_eq!(error.report().state, State::Failed(expected.clone()));
    assert!(notes.taken().is_empty());
    assert_eq!(
        history(watch).await.pop().unwrap().event,
        Event::Failed(expected)
    );
}

#[tokio::test(start_paused = true)]
async fn p6_a_failure_wakes_every_observer_before_anything_is_stopped() {
    let notes = Notes::default();
    let startup = sequence([
        noted_stop(takes(Phase::Database, "pool", ms(1)), &notes),
        hangs_noted(Phase::Services, "models", &notes),
        fails(Phase::Services, "agents", ms(100)),
    ]);
    let later = [Phase::Services, Phase::Websocket, Phase::Finalize];
    let observers = later.map(|phase| {
        let (watch, notes) = (startup.watch(), notes.clone());
        tokio::spawn(async move {
            let failure = watch.reached(phase).await.unwrap_err();
            notes.note("told");
            failure
        })
    });
    let begun = Instant::now();
    let error = fails_to_start(startup).await;
    assert_eq!(begun.elapsed(), ms(101));
    for observer in observers {
        assert_eq!(observer.await.unwrap(), *error.failure());
    }
    assert_eq!(
        notes.taken(),
        ["told", "told", "told", "cancelled", "stop pool"]
    );
}

#[tokio::test(start_paused = true)]
async fn p6_the_failure_is_visible_to_the_first_stop_hook() {
    let watch = Arc::new(Mutex::new(None::<PhaseWatch>));
    let seen = Arc::new(Mutex::new(None));
    let hook = {
        let (watch, seen) = (Arc::clone(&watch), Arc::clone(&seen));
        move || async move {
            *seen.lock() = watch.lock().as_ref().map(PhaseWatch::state);
            Ok::<_, io::Error>(())
        }
    };
    let startup = sequence([
        takes(Phase::Init, "config", ms(1)).on_stop(hook),
        fails(Phase::Cache, "redis", ms(1)),
    ]);
    *watch.lock() = Some(startup.watch());
    let error = fails_to_start(startup).await;
    assert_eq!(*seen.lock(), Some(State::Failed(error.failure().clone())));
}

#[tokio::test(start_paused = true)]
async fn p6_the_error_names_phase_step_and_cause() {
    let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
    let pool = Step::new(
        Phase::Database,
        "pool",
        move || async move { Err(refused()) },
    );
    let error = fails_to_start(sequence([pool])).await;
    assert_eq!(
        error.to_string(),
        "startup failed in phase database, step pool: connection refused"
    );
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
}

/// Everything a handle tells about a startup whose driver was lost; returns the error.
fn lost_in(phase: Phase, watch: &PhaseWatch) -> String {
    let State::Failed(failure) = watch.state() else {
        panic!("it is {}", watch.state())
    };
    assert_eq!((failure.phase, failure.step), (phase, None));
    assert!(
        watch
            .complete()
            .now_or_never()
            .expect("told at once")
            .is_err()
    );
    assert!(
        watch
            .reached(Phase::Init)
            .now_or_never()
            .expect("told at once")
            .is_err()
    );
    failure.error
}

/// The trap: readiness by destructor, by which also what panicked counts as ready.
#[tokio::test(start_paused = true)]
async fn p10_dropping_the_run_midway_is_failure_and_never_readiness() {
    let notes = Notes::default();
    let startup = sequence([hangs_noted(Phase::Services, "agents", &notes)]);
    let watch = startup.watch();
    let waiting = tokio::spawn({
        let watch = watch.clone();
        async move { watch.reached(Phase::Services).await }
    });
    let mut run = Box::pin(startup.run());
    assert!(poll!(&mut run).is_pending());
    sleep(ms(10)).await;
    drop(run);
    assert!(lost_in(Phase::Services, &watch).contains("dropped"));
    assert!(!watch.has_reached(Phase::Services));
    waiting.await.unwrap().unwrap_err();
    assert_eq!(
        notes.taken(),
        ["cancelled"],
        "nothing runs on behind a failed startup"
    );
}

#[tokio::test(start_paused = true)]
async fn p10_a_panic_of_what_drives_the_sequence_is_failure() {
    let startup = sequence([hangs(Phase::Cache, "redis")]);
    let watch = startup.watch();
    let driver = tokio::spawn(async move {
        let mut run = Box::pin(startup.run());
        assert!(poll!(&mut run).is_pending());
        sleep(ms(5)).await;
        panic!("beside the run");
    });
    watch.complete().await.unwrap_err();
    assert!(driver.await.unwrap_err().is_panic());
    assert!(lost_in(Phase::Cache, &watch).contains("panicked"));
}

#[tokio::test(start_paused = true)]
async fn p10_a_sequence_dropped_before_its_start_has_failed() {
    let built = sequence([takes(Phase::Init, "config", ms(1))]);
    let mut watch = built.watch();
    drop(built);
    assert!(lost_in(Phase::Init, &watch).contains("before it was started"));
    let first = watch.next().await.expect("the failure is a transition");
    assert!(matches!(first.event, Event::Failed(_)));
    assert_eq!(watch.next().await, None);

    let built = sequence([takes(Phase::Init, "config", ms(1))]);
    let watch = built.watch();
    drop(built.run());
    assert!(lost_in(Phase::Init, &watch).contains("before it was started"));
}

#[tokio::test(start_paused = true)]
async fn p10_a_complete_startup_stays_complete_when_all_is_dropped() {
    let startup = sequence([takes(Phase::Init, "config", ms(1))]);
    let watch = startup.watch();
    drop(startup.run().await.unwrap());
    assert_eq!(watch.state(), State::Complete);
}
