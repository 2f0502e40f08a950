//! P1 to P10: what `startup-phases` promises, seen from outside, in virtual time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::pending;
use parking_lot::Mutex;
use startup_phases::{
    Phase, PhaseWatch, Report, Sequence, SequenceBuilder, StartupError, Step, StepState, Transition,
};
use tokio::time::{Instant, sleep};

mod failure;
mod observing;
mod order;
mod report;
mod stopping;
mod time;

/// What the steps and hooks of a test did, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().push(text.into());
    }

    fn taken(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

/// Notes when it is dropped.
struct OnDrop(Notes, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn sequence(steps: impl IntoIterator<Item = Step>) -> Sequence {
    let builder = steps
        .into_iter()
        .fold(Sequence::builder(), SequenceBuilder::step);
    builder.build().expect("the steps fit together")
}

/// A step that ends well after a while.
fn takes(phase: Phase, name: &str, time: Duration) -> Step {
    Step::new(phase, name, move || sleep(time).map(Ok::<_, io::Error>))
}

/// A step that fails after a while.
fn fails(phase: Phase, name: &str, time: Duration) -> Step {
    Step::new(phase, name, move || {
        sleep(time).map(|()| Err::<(), _>("out of order"))
    })
}

/// A step that never ends by itself.
fn hangs(phase: Phase, name: &str) -> Step {
    Step::new(phase, name, pending::<io::Result<()>>)
}

/// A step that never ends by itself, and notes that it was dropped.
fn hangs_noted(phase: Phase, name: &str, notes: &Notes) -> Step {
    let notes = notes.clone();
    Step::new(phase, name, move || async move {
        let _dropped = OnDrop(notes, "cancelled");
        pending::<io::Result<()>>().await
    })
}

/// Makes the step note `stop NAME` when it is stopped.
fn noted_stop(step: Step, notes: &Notes) -> Step {
    let (notes, text) = (notes.clone(), format!("stop {}", step.name()));
    step.on_stop(move || async move {
        notes.note(text);
        Ok::<_, io::Error>(())
    })
}

/// A polling step that succeeds at attempt number `well`, and when its attempts were made. Each
/// attempt takes as many milliseconds as `took` says for it, or none.
fn polls(took: &'static [u64], well: usize) -> (Step, Arc<Mutex<Vec<u128>>>) {
    let at = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&at);
    let mut begun = None;
    let step = Step::polling(Phase::Dependencies, "upstream", move || {
        let begun = *begun.get_or_insert_with(Instant::now);
        noted.lock().push(begun.elapsed().as_millis());
        let number = noted.lock().len();
        async move {
            sleep(ms(took.get(number - 1).copied().unwrap_or(0))).await;
            if number == well {
                Ok(())
            } else {
                Err(format!("attempt {number}"))
            }
        }
    });
    (step, at)
}

async fn fails_to_start(sequence: Sequence) -> StartupError {
    sequence.run().await.expect_err("a critical step fails")
}

/// All transitions of a startup, until its end.
async fn history(mut watch: PhaseWatch) -> Vec<Transition> {
    let mut all = Vec::new();
    while let Some(transition) = watch.next().await {
        all.push(transition);
    }
    all
}

fn step_states(report: &Report, phase: Phase) -> Vec<StepState> {
    let phase = &report.phases[usize::from(phase.number()) - 1];
    phase.steps.iter().map(|step| step.state).collect()
}

/// What is left of a report when times are left out.
fn without_times(mut report: Report) -> Report {
    report.elapsed = Duration::ZERO;
    for phase in &mut report.phases {
        (phase.started, phase.duration) = (None, None);
        for step in &mut phase.steps {
            (step.started, step.duration) = (None, None);
        }
    }
    report
}
