use super::*;
use crate::Phase::{Cache, Database, Finalize, Init, Services};

mod every_history;
mod properties;
mod reference;

/// A machine and the clock it is shown: one millisecond passes before each call.
struct Bench {
    machine: Machine,
    now: Instant,
    running: Vec<usize>,
}

impl Bench {
    fn new(plan: &[Planned]) -> Self {
        let now = tokio::time::Instant::now().into_std();
        Self {
            machine: Machine::new(plan.to_vec()),
            now,
            running: Vec::new(),
        }
    }

    fn started(plan: &[Planned]) -> Self {
        let mut bench = Self::new(plan);
        let next = bench.machine.start(bench.now);
        bench.follow(next);
        bench
    }

    fn end(&mut self, index: usize, outcome: Result<(), &str>) {
        self.now += Duration::from_millis(1);
        self.running.retain(|&running| running != index);
        let next = self
            .machine
            .ended(index, outcome.map_err(str::to_owned), self.now);
        self.follow(next);
    }

    fn follow(&mut self, next: Next) {
        match next {
            Next::Run(ready) => self.running.extend(ready),
            Next::Complete | Next::Failed => self.running.clear(),
        }
    }

    /// The history in short, without what follows from the rest.
    fn events(&self) -> Vec<String> {
        let short = |transition: &Transition| match &transition.event {
            Event::Started => "start".to_owned(),
            Event::PhaseEntered(phase) => format!("enter {phase}"),
            Event::StepStarted { step, .. } => format!("run {step}"),
            Event::StepEnded {
                step,
                outcome: Ok(()),
                ..
            } => format!("done {step}"),
            Event::StepEnded {
                step,
                outcome: Err(error),
                ..
            } => format!("{step}: {error}"),
            Event::PhaseReached { phase, .. } => format!("reach {phase}"),
            Event::Completed => "complete".to_owned(),
            Event::Failed(failure) => failure.to_string(),
        };
        self.machine.log().iter().map(short).collect()
    }

    fn report(&self) -> Report {
        self.machine.report(self.now)
    }
}

fn step(phase: Phase, name: &str) -> Planned {
    Planned {
        phase,
        name: name.to_owned(),
        critical: true,
        after: Vec::new(),
    }
}

fn optional(phase: Phase, name: &str) -> Planned {
    Planned {
        critical: false,
        ..step(phase, name)
    }
}

fn after(others: &[usize], planned: Planned) -> Planned {
    Planned {
        after: others.to_vec(),
        ..planned
    }
}

#[test]
fn p3_the_order_of_ends_determines_the_history() {
    let plan = [
        step(Init, "a"),
        step(Init, "b"),
        after(&[0], step(Init, "c")),
        step(Finalize, "d"),
    ];
    let mut bench = Bench::started(&plan);
    for index in [1, 0, 2, 3] {
        bench.end(index, Ok(()));
    }
    assert_eq!(
        bench.events(),
        [
            "start",
            "enter init",
            "run a",
            "run b",
            "done b",
            "done a",
            "run c",
            "done c",
            "reach init",
            "enter dependencies",
            "reach dependencies",
            "enter database",
            "reach database",
            "enter cache",
            "reach cache",
            "enter services",
            "reach services",
            "enter websocket",
            "reach websocket",
            "enter finalize",
            "run d",
            "done d",
            "reach finalize",
            "complete",
        ]
    );
}

#[test]
fn without_steps_startup_is_complete_at_once() {
    let bench = Bench::started(&[]);
    assert_eq!(*bench.machine.state(), State::Complete);
    assert_eq!(bench.machine.log().len(), 1 + 2 * 7 + 1);
    assert!(
        bench
            .machine
            .log()
            .iter()
            .all(|transition| transition.at.is_zero())
    );
}

#[test]
fn p2_an_optional_step_delays_the_next_phase_but_not_reached() {
    let mut bench = Bench::started(&[
        step(Cache, "local"),
        optional(Cache, "redis"),
        step(Services, "agents"),
    ]);
    bench.end(0, Ok(()));
    assert!(bench.machine.has_reached(Cache));
    assert_eq!(*bench.machine.state(), State::Running(Cache));
    assert_eq!(bench.running, [1]);
    bench.end(1, Ok(()));
    assert_eq!(*bench.machine.state(), State::Running(Services));
}

#[test]
fn p4_a_step_may_follow_an_optional_one_that_failed() {
    let mut bench = Bench::started(&[optional(Init, "vault"), after(&[0], step(Init, "config"))]);
    assert_eq!(bench.running, [0]);
    bench.end(0, Err("sealed"));
    assert_eq!(bench.running, [1]);
    bench.end(1, Ok(()));
    let report = bench.report();
    assert_eq!(report.state, State::Complete);
    let [degraded] = report.degraded.as_slice() else {
        panic!("{report}")
    };
    assert_eq!(
        (degraded.step.as_str(), degraded.error.as_str()),
        ("vault", "sealed")
    );
}

#[test]
fn p6_a_failure_is_the_last_event_and_starts_nothing() {
    let mut bench = Bench::started(&[
        step(Init, "a"),
        step(Init, "b"),
        after(&[0], step(Init, "c")),
    ]);
    bench.end(0, Err("broken"));
    assert_eq!(
        bench.events()[4..],
        ["a: broken", "startup failed in phase init, step a: broken"]
    );
    let states: Vec<StepState> = bench.report().phases[0]
        .steps
        .iter()
        .map(|step| step.state)
        .collect();
    assert_eq!(
        states,
        [StepState::Failed, StepState::Cancelled, StepState::Pending]
    );
}

#[test]
fn p6_a_step_that_finished_before_its_cancellation_is_stopped_too() {
    let mut bench = Bench::started(&[step(Init, "a"), step(Init, "b"), step(Init, "c")]);
    bench.end(1, Ok(()));
    bench.end(0, Err("broken"));
    assert_eq!(bench.machine.to_stop(), [1]);
    let length = bench.machine.log().len();
    bench.end(2, Ok(()));
    assert_eq!(bench.machine.to_stop(), [2, 1]);
    assert_eq!(bench.machine.log().len(), length, "the log is closed");
}

#[test]
fn p7_steps_are_stopped_in_reverse_order_of_their_start() {
    let mut bench = Bench::started(&[
        step(Services, "late"),
        after(&[2], step(Init, "second")),
        step(Init, "first"),
    ]);
    for index in [2, 1, 0] {
        bench.end(index, Ok(()));
    }
    assert_eq!(bench.machine.to_stop(), [0, 1, 2]);
}

#[test]
fn p9_running_steps_are_in_the_report_with_what_they_took_so_far() {
    let mut bench = Bench::started(&[step(Init, "a"), step(Init, "b")]);
    bench.machine.attempted(0);
    bench.end(1, Ok(()));
    bench.now += Duration::from_millis(9);
    let report = bench.report();
    let [a, b] = report.phases[0].steps.as_slice() else {
        panic!("{report}")
    };
    assert_eq!((a.state, a.attempts), (StepState::Running, 2));
    assert_eq!(a.duration, Some(Duration::from_millis(10)));
    assert_eq!(
        (b.state, b.duration),
        (StepState::Done, Some(Duration::from_millis(1)))
    );
    let states: Vec<_> = report.phases.iter().map(|phase| phase.state).collect();
    assert_eq!(states[..2], [PhaseState::Running, PhaseState::Pending]);
    assert_eq!(report.elapsed, Duration::from_millis(10));
}

#[test]
fn p9_a_step_at_work_is_in_the_report_with_what_its_last_attempt_failed_with() {
    let mut bench = Bench::started(&[
        step(Init, "well"),
        optional(Init, "optional"),
        step(Init, "badly"),
        step(Init, "cancelled"),
    ]);
    let length = bench.machine.log().len();
    for index in 0..4 {
        bench.machine.attempt_failed(index, "starting".to_owned());
        bench.machine.attempt_failed(index, "refused".to_owned());
    }
    let errors = |bench: &Bench| {
        let steps = bench.report().phases.swap_remove(0).steps;
        steps.into_iter().map(|step| step.error).collect::<Vec<_>>()
    };
    let refused = Some("refused".to_owned());
    assert_eq!(errors(&bench), vec![refused.clone(); 4]);
    assert_eq!(bench.report().degraded, [], "it may yet succeed (P4)");
    assert_eq!(bench.machine.log().len(), length, "nothing has happened");

    bench.end(0, Ok(()));
    bench.end(1, Ok(()));
    bench.end(2, Err("not ready within 1s"));
    bench.machine.attempt_failed(0, "late".to_owned());
    bench.machine.attempt_failed(3, "late".to_owned());
    let failed = Some("not ready within 1s".to_owned());
    assert_eq!(errors(&bench), [None, None, failed, refused]);
    assert_eq!(bench.report().degraded, []);
}

#[test]
fn p9_the_history_tells_how_long_each_step_and_each_phase_took() {
    let mut bench = Bench::started(&[step(Init, "a"), step(Cache, "b")]);
    bench.end(0, Ok(()));
    bench.now += Duration::from_millis(9);
    bench.end(1, Ok(()));
    let took = |transition: &Transition| match transition.event {
        Event::StepEnded { duration, .. } => Some(duration.as_millis()),
        Event::PhaseReached { phase, duration } if [Init, Cache].contains(&phase) => {
            Some(duration.as_millis())
        }
        _ => None,
    };
    let took: Vec<_> = bench.machine.log().iter().filter_map(took).collect();
    assert_eq!(took, [1, 1, 10, 10]);
}

#[test]
fn p4_a_step_that_failed_startup_has_not_degraded_it() {
    let mut bench = Bench::started(&[step(Init, "a")]);
    bench.end(0, Err("broken"));
    assert_eq!(bench.report().degraded, []);
}

#[test]
fn p10_losing_the_driver_fails_what_is_not_over() {
    let mut unknown = Bench::new(&[step(Init, "a")]);
    unknown.machine.lost("dropped", unknown.now);
    assert_eq!(unknown.events(), ["startup failed in phase init: dropped"]);

    let mut running = Bench::started(&[step(Cache, "a")]);
    running.machine.lost("dropped", running.now);
    let lost = Failure {
        phase: Cache,
        step: None,
        error: "dropped".to_owned(),
    };
    assert_eq!(*running.machine.state(), State::Failed(lost));
    assert_eq!(
        running.report().phases[Cache.index()].state,
        PhaseState::Failed
    );

    let mut complete = Bench::started(&[]);
    complete.machine.lost("dropped", complete.now);
    assert_eq!(*complete.machine.state(), State::Complete);
}
