//! Random plans, and random histories of each, beside the [`Reference`].

use std::cell::Cell;

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::reference::Reference;
use super::*;

/// Up to a dozen steps, anywhere. A step follows others of its phase and of earlier ones, and may be
/// declared before or behind those it follows.
fn plan() -> impl Strategy<Value = Vec<Planned>> {
    let step = (
        select(Phase::ALL.to_vec()),
        weighted(0.7),
        vec(0..12usize, 0..3),
    );
    (vec(step, 0..12), any::<bool>()).prop_map(|(steps, backwards)| {
        let rank = |index: usize| {
            let place = if backwards {
                steps.len() - index
            } else {
                index
            };
            (steps[index].0, place)
        };
        let planned = |(index, (phase, critical, after)): (usize, &(Phase, bool, Vec<usize>))| {
            let follows = |other: &usize| *other < steps.len() && rank(*other) < rank(index);
            Planned {
                phase: *phase,
                name: format!("step {index}"),
                critical: *critical,
                after: after.iter().copied().filter(follows).collect(),
            }
        };
        steps.iter().enumerate().map(planned).collect()
    })
}

/// Ends one step after the other, and loses the driver at last; returns how many have ended.
fn play(plan: &[Planned], ends: &[(usize, bool)]) -> usize {
    let mut bench = Bench::started(plan);
    let mut reference = Reference::started(plan);
    reference.agrees(&bench);
    let mut count = 0;
    for &(who, well) in ends {
        let could = [reference.running(), reference.cancelled()].concat();
        if could.is_empty() {
            break;
        }
        let index = could[who % could.len()];
        let closed = bench.machine.state().is_final().then(|| bench.events());
        bench.end(index, if well { Ok(()) } else { Err("no") });
        reference.end(index, well);
        reference.agrees(&bench);
        if let Some(events) = closed {
            assert_eq!(bench.events(), events, "the log is closed");
        }
        count += 1;
    }
    let before = bench.machine.state().clone();
    bench.machine.lost("gone", bench.now);
    let after = match before {
        State::Running(phase) => State::Failed(Failure {
            phase,
            step: None,
            error: "gone".to_owned(),
        }),
        over => over,
    };
    assert_eq!(*bench.machine.state(), after);
    count
}

#[test]
fn p1_p2_p6_p7_p10_hold_as_in_the_reference_over_random_plans() {
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let explored = Cell::new(0);
    let ends = vec((0..12usize, weighted(0.9)), 0..16);
    let run = TestRunner::new(config).run(&(plan(), ends), |(plan, ends)| {
        explored.set(explored.get() + play(&plan, &ends));
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
    println!(
        "explored: random startups beside naive rules: {} ends of steps",
        explored.get()
    );
}
