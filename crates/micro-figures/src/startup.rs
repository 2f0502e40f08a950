//! The calls of a startup and of its guard.

use std::convert::Infallible;
use std::hint::black_box;

use futures::FutureExt;
use readiness_guard::{Environment, GuardConfig, ReadinessGuard, Vars, Verdict};
use startup_phases::{Phase, Sequence, SequenceBuilder, Step};
use tokio::runtime::Runtime;

use crate::Call;

/// So many startups are there to be run.
const STARTUPS: usize = 100;
const STEPS: usize = 10;

/// Runs a startup of ten steps that have nothing to do: each is started, ends and is recorded.
pub(crate) fn startup(runtime: &'static Runtime) -> Call {
    let mut startups = (0..STARTUPS).map(|_| sequence(STEPS)).collect::<Vec<_>>();
    Box::new(move || {
        let startup = startups.pop().expect("no more calls than startups");
        let started = runtime.block_on(startup.run());
        black_box(started.expect("no step fails"));
    })
}

/// One look of a guard behind whose startup nothing is missing.
pub(crate) fn guard(runtime: &'static Runtime) -> Call {
    let startup = sequence(1);
    let environment = Environment::from_vars(&Vars::default());
    let config = GuardConfig::for_environment(&environment);
    let guard = ReadinessGuard::new(startup.watch(), config);
    let started = runtime.block_on(startup.run()).expect("no step fails");
    Box::new(move || {
        let _keep = &started;
        let verdict = black_box(&guard).wait().now_or_never();
        assert!(matches!(verdict, Some(Verdict::Ready(_))), "it is ready");
    })
}

fn sequence(steps: usize) -> Sequence {
    let steps = (0..steps).map(|number| {
        let nothing = || async { Ok::<(), Infallible>(()) };
        Step::new(Phase::Services, format!("step-{number}"), nothing)
    });
    let builder = steps.fold(Sequence::builder(), SequenceBuilder::step);
    builder.build().expect("steps of different names")
}
