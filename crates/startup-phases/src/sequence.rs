//! A checked list of steps, ready to run.

use std::fmt;
use std::future::pending;

use crate::builder::SequenceBuilder;
use crate::driver::Driver;
use crate::run::Run;
use crate::stop::{self, StopHook};
use crate::{PhaseWatch, Report, StartupError, Step, StopReport};

/// A startup that can be watched and run.
///
/// Dropping it without running it to its end makes its state failed, never ready (P10).
#[derive(Debug)]
#[must_use = "a sequence that is dropped without being run is a failed startup"]
pub struct Sequence {
    steps: Vec<Step>,
    driver: Driver,
}

impl Sequence {
    /// An empty sequence to add steps to.
    pub fn builder() -> SequenceBuilder {
        SequenceBuilder::default()
    }

    pub(crate) fn new(steps: Vec<Step>, driver: Driver) -> Self {
        Self { steps, driver }
    }

    /// The steps in declared order, for printing the plan.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter()
    }

    /// A handle to observe this startup with, from its first transition on.
    #[must_use]
    pub fn watch(&self) -> PhaseWatch {
        self.driver.watch()
    }

    /// Runs all steps, phase by phase, and ends when startup is complete or has failed.
    ///
    /// # Errors
    ///
    /// The first critical step that fails. Observers have been told by then, what ran has been
    /// cancelled, and the stop hooks of what had finished have run (P6). A cancelled step that
    /// blocks its thread is waited for one second at most.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropped before its end, it leaves a failed startup (P10). Running steps
    /// are cancelled; stop hooks, which would have to be awaited, do not run.
    pub async fn run(self) -> Result<Started, StartupError> {
        self.run_until(pending()).await
    }

    /// As [`run`](Self::run), and gives up in an orderly way if `stop` resolves first: startup is
    /// failed with no step to blame, what runs is cancelled, and the stop hooks of what had
    /// finished run. For a process that is told to end while it starts.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and when it was stopped.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<Started, StartupError> {
        Run::new(self.steps, self.driver).drive(stop).await
    }
}

/// A startup that completed. It owns the stop hooks; printed, it is the timeline.
///
/// Dropping it drops the hooks without running them: they need [`stop`](Self::stop) to be awaited.
pub struct Started {
    report: Report,
    hooks: Vec<StopHook>,
}

impl Started {
    pub(crate) fn new(report: Report, hooks: Vec<StopHook>) -> Self {
        Self { report, hooks }
    }

    /// What startup did, as it ended.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Runs the stop hooks one after another, the step started last first, each within its own
    /// time limit (P7). A hook that fails, panics or hangs is in the report, and the next one
    /// still runs. One that blocks its thread is given up one second after its limit.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropped before its end, it cancels the running hook and forgets the rest.
    pub async fn stop(self) -> StopReport {
        stop::run(self.hooks).await
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}
