//! One named piece of work: what to do, within which limits, and how to undo it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::Phase;
use crate::error::BoxError;
use crate::machine::Planned;

/// Longer than a database that recovers from a crash usually takes, shorter than the few minutes
/// after which platforms give up on a process themselves and hide which step it was.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Short enough that nobody notices the wait, long enough that nobody notices the polling.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(100);

/// Half of the ten seconds that platforms give between SIGTERM and SIGKILL: time to close a pool
/// in order, and one hook that hangs leaves time for the others.
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) type TaskFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A named piece of work inside a phase.
///
/// Each step runs in a task of its own: its panic is its failure and nothing else's (P5).
///
/// ```
/// # use std::{io, time::Duration};
/// # use startup_phases::{Phase, Step};
/// # async fn connect() -> io::Result<()> { Ok(()) }
/// # async fn ping() -> io::Result<()> { Ok(()) }
/// # async fn disconnect() -> io::Result<()> { Ok(()) }
/// let pool = Step::new(Phase::Database, "pool", connect).on_stop(disconnect);
/// let redis = Step::polling(Phase::Cache, "redis", ping)
///     .optional()
///     .timeout(Duration::from_secs(5))
///     .after("pool");
/// assert!(pool.is_critical() && !redis.is_critical());
/// ```
#[must_use = "a step does nothing until it is part of a sequence that runs"]
pub struct Step {
    phase: Phase,
    name: String,
    critical: bool,
    timeout: Duration,
    after: Vec<String>,
    work: Work,
    undo: Option<TaskFuture>,
    stop_timeout: Duration,
}

pub(crate) enum Work {
    /// Lazy: not even the closure that made it has been called yet.
    Once(TaskFuture),
    Polling {
        attempt: Box<dyn FnMut() -> TaskFuture + Send>,
        interval: Duration,
    },
}

/// A step taken apart, for the tasks that run its work and its undoing.
pub(crate) struct Parts {
    pub(crate) timeout: Duration,
    pub(crate) work: Work,
    pub(crate) undo: Option<TaskFuture>,
    pub(crate) stop_timeout: Duration,
}

impl Step {
    /// A step that does its work once.
    ///
    /// Names are unique in a sequence. The closure is called when the step starts.
    pub fn new<F, Fut, E>(phase: Phase, name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::with_work(phase, name.into(), Work::Once(lazy(work)))
    }

    /// A step that is tried until it succeeds or its time limit ends it.
    ///
    /// The first attempt is made when the step starts, the others on the [`Grid`](crate::Grid)
    /// anchored there: at fixed intervals, never with growing delays, one at a time. An attempt
    /// that takes longer than the interval skips the points it missed. When time runs out, the
    /// last attempt's error is told as the cause.
    pub fn polling<F, Fut, E>(phase: Phase, name: impl Into<String>, mut attempt: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let attempt = Box::new(move || -> TaskFuture {
            let attempt = attempt();
            Box::pin(async move { attempt.await.map_err(Into::into) })
        });
        let interval = DEFAULT_INTERVAL;
        Self::with_work(phase, name.into(), Work::Polling { attempt, interval })
    }

    fn with_work(phase: Phase, name: String, work: Work) -> Self {
        Self {
            phase,
            name,
            critical: true,
            timeout: DEFAULT_TIMEOUT,
            after: Vec::new(),
            work,
            undo: None,
            stop_timeout: DEFAULT_STOP_TIMEOUT,
        }
    }

    /// A failure of this step leaves startup degraded, not failed (P4). Default: critical.
    pub fn optional(mut self) -> Self {
        self.critical = false;
        self
    }

    /// The time limit of the whole step, all attempts included (P5). Default: 60 s, longer than a
    /// recovering database usually takes and shorter than platforms wait for a start.
    ///
    /// A step is ended where it awaits. Work that blocks its thread belongs in
    /// `tokio::task::spawn_blocking`, awaited by the step. A limit of zero is a
    /// [`Problem`](crate::Problem).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// The distance between two attempts of a polling step. Default: 100 ms, a wait nobody
    /// notices and a load nobody notices. Zero is a [`Problem`](crate::Problem); a step that runs
    /// once has no use for it.
    pub fn interval(mut self, interval: Duration) -> Self {
        if let Work::Polling { interval: own, .. } = &mut self.work {
            *own = interval;
        }
        self
    }

    /// Starts this step only after another one of the same or an earlier phase has ended. May be
    /// called several times. An optional step that failed has ended, too.
    pub fn after(mut self, step: impl Into<String>) -> Self {
        self.after.push(step.into());
        self
    }

    /// How to undo this step (P7). Runs only if the step finished well: at
    /// [`Started::stop`](crate::Started::stop), or when a later failure ends startup. A second
    /// call replaces the first.
    pub fn on_stop<F, Fut, E>(mut self, undo: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.undo = Some(lazy(undo));
        self
    }

    /// The time limit of the stop hook. Default: 5 s, half of what platforms give between SIGTERM
    /// and SIGKILL, so that one hook that hangs leaves time for the others.
    pub fn stop_timeout(mut self, limit: Duration) -> Self {
        self.stop_timeout = limit;
        self
    }

    /// The phase it belongs to.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its failure is startup's failure.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.critical
    }

    /// The time limit of the whole step.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        self.timeout
    }

    /// The distance between two attempts; `None` if the step runs once.
    #[must_use]
    pub fn poll_interval(&self) -> Option<Duration> {
        match self.work {
            Work::Once(_) => None,
            Work::Polling { interval, .. } => Some(interval),
        }
    }

    /// The names of the steps it follows, as they were declared.
    pub(crate) fn follows(&self) -> &[String] {
        &self.after
    }

    /// What the state machine needs to know of it.
    pub(crate) fn planned(&self, after: Vec<usize>) -> Planned {
        Planned {
            phase: self.phase,
            name: self.name.clone(),
            critical: self.critical,
            after,
        }
    }

    pub(crate) fn into_parts(self) -> Parts {
        Parts {
            timeout: self.timeout,
            work: self.work,
            undo: self.undo,
            stop_timeout: self.stop_timeout,
        }
    }
}

/// Calls `work` in the task that awaits the result, so that its panic is that task's panic.
fn lazy<F, Fut, E>(work: F) -> TaskFuture
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    Box::pin(async move { work().await.map_err(Into::into) })
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("phase", &self.phase)
            .field("name", &self.name)
            .field("critical", &self.critical)
            .field("timeout", &self.timeout)
            .field("interval", &self.poll_interval())
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
