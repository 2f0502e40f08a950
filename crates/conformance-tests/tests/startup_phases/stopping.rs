//! P7, and the second half of P6: what had finished is undone in reverse.

use futures::future::Ready;

use super::*;

#[tokio::test(start_paused = true)]
async fn p6_what_had_finished_is_stopped_in_reverse() {
    use StepState::{Cancelled, Done, Failed, Pending};
    let notes = Notes::default();
    let steps = [
        takes(Phase::Init, "first", ms(1)),
        takes(Phase::Database, "second", ms(1)),
        takes(Phase::Cache, "third", ms(1)),
        hangs(Phase::Cache, "hangs"),
        fails(Phase::Cache, "fails", ms(10)),
        takes(Phase::Cache, "never", ms(1)).after("fails"),
    ];
    let error = fails_to_start(sequence(steps.map(|step| noted_stop(step, &notes)))).await;
    assert_eq!(notes.taken(), ["stop third", "stop second", "stop first"]);
    let stopped: Vec<_> = error
        .stopped()
        .hooks
        .iter()
        .map(|hook| (hook.phase, hook.step.as_str()))
        .collect();
    assert_eq!(
        stopped,
        [
            (Phase::Cache, "third"),
            (Phase::Database, "second"),
            (Phase::Init, "first")
        ]
    );
    assert!(error.stopped().is_clean());
    assert_eq!(
        step_states(error.report(), Phase::Cache),
        [Done, Cancelled, Failed, Pending]
    );
}

#[tokio::test(start_paused = true)]
async fn p6_p7_a_step_that_finished_in_the_moment_of_the_failure_is_stopped_too() {
    let notes = Notes::default();
    let startup = sequence([
        fails(Phase::Init, "fails", ms(10)),
        noted_stop(takes(Phase::Init, "finishes", ms(10)), &notes),
    ]);
    let error = fails_to_start(startup).await;
    assert_eq!(notes.taken(), ["stop finishes"]);
    assert_eq!(
        step_states(error.report(), Phase::Init),
        [StepState::Failed, StepState::Done]
    );
}

#[tokio::test(start_paused = true)]
async fn p7_stop_hooks_run_in_reverse_order_at_shutdown() {
    let notes = Notes::default();
    let steps = [
        takes(Phase::Finalize, "announce", ms(1)),
        takes(Phase::Services, "second", ms(1)).after("first"),
        takes(Phase::Services, "first", ms(50)),
        fails(Phase::Cache, "redis", ms(1)).optional(),
    ];
    let startup = sequence(steps.map(|step| noted_stop(step, &notes)));
    let started = startup.run().await.unwrap();
    assert!(notes.taken().is_empty(), "not before shutdown");
    let stopped = started.stop().await;
    assert_eq!(
        notes.taken(),
        ["stop announce", "stop second", "stop first"]
    );
    assert!(stopped.is_clean());
    assert_eq!(
        stopped.hooks.len(),
        3,
        "a step that failed has nothing to undo"
    );
}

#[tokio::test(start_paused = true)]
async fn p7_a_hook_that_fails_panics_or_hangs_does_not_keep_the_next_from_running() {
    let notes = Notes::default();
    let panics: fn() -> Ready<io::Result<()>> = || panic!("cannot");
    let hang = pending::<io::Result<()>>;
    let startup = sequence([
        noted_stop(takes(Phase::Init, "first", ms(1)), &notes),
        takes(Phase::Database, "panics", ms(1)).on_stop(panics),
        takes(Phase::Cache, "hangs", ms(1)).on_stop(hang),
        takes(Phase::Services, "hangs shortly", ms(1))
            .on_stop(hang)
            .stop_timeout(ms(200)),
        takes(Phase::Finalize, "fails", ms(1)).on_stop(|| async { Err("still busy") }),
    ]);
    let started = startup.run().await.unwrap();
    let begun = Instant::now();
    let stopped = started.stop().await;
    assert_eq!(
        begun.elapsed(),
        ms(5_200),
        "5 s is the limit of a hook that sets none"
    );
    let errors: Vec<_> = stopped
        .hooks
        .iter()
        .map(|hook| hook.error.as_deref())
        .collect();
    assert_eq!(
        errors,
        [
            Some("still busy"),
            Some("not finished within 200ms"),
            Some("not finished within 5s"),
            Some("panicked: cannot"),
            None,
        ]
    );
    assert!(!stopped.is_clean());
    assert_eq!(notes.taken(), ["stop first"]);
    let told = stopped.to_string();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "failed to stop fails in 0.000 s: still busy",
            "failed to stop hangs shortly in 0.200 s: not finished within 200ms",
            "failed to stop hangs in 5.000 s: not finished within 5s",
            "failed to stop panics in 0.000 s: panicked: cannot",
            "stopped first in 0.000 s",
        ]
    );
}
