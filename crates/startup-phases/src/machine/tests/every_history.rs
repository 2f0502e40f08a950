//! All orders in which the steps of small plans can end, and all ways in which each can end.

use super::*;

/// Calls `leaf` for every order in which the steps of `plan` can end, and every way each can end.
fn every_history(plan: &[Planned], leaf: &mut impl FnMut(&[(usize, bool)], &Bench)) {
    fn go(
        plan: &[Planned],
        ends: &mut Vec<(usize, bool)>,
        leaf: &mut impl FnMut(&[(usize, bool)], &Bench),
    ) {
        // A machine cannot be cloned: each branch replays its way from the start.
        let mut bench = Bench::started(plan);
        for &(index, well) in ends.iter() {
            bench.end(index, if well { Ok(()) } else { Err("no") });
        }
        check(plan, &bench);
        if bench.machine.state().is_final() {
            return leaf(ends, &bench);
        }
        assert!(
            !bench.running.is_empty(),
            "nothing runs and nothing is final: {ends:?}"
        );
        for index in bench.running {
            for well in [true, false] {
                ends.push((index, well));
                go(plan, ends, leaf);
                ends.pop();
            }
        }
    }
    go(plan, &mut Vec::new(), leaf);
}

/// What holds at every moment of every history.
fn check(plan: &[Planned], bench: &Bench) {
    let report = bench.report();
    let state = |index: usize| {
        let planned: &Planned = &plan[index];
        let phase = &report.phases[planned.phase.index()];
        phase
            .steps
            .iter()
            .find(|step| step.name == planned.name)
            .map(|step| step.state)
    };
    for (index, planned) in plan.iter().enumerate() {
        let own = state(index);
        // P1, and `after`.
        if own == Some(StepState::Running) {
            for (other, before) in plan.iter().enumerate() {
                if before.phase < planned.phase || planned.after.contains(&other) {
                    assert!(state(other).is_some_and(StepState::has_ended));
                }
            }
            assert_eq!(*bench.machine.state(), State::Running(planned.phase));
        }
        // P2.
        if planned.critical && own != Some(StepState::Done) {
            let later = Phase::ALL
                .into_iter()
                .filter(|&phase| phase >= planned.phase);
            assert!(
                later
                    .into_iter()
                    .all(|phase| !bench.machine.has_reached(phase))
            );
        }
        // P6.
        if bench.machine.state().is_final() {
            assert_ne!(own, Some(StepState::Running));
        }
    }
}

#[test]
fn p1_p2_every_order_of_ends_keeps_the_rules() {
    let plan = [
        step(Init, "config"),
        optional(Init, "telemetry"),
        step(Database, "pool"),
        after(&[2], step(Database, "migrate")),
        after(&[1], optional(Database, "stats")),
        step(Services, "agents"),
    ];
    let (mut complete, mut failed) = (0, 0);
    every_history(&plan, &mut |ends, bench| match bench.machine.state() {
        State::Complete => {
            complete += 1;
            assert_eq!(ends.len(), plan.len());
            assert!(
                ends.iter()
                    .all(|&(index, well)| well || !plan[index].critical)
            );
            assert!(
                Phase::ALL
                    .into_iter()
                    .all(|phase| bench.machine.has_reached(phase))
            );
        }
        State::Failed(failure) => {
            failed += 1;
            let &(index, well) = ends.last().unwrap();
            assert!(!well && plan[index].critical);
            assert_eq!(failure.step.as_deref(), Some(plan[index].name.as_str()));
        }
        other => panic!("{other}"),
    });
    // 2 orders in init, 3 in database, 1 in services; two optional steps end well or badly.
    assert_eq!(complete, 2 * 3 * 4);
    assert!(failed > complete);
}

#[test]
fn p3_the_same_outcomes_give_the_same_report_in_every_order() {
    let plan = [
        optional(Cache, "redis"),
        step(Cache, "local"),
        optional(Cache, "warmth"),
        optional(Services, "mail"),
    ];
    let mut reports: Vec<(Vec<(usize, bool)>, Report)> = Vec::new();
    every_history(&plan, &mut |ends, bench| {
        if *bench.machine.state() != State::Complete {
            return;
        }
        let mut outcomes = ends.to_vec();
        outcomes.sort_unstable();
        let mut report = bench.report();
        report.elapsed = Duration::ZERO;
        for phase in &mut report.phases {
            (phase.started, phase.duration) = (None, None);
            for step in &mut phase.steps {
                (step.started, step.duration) = (None, None);
            }
        }
        match reports.iter().find(|(known, _)| *known == outcomes) {
            Some((_, first)) => assert_eq!(report, *first, "{ends:?}"),
            None => reports.push((outcomes, report)),
        }
    });
    assert_eq!(reports.len(), 2 * 2 * 2);
}

#[test]
fn the_log_is_bounded_by_the_plan() {
    let plan = [step(Init, "a"), optional(Init, "b"), step(Finalize, "c")];
    every_history(&plan, &mut |_, bench| {
        assert!(bench.machine.log().len() <= 2 * plan.len() + 2 * Phase::COUNT + 2);
    });
}
