//! G1 to G9: the readiness guard. All time here is virtual, so durations are exact.

use std::future::{pending, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use futures::FutureExt;
use readiness_guard::{
    Environment, GuardConfig, NotReady, ReadinessCheck, ReadinessGuard, Ready, Vars, Verdict,
};
use startup_phases::{Phase, PhaseWatch, Sequence, Step};
use tokio::time::sleep;

mod checks;
mod environment;
mod logs;
mod time;
mod unseen;
mod verdicts;

type Answer = Result<(), String>;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn environment(vars: &[(&str, &str)]) -> Environment {
    Environment::from_vars(&vars.iter().copied().collect::<Vars>())
}

fn config(vars: &[(&str, &str)]) -> GuardConfig {
    GuardConfig::for_environment(&environment(vars))
}

fn production() -> GuardConfig {
    config(&[])
}

fn guard_of(phases: PhaseWatch, config: GuardConfig) -> ReadinessGuard {
    logs::Lines::subscribe();
    ReadinessGuard::new(phases, config)
}

/// Runs one step for each phase named, which takes that long.
fn start<const N: usize>(steps: [(Phase, Duration); N]) -> PhaseWatch {
    run(steps
        .into_iter()
        .fold(Sequence::builder(), |sequence, (phase, duration)| {
            sequence.step(Step::new(phase, phase.as_str(), move || {
                sleep(duration).map(Ok::<(), io::Error>)
            }))
        }))
}

/// A startup that never gets past this phase.
fn stuck_in(phase: Phase) -> PhaseWatch {
    run(Sequence::builder().step(Step::new(phase, "stuck", pending::<Answer>)))
}

/// A startup whose one step fails after a while.
fn failing(phase: Phase, after: Duration) -> PhaseWatch {
    let fail = move || sleep(after).map(|()| Err::<(), _>("no luck"));
    run(Sequence::builder().step(Step::new(phase, "doomed", fail)))
}

fn never_started() -> (Sequence, PhaseWatch) {
    let sequence = Sequence::builder()
        .build()
        .expect("an empty sequence can run");
    let phases = sequence.watch();
    (sequence, phases)
}

fn run(sequence: startup_phases::SequenceBuilder) -> PhaseWatch {
    let sequence = sequence.build().expect("the sequence can run");
    let phases = sequence.watch();
    tokio::spawn(sequence.run());
    phases
}

async fn complete() -> PhaseWatch {
    let phases = start([]);
    phases.complete().await.expect("nothing in it can fail");
    phases
}

fn is_ready(verdict: Verdict) -> Ready {
    match verdict {
        Verdict::Ready(ready) => ready,
        Verdict::NotReady(why) => panic!("{why}"),
    }
}

fn is_not_ready(verdict: Verdict) -> NotReady {
    match verdict {
        Verdict::Ready(ready) => panic!("ready: {ready:?}"),
        Verdict::NotReady(why) => why,
    }
}

/// A check whose answer the test sets, and which counts how often it was asked.
#[derive(Clone, Default)]
struct Lever {
    yes: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

impl Lever {
    fn set(&self, yes: bool) {
        self.yes.store(yes, Relaxed);
    }

    fn asked(&self) -> u32 {
        self.asked.load(Relaxed)
    }

    fn check(&self, name: &str) -> ReadinessCheck {
        let lever = self.clone();
        ReadinessCheck::new(name, move || {
            lever.asked.fetch_add(1, Relaxed);
            ready(if lever.yes.load(Relaxed) {
                Ok(())
            } else {
                Err("lever is down")
            })
        })
    }
}
