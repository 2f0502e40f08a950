//! Observing a startup: any number of handles on one state, none of which can slow it down.

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use tokio::time::Instant;

use crate::machine::Machine;
use crate::sync::{Mutex, watch};
use crate::{Failure, Phase, Report, State, Transition};

/// What the driver and all observers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) machine: Mutex<Machine>,
    /// Told after each change of the machine's log; whoever is woken looks there.
    pub(crate) wake: watch::Sender<()>,
}

/// A view of a startup, from before its start until long after its end. Cheap to clone.
///
/// A handle has a position in the history, which [`next`](Self::next) and
/// [`changed`](Self::changed) move; a clone starts at the position of its original. The history is
/// kept whole (it is bounded by the number of steps), so a slow observer misses nothing.
#[derive(Clone)]
pub struct PhaseWatch {
    shared: Arc<Shared>,
    /// How many transitions `next` has handed out.
    delivered: usize,
    /// How many transitions there were when `changed` last resolved.
    seen: usize,
}

impl PhaseWatch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            delivered: 0,
            seen: 0,
        }
    }

    /// The state right now.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.machine.lock().state().clone()
    }

    /// The latest phase that was reached. A later failure does not take it back.
    #[must_use]
    pub fn last_reached(&self) -> Option<Phase> {
        let machine = self.shared.machine.lock();
        Phase::ALL
            .into_iter()
            .rev()
            .find(|&phase| machine.has_reached(phase))
    }

    /// Whether all critical steps of `phase`, and of all before it, have finished well (P2). A
    /// later failure does not take it back.
    #[must_use]
    pub fn has_reached(&self, phase: Phase) -> bool {
        self.shared.machine.lock().has_reached(phase)
    }

    /// Everything as it stands: durations and attempts of running steps included.
    #[must_use]
    pub fn report(&self) -> Report {
        let now = Instant::now().into_std();
        self.shared.machine.lock().report(now)
    }

    /// Resolves at the moment `phase` is reached.
    ///
    /// # Errors
    ///
    /// As soon as startup has failed, also if `phase` had been reached before: a failed startup is
    /// never reported as well.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is consumed.
    pub async fn reached(&self, phase: Phase) -> Result<(), Failure> {
        self.until(|machine| match machine.state() {
            State::Failed(failure) => Some(Err(failure.clone())),
            _ if machine.has_reached(phase) => Some(Ok(())),
            _ => None,
        })
        .await
    }

    /// Resolves at the moment startup is complete.
    ///
    /// # Errors
    ///
    /// As soon as startup has failed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is consumed.
    pub async fn complete(&self) -> Result<(), Failure> {
        self.until(|machine| match machine.state() {
            State::Failed(failure) => Some(Err(failure.clone())),
            State::Complete => Some(Ok(())),
            State::Unknown | State::Running(_) => None,
        })
        .await
    }

    /// Resolves once there are transitions that this handle's `changed` has not yet resolved for,
    /// however many: at once if they are there already. After the last one it never resolves
    /// again, so that it can stay an arm of a `select!`.
    ///
    /// Another attempt of a polling step is not a transition, nor is what it failed with.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a change counts as seen only when this resolves.
    pub async fn changed(&mut self) {
        let seen = self.seen;
        self.seen = self
            .until(|machine| Some(machine.log().len()).filter(|&length| length > seen))
            .await;
    }

    /// The next transition: each exactly once, in order, from the first one on; `None` after the
    /// one that ended startup.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a transition counts as handed out only when this resolves.
    pub async fn next(&mut self) -> Option<Transition> {
        let position = self.delivered;
        let next = self
            .until(|machine| match machine.log().get(position) {
                Some(transition) => Some(Some(transition.clone())),
                None => machine.state().is_final().then_some(None),
            })
            .await;
        self.delivered += usize::from(next.is_some());
        next
    }

    async fn until<T>(&self, look: impl Fn(&Machine) -> Option<T>) -> T {
        // Subscribed before the first look: a change after that look wakes us.
        let mut wake = self.shared.wake.subscribe();
        loop {
            let found = look(&self.shared.machine.lock());
            if let Some(found) = found {
                return found;
            }
            if wake.changed().await.is_err() {
                // Impossible while `self.shared` holds the sender; waiting is right all the same.
                pending::<()>().await;
            }
        }
    }
}

impl fmt::Debug for PhaseWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhaseWatch")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
