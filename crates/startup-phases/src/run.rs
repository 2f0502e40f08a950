//! Driving the machine: tasks for the steps it wants run, its verdict on how they end.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{Instrument, info_span};

use crate::driver::{Driver, STOPPED};
use crate::error::{Chain, TaskError};
use crate::machine::{Machine, Next};
use crate::step::{Parts, Work};
use crate::stop::{self, CANCEL_LIMIT, StopHook};
use crate::watch::Shared;
use crate::{Grid, Started, StartupError, State, Step};

/// A sequence at work.
pub(crate) struct Run {
    /// Dropped first: when this future is dropped, the failure is told before the steps are
    /// cancelled.
    driver: Driver,
    running: JoinSet<Result<(), TaskError>>,
    /// Which step each running task is.
    tasks: HashMap<Id, usize>,
    /// By the step's index; taken when it starts.
    steps: Vec<Option<Step>>,
    /// By the step's index; taken when it is stopped.
    hooks: Vec<Option<StopHook>>,
}

impl Run {
    pub(crate) fn new(steps: Vec<Step>, driver: Driver) -> Self {
        Self {
            driver,
            running: JoinSet::new(),
            tasks: HashMap::new(),
            hooks: steps.iter().map(|_| None).collect(),
            steps: steps.into_iter().map(Some).collect(),
        }
    }

    pub(crate) async fn drive(
        mut self,
        stop: impl Future<Output = ()>,
    ) -> Result<Started, StartupError> {
        let mut stop = pin!(stop);
        let mut next = self.driver.update(Machine::start);
        let mut cause = None;
        loop {
            match next {
                Next::Run(ready) => ready.into_iter().for_each(|index| self.spawn(index)),
                Next::Complete => return Ok(Started::new(self.driver.report(), self.stop_hooks())),
                Next::Failed => return Err(self.unwind(cause).await),
            }
            let Some(joined) = self.join_unless(stop.as_mut()).await else {
                self.driver
                    .update(|machine, now| machine.lost(STOPPED, now));
                return Err(self.unwind(None).await);
            };
            let (index, ended) = joined.expect("the machine waits for a running step");
            next = self.tell(index, &ended);
            cause = ended.err();
        }
    }

    fn spawn(&mut self, index: usize) {
        let step = self.steps[index]
            .take()
            .expect("the machine starts a step once");
        let (phase, name) = (step.phase(), step.name().to_owned());
        let span = info_span!("step", %phase, name);
        let Parts {
            timeout: limit,
            work,
            undo,
            stop_timeout,
        } = step.into_parts();
        self.hooks[index] = undo.map(|undo| StopHook {
            phase,
            step: name,
            limit: stop_timeout,
            undo,
        });
        let work = perform(work, limit, self.driver.shared(), index).instrument(span);
        self.tasks.insert(self.running.spawn(work).id(), index);
    }

    /// The next running step to end. `None`: nothing runs.
    async fn join(&mut self) -> Option<(usize, Result<(), TaskError>)> {
        let (task, ended) = match self.running.join_next_with_id().await? {
            Ok((task, ended)) => (task, ended),
            Err(error) => (error.id(), Err(error.into())),
        };
        let index = self
            .tasks
            .remove(&task)
            .expect("every task was registered when spawned");
        Some((index, ended))
    }

    /// The next running step to end, or `None` if `stop` resolves before.
    async fn join_unless(
        &mut self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Option<(usize, Result<(), TaskError>)>> {
        let mut join = pin!(self.join());
        poll_fn(|cx| match join.as_mut().poll(cx) {
            Poll::Ready(joined) => Poll::Ready(Some(joined)),
            Poll::Pending => stop.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    fn tell(&self, index: usize, ended: &Result<(), TaskError>) -> Next {
        let outcome = match ended {
            Ok(()) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        self.driver
            .update(|machine, now| machine.ended(index, outcome, now))
    }

    /// The failure has been published; now cancel what runs and stop what had finished (P6).
    async fn unwind(mut self, cause: Option<TaskError>) -> StartupError {
        self.running.abort_all();
        // Only a step that blocks its thread outlives this, and then nothing can be done.
        let _ = timeout(CANCEL_LIMIT, self.collect_cancelled()).await;
        let stopped = stop::run(self.stop_hooks()).await;
        let report = self.driver.report();
        let State::Failed(failure) = report.state.clone() else {
            unreachable!("only a failed startup is unwound");
        };
        StartupError::new(
            failure,
            report,
            stopped,
            cause.and_then(TaskError::into_own),
        )
    }

    /// A step may have ended by itself just before it was cancelled: that counts, and if it ended
    /// well it has to be stopped.
    async fn collect_cancelled(&mut self) {
        while let Some((index, ended)) = self.join().await {
            if !matches!(ended, Err(TaskError::Cancelled)) {
                self.tell(index, &ended);
            }
        }
    }

    fn stop_hooks(&mut self) -> Vec<StopHook> {
        let order = self.driver.to_stop();
        order
            .into_iter()
            .filter_map(|index| self.hooks[index].take())
            .collect()
    }
}

/// The life of a step's task: its work, once or on the grid, within its limit (P5).
async fn perform(
    work: Work,
    limit: Duration,
    shared: Arc<Shared>,
    index: usize,
) -> Result<(), TaskError> {
    let mut last = None;
    let performed = async {
        match work {
            Work::Once(work) => work.await.map_err(TaskError::Own),
            Work::Polling {
                mut attempt,
                interval,
            } => {
                let grid = Grid::new(Instant::now().into_std(), interval);
                while let Err(error) = attempt().await {
                    let told = Chain(error.as_ref()).to_string();
                    shared.machine.lock().attempt_failed(index, told);
                    last = Some(error);
                    sleep_until(grid.next_after(Instant::now().into_std()).into()).await;
                    shared.machine.lock().attempted(index);
                }
                Ok(())
            }
        }
    };
    let performed = timeout(limit, performed).await;
    performed.unwrap_or(Err(TaskError::TimedOut { limit, last }))
}
