//! All orders in which the steps of small plans can end, and all ways in which each can end.

use super::reference::Reference;
use super::*;

/// Calls `leaf` for every order in which the steps of `plan` can end, and every way each can end.
/// Returns how many there are.
fn every_history(plan: &[Planned], leaf: &mut impl FnMut(&[(usize, bool)], &Bench)) -> usize {
    fn go(
        plan: &[Planned],
        ends: &mut Vec<(usize, bool)>,
        leaf: &mut impl FnMut(&[(usize, bool)], &Bench),
    ) -> usize {
        // A machine cannot be cloned: each branch replays its way from the start.
        let mut bench = Bench::started(plan);
        let mut reference = Reference::started(plan);
        for &(index, well) in ends.iter() {
            bench.end(index, if well { Ok(()) } else { Err("no") });
            reference.end(index, well);
        }
        check(plan, &bench);
        reference.agrees(&bench);
        if bench.machine.state().is_final() {
            leaf(ends, &bench);
            return 1;
        }
        assert!(
            !bench.running.is_empty(),
            "nothing runs and nothing is final: {ends:?}"
        );
        let mut histories = 0;
        for index in bench.running {
            for well in [true, false] {
                ends.push((index, well));
                histories += go(plan, ends, leaf);
                ends.pop();
            }
        }
        histories
    }
    go(plan, &mut Vec::new(), leaf)
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
    let histories = every_history(&plan, &mut |ends, bench| match bench.machine.state() {
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
    println!("explored: a startup of six steps in every order of ends: {histories} histories");
}

/// Three steps, each in the one phase or the other, critical or optional, and after any of the
/// others that it may follow.
fn every_small_plan() -> Vec<Vec<Planned>> {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let mut plans = Vec::new();
    for choice in 0..1_u32 << 12 {
        let bit = |index: usize| choice >> index & 1 == 1;
        let plan: Vec<_> = (0..3)
            .map(|index| Planned {
                phase: [Database, Services][usize::from(bit(index))],
                critical: bit(3 + index),
                name: NAMES[index].to_owned(),
                // The other two steps, by how far they are behind this one.
                after: (1..3)
                    .filter(|behind| bit(5 + 2 * index + behind))
                    .map(|behind| (index + behind) % 3)
                    .collect(),
            })
            .collect();
        if can_be_followed(&plan) {
            plans.push(plan);
        }
    }
    plans
}

/// No step waits for one of a later phase, nor, however indirectly, for itself.
fn can_be_followed(plan: &[Planned]) -> bool {
    let mut free = vec![false; plan.len()];
    for _ in plan {
        for (index, step) in plan.iter().enumerate() {
            let mut others = step.after.iter();
            free[index] = others.all(|&other| plan[other].phase <= step.phase && free[other]);
        }
    }
    free.iter().all(|free| *free)
}

#[test]
fn p1_p2_p6_every_history_of_every_small_plan_keeps_the_rules() {
    let plans = every_small_plan();
    let mut failed = 0;
    let histories: usize = plans
        .iter()
        .map(|plan| {
            every_history(plan, &mut |ends, bench| {
                if matches!(bench.machine.state(), State::Failed(_)) {
                    failed += 1;
                    p6_nothing_starts_any_more(plan, ends);
                }
            })
        })
        .sum();
    assert!(failed > 0);
    let plans = plans.len();
    println!(
        "explored: {plans} startups of three steps in every order of ends: {histories} histories"
    );
}

/// Whatever a failure cut off may still end, in any way: it is only noted.
fn p6_nothing_starts_any_more(plan: &[Planned], ends: &[(usize, bool)]) {
    for well in [true, false] {
        let mut bench = Bench::started(plan);
        let mut reference = Reference::started(plan);
        for &(index, well) in ends {
            bench.end(index, if well { Ok(()) } else { Err("no") });
            reference.end(index, well);
        }
        let events = bench.events();
        assert!(
            events
                .last()
                .is_some_and(|last| last.starts_with("startup failed"))
        );
        for index in reference.cancelled() {
            bench.end(index, if well { Ok(()) } else { Err("no") });
            reference.end(index, well);
            reference.agrees(&bench);
            assert_eq!(bench.events(), events);
        }
    }
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
    let histories = every_history(&plan, &mut |ends, bench| {
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
    println!("explored: the report of a startup in every order of ends: {histories} histories");
}

#[test]
fn the_log_is_bounded_by_the_plan() {
    let plan = [step(Init, "a"), optional(Init, "b"), step(Finalize, "c")];
    every_history(&plan, &mut |_, bench| {
        assert!(bench.machine.log().len() <= 2 * plan.len() + 2 * Phase::COUNT + 2);
    });
}
