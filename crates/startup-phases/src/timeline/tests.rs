use super::*;
use crate::{Degraded, Failure, Phase};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn phase(
    phase: Phase,
    state: PhaseState,
    from: u64,
    to: u64,
    steps: Vec<StepReport>,
) -> PhaseReport {
    PhaseReport {
        phase,
        state,
        started: Some(ms(from)),
        duration: Some(ms(to - from)),
        steps,
    }
}

fn step(name: &str, state: StepState, from: u64, to: u64) -> StepReport {
    StepReport {
        name: name.to_owned(),
        critical: true,
        state,
        attempts: 1,
        started: Some(ms(from)),
        duration: Some(ms(to - from)),
        error: None,
    }
}

fn pending(phase: Phase) -> PhaseReport {
    let steps = Vec::new();
    PhaseReport {
        phase,
        state: PhaseState::Pending,
        started: None,
        duration: None,
        steps,
    }
}

fn complete() -> Report {
    use PhaseState::Reached;
    use StepState::{Done, Failed};
    let refused = "not ready within 1s; last attempt: connection refused".to_owned();
    let redis = StepReport {
        critical: false,
        attempts: 10,
        error: Some(refused.clone()),
        ..step("redis", Failed, 404, 1_404)
    };
    let postgres = StepReport {
        attempts: 4,
        ..step("postgres", Done, 54, 354)
    };
    let metrics = StepReport {
        critical: false,
        ..step("metrics", Done, 1_404, 1_504)
    };
    Report {
        state: State::Complete,
        elapsed: ms(4_504),
        degraded: vec![Degraded {
            phase: Phase::Cache,
            step: "redis".to_owned(),
            error: refused,
        }],
        phases: vec![
            phase(Phase::Init, Reached, 0, 4, vec![step("config", Done, 0, 4)]),
            phase(
                Phase::Dependencies,
                Reached,
                4,
                54,
                vec![step("dns", Done, 4, 54)],
            ),
            phase(
                Phase::Database,
                Reached,
                54,
                404,
                vec![postgres, step("migrations", Done, 354, 404)],
            ),
            phase(Phase::Cache, Reached, 404, 1_404, vec![redis]),
            phase(
                Phase::Services,
                Reached,
                1_404,
                4_404,
                vec![step("agents", Done, 1_404, 4_404), metrics],
            ),
            phase(Phase::Websocket, Reached, 4_404, 4_404, vec![]),
            phase(
                Phase::Finalize,
                Reached,
                4_404,
                4_504,
                vec![step("announce", Done, 4_404, 4_504)],
            ),
        ],
    }
}

fn failed() -> Report {
    use StepState::{Cancelled, Failed};
    let cause = "not ready within 2s; last attempt: connection refused (os error 111)".to_owned();
    let postgres = StepReport {
        attempts: 20,
        error: Some(cause.clone()),
        ..step("postgres", Failed, 4, 2_004)
    };
    let waiting = StepReport {
        state: StepState::Pending,
        started: None,
        duration: None,
        attempts: 0,
        ..step("migrations", Cancelled, 0, 0)
    };
    let failure = Failure {
        phase: Phase::Database,
        step: Some("postgres".to_owned()),
        error: cause,
    };
    let steps = vec![postgres, step("replica", Cancelled, 4, 2_004), waiting];
    let mut phases = vec![
        phase(Phase::Init, PhaseState::Reached, 0, 4, vec![]),
        phase(Phase::Dependencies, PhaseState::Reached, 4, 4, vec![]),
        phase(Phase::Database, PhaseState::Failed, 4, 2_004, steps),
    ];
    phases.extend(Phase::ALL[3..].iter().copied().map(pending));
    Report {
        state: State::Failed(failure),
        elapsed: ms(2_004),
        degraded: vec![],
        phases,
    }
}

#[test]
fn p9_a_complete_startup_reads_like_this() {
    assert_eq!(
        complete().to_string(),
        include_str!("complete.txt").trim_end()
    );
}

#[test]
fn p9_a_failed_startup_reads_like_this() {
    assert_eq!(failed().to_string(), include_str!("failed.txt").trim_end());
}

#[test]
fn the_readme_shows_the_timeline_as_it_is() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&complete().to_string()));
}

#[test]
fn before_its_start_there_is_nothing_to_draw() {
    let phases = Phase::ALL.into_iter().map(pending).collect();
    let state = State::Unknown;
    let report = Report {
        state,
        elapsed: Duration::ZERO,
        degraded: vec![],
        phases,
    };
    assert_eq!(report.to_string(), "startup has not begun");
}

#[test]
fn no_name_and_no_error_breaks_the_width_or_the_line() {
    let mut report = complete();
    let step = &mut report.phases[3].steps[0];
    step.name = "a-name-that-goes-on-and-on-and-on\nand on".to_owned();
    step.error = Some("first line\nsecond line\t".repeat(20));
    step.attempts = u32::MAX;
    report.degraded[0].step = "x".repeat(200);
    let text = report.to_string();
    assert_eq!(text.lines().count(), complete().to_string().lines().count());
    assert!(
        text.lines().all(|line| line.chars().count() <= WIDTH),
        "{text}"
    );
}

#[test]
fn every_bar_is_visible_and_inside_the_axis() {
    let total = ms(1_000);
    for from in (0..=1_000).step_by(10) {
        for to in (from..=1_000).step_by(10) {
            let bar = bar('x', ms(from), ms(to), total);
            assert!(bar.ends_with('x') && bar.len() <= BAR, "{from} {to}: {bar}");
        }
    }
    assert_eq!(bar('x', ms(0), ms(0), ms(0)), "x");
}
