//! The one who reports: the only place that changes the state, and what happens when it is lost.

use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, error, info, warn};

use crate::machine::{Machine, Planned};
use crate::sync::{Mutex, watch};
use crate::watch::Shared;
use crate::{Event, PhaseWatch, Report, State, Transition};

/// What a startup failed with that was told to stop.
pub(crate) const STOPPED: &str = "it was told to stop before it was complete";

/// Owned by a sequence, then by whatever runs it. Dropped before the end it fails startup (P10):
/// there is no way to `Complete` but the machine's own.
#[derive(Debug)]
pub(crate) struct Driver {
    shared: Arc<Shared>,
}

impl Driver {
    pub(crate) fn new(plan: Vec<Planned>) -> Self {
        let machine = Mutex::new(Machine::new(plan));
        Self {
            shared: Arc::new(Shared {
                machine,
                wake: watch::Sender::new(()),
            }),
        }
    }

    pub(crate) fn watch(&self) -> PhaseWatch {
        PhaseWatch::new(Arc::clone(&self.shared))
    }

    /// For the task of a step, which tells of its attempts there.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    pub(crate) fn report(&self) -> Report {
        self.shared.machine.lock().report(now())
    }

    pub(crate) fn to_stop(&self) -> Vec<usize> {
        self.shared.machine.lock().to_stop()
    }

    /// Changes the state, wakes all observers if something happened, then logs it. When this
    /// returns, everybody can see the change.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Machine, Instant) -> T) -> T {
        let (result, news) = {
            let mut machine = self.shared.machine.lock();
            let known = machine.log().len();
            let result = change(&mut machine, now());
            (result, machine.log()[known..].to_vec())
        };
        if !news.is_empty() {
            self.shared.wake.send_replace(());
            news.iter().for_each(log);
        }
        result
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.update(|machine, now| {
            let error = match machine.state() {
                State::Unknown => "the sequence was dropped before it was started",
                _ if std::thread::panicking() => "what drove the sequence panicked",
                _ => "what drove the sequence was dropped before it was complete",
            };
            machine.lost(error, now);
        });
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn log(transition: &Transition) {
    match &transition.event {
        Event::StepStarted { phase, step } => debug!(%phase, step, "step started"),
        Event::StepEnded {
            phase,
            step,
            attempts,
            duration,
            outcome: Ok(()),
            ..
        } => {
            debug!(%phase, step, attempts, ?duration, "step done");
        }
        Event::StepEnded {
            phase,
            step,
            critical: false,
            attempts,
            duration,
            outcome: Err(error),
        } => {
            warn!(%phase, step, attempts, ?duration, error, "optional step failed, startup goes on degraded");
        }
        // Whoever asked for it knows, and nothing is wrong.
        Event::Failed(failure) if failure.error == STOPPED => info!("startup stopped"),
        Event::Failed(failure) => error!(
            phase = %failure.phase,
            step = failure.step,
            error = failure.error,
            "startup failed"
        ),
        // A critical step's failure is told by `Failed`; phases are for the observers to tell.
        Event::StepEnded { .. }
        | Event::Started
        | Event::PhaseEntered(_)
        | Event::PhaseReached { .. }
        | Event::Completed => {}
    }
}
