//! P1, P2, P3 and P8: the order of phases and steps, and what counts as reached.

use startup_phases::{Event, PhaseState, State};

use super::*;

#[tokio::test(start_paused = true)]
async fn p1_a_phase_starts_when_every_step_of_the_one_before_has_ended() {
    let startup = sequence([
        takes(Phase::Services, "agents", ms(1)),
        takes(Phase::Init, "fast", ms(10)),
        takes(Phase::Init, "slow", ms(500)).optional(),
        takes(Phase::Database, "pool", ms(20)),
    ]);
    let watch = startup.watch();
    startup.run().await.unwrap();

    let mut running = 0;
    let mut current = None;
    for Transition { event, .. } in history(watch).await {
        match event {
            Event::PhaseEntered(phase) => {
                assert_eq!(running, 0, "{phase} was entered while steps were running");
                assert_eq!(current, phase.previous());
                current = Some(phase);
            }
            Event::StepStarted { phase, .. } => {
                assert_eq!(Some(phase), current);
                running += 1;
            }
            Event::StepEnded { .. } => running -= 1,
            _ => {}
        }
    }
    assert_eq!(current, Some(Phase::Finalize));
}

#[tokio::test(start_paused = true)]
async fn p1_steps_of_one_phase_run_at_the_same_time_unless_one_follows_another() {
    let startup = sequence([
        takes(Phase::Cache, "third", ms(100))
            .after("first")
            .after("second"),
        takes(Phase::Cache, "first", ms(100)),
        takes(Phase::Cache, "second", ms(150)),
    ]);
    let started = startup.run().await.unwrap();
    let report = started.report();
    let begun: Vec<_> = report.phases[3]
        .steps
        .iter()
        .map(|step| step.started)
        .collect();
    assert_eq!(begun, [Some(ms(150)), Some(ms(0)), Some(ms(0))]);
    assert_eq!(report.elapsed, ms(250));
}

/// The trap: a phase counted as reached when it was entered.
#[tokio::test(start_paused = true)]
async fn p2_a_phase_is_not_reached_while_a_critical_step_runs() {
    let startup = sequence([
        takes(Phase::Services, "agents", ms(3_000)),
        takes(Phase::Services, "models", ms(2_000)),
    ]);
    let watch = startup.watch();
    let run = tokio::spawn(startup.run());

    for _ in 0..29 {
        sleep(ms(100)).await;
        assert_eq!(watch.state(), State::Running(Phase::Services));
        assert!(!watch.has_reached(Phase::Services));
        assert_eq!(watch.last_reached(), Some(Phase::Cache));
        assert!(watch.reached(Phase::Services).now_or_never().is_none());
        assert!(watch.reached(Phase::Cache).now_or_never().is_some());
        assert_eq!(watch.report().phases[4].state, PhaseState::Running);
    }
    let before = Instant::now();
    watch.reached(Phase::Services).await.unwrap();
    assert_eq!(
        before.elapsed(),
        ms(100),
        "at the transition, neither before nor after it"
    );
    assert!(watch.has_reached(Phase::Services));
    run.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn p2_no_phase_is_told_as_reached_before_its_critical_steps_have_ended() {
    let steps = [
        ("config", Phase::Init),
        ("pool", Phase::Database),
        ("schema", Phase::Database),
        ("announce", Phase::Finalize),
    ];
    let startup = sequence(steps.map(|(name, phase)| takes(phase, name, ms(name.len() as u64))));
    let watch = startup.watch();
    startup.run().await.unwrap();
    let mut unfinished = steps.to_vec();
    let mut reached = Vec::new();
    for Transition { event, .. } in history(watch).await {
        match event {
            Event::StepEnded { step, .. } => unfinished.retain(|(name, _)| *name != step),
            Event::PhaseReached { phase, .. } => {
                assert!(unfinished.iter().all(|(_, other)| *other > phase));
                reached.push(phase);
            }
            _ => {}
        }
    }
    assert_eq!(reached, Phase::ALL);
}

#[tokio::test(start_paused = true)]
async fn p2_a_phase_is_reached_although_an_optional_step_still_runs() {
    let startup = sequence([
        takes(Phase::Websocket, "routes", ms(10)),
        takes(Phase::Websocket, "warmth", ms(1_000)).optional(),
    ]);
    let watch = startup.watch();
    let begun = Instant::now();
    let run = tokio::spawn(startup.run());
    watch.reached(Phase::Websocket).await.unwrap();
    assert_eq!(begun.elapsed(), ms(10));
    assert_eq!(watch.state(), State::Running(Phase::Websocket));
    watch.complete().await.unwrap();
    assert_eq!(begun.elapsed(), ms(1_000));
    run.await.unwrap().unwrap();
}

/// The steps end in the same order each time, after other times and on other tasks.
async fn events_and_report(jitter: u64, elsewhere: bool) -> (Vec<String>, Report) {
    let startup = sequence([("a", 30), ("b", 10), ("c", 20)].map(|(name, time)| {
        let time = ms(time + jitter);
        Step::new(Phase::Services, name, move || async move {
            if elsewhere {
                return tokio::spawn(sleep(time)).await;
            }
            sleep(time).await;
            Ok(())
        })
    }));
    let watch = startup.watch();
    let report = without_times(startup.run().await.expect("no step fails").report().clone());
    let in_short = |transition: Transition| match transition.event {
        Event::StepEnded { step, .. } => format!("ended {step}"),
        Event::PhaseReached { phase, .. } => format!("reached {phase}"),
        other => format!("{other:?}"),
    };
    (
        history(watch).await.into_iter().map(in_short).collect(),
        report,
    )
}

#[tokio::test(start_paused = true)]
async fn p3_the_same_order_of_ends_gives_the_same_events_and_report() {
    let first = events_and_report(0, false).await;
    for jitter in 1..8 {
        assert_eq!(events_and_report(jitter, jitter % 2 == 0).await, first);
    }
    let ended: Vec<_> = first
        .0
        .iter()
        .filter(|event| event.starts_with("ended"))
        .collect();
    assert_eq!(ended, ["ended b", "ended c", "ended a"]);
    let names: Vec<_> = first.1.phases[4]
        .steps
        .iter()
        .map(|step| step.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["a", "b", "c"],
        "reports list steps in declared order"
    );
}

#[tokio::test(start_paused = true)]
async fn p3_other_orders_of_ends_give_the_same_report() {
    let mut reports = Vec::new();
    for times in [[10, 20, 30], [30, 20, 10], [20, 30, 10], [10, 10, 10]] {
        let [a, b, c] = times.map(ms);
        let startup = sequence([
            takes(Phase::Cache, "a", a),
            fails(Phase::Cache, "b", b).optional(),
            takes(Phase::Cache, "c", c),
        ]);
        reports.push(without_times(startup.run().await.unwrap().report().clone()));
    }
    assert!(reports.iter().all(|report| *report == reports[0]));
}

#[tokio::test(start_paused = true)]
async fn p8_the_state_is_unknown_until_the_sequence_is_started() {
    let startup = sequence([takes(Phase::Init, "config", ms(1))]);
    let mut watch = startup.watch();
    let run = startup.run();
    sleep(ms(60_000)).await;
    assert_eq!(watch.state(), State::Unknown);
    assert_eq!(watch.last_reached(), None);
    assert!(
        Phase::ALL
            .into_iter()
            .all(|phase| !watch.has_reached(phase))
    );
    assert!(watch.next().now_or_never().is_none());
    assert!(watch.changed().now_or_never().is_none());
    assert!(watch.reached(Phase::Init).now_or_never().is_none());
    let report = watch.report();
    assert_eq!(
        (report.state, report.elapsed),
        (State::Unknown, Duration::ZERO)
    );
    assert!(
        report
            .phases
            .iter()
            .all(|phase| phase.state == PhaseState::Pending)
    );
    run.await.unwrap();
    assert_eq!(watch.state(), State::Complete);
}
