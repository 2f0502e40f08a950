//! P9: what happened, live and at the end, as values, as JSON and as text.

use serde_json::{Value, json};
use startup_phases::PhaseState;

use super::*;

#[tokio::test(start_paused = true)]
async fn p9_the_report_has_start_duration_attempts_and_outcome_of_everything() {
    let (upstream, _) = polls(&[], 4);
    let startup = sequence([
        takes(Phase::Init, "config", ms(40)),
        upstream,
        fails(Phase::Cache, "redis", ms(60)).optional(),
    ]);
    let started = startup.run().await.unwrap();
    let report = started.report();
    let config = &report.phases[0].steps[0];
    assert_eq!(
        (config.started, config.duration),
        (Some(ms(0)), Some(ms(40)))
    );
    assert_eq!(
        (config.state, config.attempts, config.critical),
        (StepState::Done, 1, true)
    );
    let upstream = &report.phases[1].steps[0];
    assert_eq!(
        (upstream.started, upstream.duration),
        (Some(ms(40)), Some(ms(300)))
    );
    assert_eq!(upstream.attempts, 4);
    let redis = &report.phases[3].steps[0];
    assert_eq!((redis.state, redis.critical), (StepState::Failed, false));
    assert_eq!(redis.error.as_deref(), Some("out of order"));
    let dependencies = &report.phases[1];
    assert_eq!(dependencies.state, PhaseState::Reached);
    assert_eq!(
        (dependencies.started, dependencies.duration),
        (Some(ms(40)), Some(ms(300)))
    );
    assert_eq!(
        report.phases[2].duration,
        Some(ms(0)),
        "a phase without steps takes no time"
    );
    assert_eq!(report.elapsed, ms(400));
}

#[tokio::test(start_paused = true)]
async fn p9_the_report_is_live() {
    let (upstream, _) = polls(&[], 0);
    let startup = sequence([upstream, takes(Phase::Services, "agents", ms(1))]);
    let watch = startup.watch();
    let run = tokio::spawn(startup.run());
    sleep(ms(1_050)).await;
    let report = watch.report();
    let upstream = &report.phases[1].steps[0];
    assert_eq!(
        (upstream.state, upstream.attempts),
        (StepState::Running, 11)
    );
    assert_eq!(upstream.duration, Some(ms(1_050)));
    assert_eq!(report.phases[4].steps[0].state, StepState::Pending);
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn p9_a_step_at_work_tells_why_its_last_attempt_failed_until_it_succeeds() {
    let (upstream, _) = polls(&[0, 0, 40], 4);
    let startup = sequence([upstream, hangs(Phase::Services, "agents")]);
    let mut watch = startup.watch();
    let run = tokio::spawn(startup.run());
    let told = |watch: &PhaseWatch| {
        let step = watch.report().phases.swap_remove(1).steps.swap_remove(0);
        (step.state, step.attempts, step.error)
    };
    sleep(ms(50)).await;
    watch.changed().await;
    let first = Some("attempt 1".to_owned());
    assert_eq!(told(&watch), (StepState::Running, 1, first));
    // While the third attempt is under way, the second one's error is the last there is.
    sleep(ms(170)).await;
    let second = Some("attempt 2".to_owned());
    assert_eq!(told(&watch), (StepState::Running, 3, second));
    let timeline = watch.report().to_string();
    assert!(timeline.contains("└ attempt 2"), "{timeline}");
    sleep(ms(30)).await;
    let upstream = &as_json(&watch)["phases"][1]["steps"][0];
    assert_eq!(upstream["error"], "attempt 3");
    let is_woken = watch.changed().now_or_never().is_some();
    assert!(!is_woken, "an attempt is no transition");
    watch.reached(Phase::Dependencies).await.unwrap();
    assert_eq!(told(&watch), (StepState::Done, 4, None));
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn p4_p9_an_optional_step_whose_attempts_fail_has_degraded_nothing_yet() {
    let (upstream, _) = polls(&[], 4);
    let startup = sequence([upstream.optional()]);
    let watch = startup.watch();
    let run = tokio::spawn(startup.run());
    sleep(ms(50)).await;
    assert_eq!(watch.report().degraded, []);
    assert!(run.await.unwrap().unwrap().report().degraded.is_empty());
}

fn as_json(watch: &PhaseWatch) -> Value {
    serde_json::to_value(watch.report()).expect("a report is plain data")
}

#[tokio::test(start_paused = true)]
async fn p9_the_report_serializes_as_documented() {
    let startup = sequence([
        takes(Phase::Init, "config", ms(4)),
        fails(Phase::Dependencies, "vault", ms(3)).optional(),
        takes(Phase::Database, "pool", ms(2_000)),
    ]);
    let watch = startup.watch();
    let run = tokio::spawn(startup.run());
    sleep(ms(1_007)).await;
    let mut live = as_json(&watch);
    let phases = live["phases"].take();
    assert_eq!(
        live,
        json!({
            "state": "running", "phase": "database", "phase_number": 3, "elapsed_seconds": 1.007,
            "failed": null, "phases": null,
            "degraded": [{"phase": "dependencies", "step": "vault", "error": "out of order"}],
        })
    );
    assert_eq!(
        phases[0],
        json!({
            "phase": "init", "state": "reached", "started_seconds": 0.0, "duration_seconds": 0.004,
            "steps": [{"name": "config", "critical": true, "state": "done", "attempts": 1,
                       "started_seconds": 0.0, "duration_seconds": 0.004, "error": null}],
        })
    );
    assert_eq!(phases[1]["steps"][0]["state"], "failed");
    assert_eq!(phases[2]["state"], "running");
    assert_eq!(
        phases[6],
        json!({
            "phase": "finalize", "state": "pending", "started_seconds": null,
            "duration_seconds": null, "steps": [],
        })
    );
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn p8_p9_p10_unknown_and_failed_serialize_as_documented() {
    let startup = sequence([hangs(Phase::Database, "pool")]);
    let watch = startup.watch();
    let unknown = as_json(&watch);
    assert_eq!(unknown["state"], "unknown");
    assert_eq!(unknown["phase"], Value::Null);
    assert_eq!(unknown["phase_number"], Value::Null);
    assert_eq!(watch.state().to_string(), "unknown");

    let run = tokio::spawn(startup.run());
    watch.reached(Phase::Dependencies).await.unwrap();
    assert_eq!(watch.state().to_string(), "running (phase 3 database)");
    run.abort();
    let failure = watch.complete().await.unwrap_err();
    assert_eq!(watch.state().to_string(), format!("failed ({failure})"));
    let failed = as_json(&watch);
    assert_eq!(failed["state"], "failed");
    assert_eq!(
        (&failed["phase"], &failed["phase_number"]),
        (&json!("database"), &json!(3))
    );
    let expected = json!({"phase": "database", "step": null, "error": failure.error});
    assert_eq!(failed["failed"], expected);
    assert_eq!(failed["phases"][2]["state"], "failed");
    assert_eq!(failed["phases"][2]["steps"][0]["state"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn p9_the_timeline_has_a_line_for_every_phase_and_step() {
    let startup = sequence([
        takes(Phase::Init, "config", ms(40)),
        fails(Phase::Cache, "redis", ms(60)).optional(),
    ]);
    let timeline = startup.run().await.unwrap().to_string();
    for phase in Phase::ALL {
        let name = format!("{} {phase}", phase.number());
        assert!(
            timeline.lines().any(|line| line.starts_with(&name)),
            "{timeline}"
        );
    }
    for word in ["config", "redis", "degraded", "out of order", "0.040 s"] {
        assert!(timeline.contains(word), "{word} is missing:\n{timeline}");
    }
    assert!(
        timeline.lines().all(|line| line.chars().count() <= 100),
        "{timeline}"
    );
}
