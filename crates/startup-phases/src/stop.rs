//! Undoing what finished, in reverse, each within its limit (P7).

use std::fmt;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{Instrument, debug, info_span, warn};

use crate::Phase;
use crate::error::TaskError;
use crate::step::TaskFuture;

/// How long a task that was cancelled may take to notice. One that awaits notices at once; this
/// bounds one that blocks its thread.
pub(crate) const CANCEL_LIMIT: Duration = Duration::from_secs(1);

pub(crate) struct StopHook {
    pub(crate) phase: Phase,
    pub(crate) step: String,
    pub(crate) limit: Duration,
    pub(crate) undo: TaskFuture,
}

/// How the stop hooks ended, in the order they ran in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StopReport {
    /// One entry for each hook that ran. Steps without a hook, and steps that had not finished
    /// well, are not here.
    pub hooks: Vec<StoppedStep>,
}

/// How one stop hook ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoppedStep {
    /// The step's phase.
    pub phase: Phase,
    /// The step's name.
    pub step: String,
    /// How long the hook took.
    pub duration: Duration,
    /// What it failed with, a panic and its time limit included.
    pub error: Option<String>,
}

impl StopReport {
    /// Whether every hook ended well.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.hooks.iter().all(|hook| hook.error.is_none())
    }
}

impl fmt::Display for StopReport {
    /// A line for each hook: `stopped agents in 0.120 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (
            position,
            StoppedStep {
                step,
                duration,
                error,
                ..
            },
        ) in self.hooks.iter().enumerate()
        {
            let line_end = if position == 0 { "" } else { "\n" };
            let seconds = duration.as_secs_f64();
            match error {
                None => write!(f, "{line_end}stopped {step} in {seconds:.3} s")?,
                Some(error) => {
                    write!(
                        f,
                        "{line_end}failed to stop {step} in {seconds:.3} s: {error}"
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// Runs the hooks one after another in the given order.
pub(crate) async fn run(hooks: Vec<StopHook>) -> StopReport {
    let mut report = StopReport::default();
    for StopHook {
        phase,
        step,
        limit,
        undo,
    } in hooks
    {
        let started = Instant::now();
        let span = info_span!("stop", %phase, step);
        let error = run_one(undo.instrument(span), limit)
            .await
            .err()
            .map(|error| error.to_string());
        let duration = started.elapsed();
        match &error {
            None => debug!(%phase, step, ?duration, "step stopped"),
            Some(error) => warn!(%phase, step, ?duration, error, "stop hook failed"),
        }
        report.hooks.push(StoppedStep {
            phase,
            step,
            duration,
            error,
        });
    }
    report
}

async fn run_one(
    undo: impl Future<Output = Result<(), crate::error::BoxError>> + Send + 'static,
    limit: Duration,
) -> Result<(), TaskError> {
    // A task of its own catches a panic; a set of one task aborts it when this future is dropped.
    let mut task = JoinSet::new();
    task.spawn(undo);
    match timeout(limit, task.join_next()).await {
        Ok(Some(joined)) => joined?.map_err(TaskError::Own),
        Ok(None) => Ok(()),
        Err(_) => {
            // Only a hook that blocks its thread outlives this, and then nothing can be done.
            let _ = timeout(CANCEL_LIMIT, task.shutdown()).await;
            Err(TaskError::TimedOut { limit, last: None })
        }
    }
}
