//! The half of a gate through which connections come.

use std::fmt;
use std::sync::Arc;

use crate::clock;
use crate::lease::Handle;
use crate::places::{Arrival, Origin, Position};
use crate::slot::Slot;
use crate::sync::Notify;
use crate::turnstile::Turnstile;
use crate::{Entry, Gate, Lease, QueueConfig, QueueStatus, Ticket, Waiting, driver};

/// Makes a gate, which is closed at first, and the queue of those who wait before it.
///
/// A task for the timers (expiry, pacing) runs until both halves, every ticket and every lease
/// are gone.
///
/// # Panics
///
/// Outside a tokio runtime.
#[must_use = "dropping the gate refuses everyone"]
pub fn gate<C: Send + Sync + 'static>(config: &QueueConfig) -> (Gate<C>, HoldQueue<C>) {
    let (gate, queue) = halves(config);
    let shared = &queue.shared;
    tokio::spawn(driver::run(
        Arc::downgrade(shared),
        Arc::clone(&shared.alarm),
    ));
    (gate, queue)
}

/// The two halves without a task for the timers: models tick by themselves.
pub(crate) fn halves<C>(config: &QueueConfig) -> (Gate<C>, HoldQueue<C>) {
    let alarm = Arc::new(Notify::new());
    let turnstile = Turnstile::new(config, {
        let alarm = Arc::clone(&alarm);
        move || alarm.notify_one()
    });
    let shared = Arc::new(Shared {
        turnstile,
        alarm,
        gone: Notify::new(),
    });
    let queue = HoldQueue { shared };
    (Gate::new(queue.clone()), queue)
}

pub(crate) struct Shared<C> {
    pub(crate) turnstile: Turnstile<C>,
    pub(crate) alarm: Arc<Notify>,
    /// Told when the gate was closed by [`HoldQueue::report_gone`].
    pub(crate) gone: Notify,
}

impl<C> Drop for Shared<C> {
    fn drop(&mut self) {
        // The driver looks up, finds nobody, and ends.
        self.alarm.notify_one();
    }
}

/// Where connections arrive: each is admitted, gets a place, or is refused, in one step.
///
/// Cheap to clone; every clone is the same queue. `C` is whatever stands for a connection: the
/// queue keeps a [`Weak`](std::sync::Weak) to it and never looks inside.
pub struct HoldQueue<C> {
    pub(crate) shared: Arc<Shared<C>>,
}

impl<C> HoldQueue<C> {
    /// Arrives at the gate.
    ///
    /// Through an open gate this takes no lock and costs one atomic addition, and the end of its
    /// lease another. At a closed gate it takes one short lock; where every place is taken, the
    /// places are first searched for connections that died, so a refusal for lack of room costs a
    /// pass over all places.
    pub fn enter(&self, connection: &Arc<C>) -> Entry<'_, C> {
        match self.shared.turnstile.pass() {
            Some(position) => self.admit(position),
            None => self.arrive(connection),
        }
    }

    fn admit(&self, position: Position) -> Entry<'_, C> {
        let queue = Handle::Borrowed(self);
        Entry::Admitted(Lease::new(queue, position, Origin::OpenGate))
    }

    /// Arrives at a gate that was found closed; apart, so that passing an open one is inlined.
    #[inline(never)]
    fn arrive(&self, connection: &Arc<C>) -> Entry<'_, C> {
        let slot = Arc::new(Slot::new(Arc::downgrade(connection)));
        let now = clock::now();
        match self.shared.turnstile.arrive(now, Arc::clone(&slot)) {
            (Arrival::Admitted, position) => self.admit(position),
            (Arrival::Held, position) => Entry::Held(Ticket::new(self.clone(), slot, position)),
            (Arrival::Refused(why), _) => Entry::Refused(why),
        }
    }

    /// Closes the gate, if it was open, and tells its owner, who waits in
    /// [`Gate::reported_gone`](crate::Gate::reported_gone).
    ///
    /// For whoever was admitted and finds that what it was admitted to has gone away: it knows
    /// before the gate's owner does, and everyone behind it would find the same. Then
    /// [give the lease back](crate::Lease::give_back).
    pub fn report_gone(&self) {
        if self.shared.turnstile.close(clock::now()) {
            self.shared.gone.notify_one();
        }
    }

    /// What is held now, and what became of everyone so far.
    #[must_use]
    pub fn status(&self) -> QueueStatus {
        self.shared.turnstile.status(clock::now())
    }

    /// Those who have a place now, in order of arrival: at most the first `limit`, since the lock
    /// is kept for as long as it takes to collect them.
    #[must_use]
    pub fn held(&self, limit: usize) -> Vec<Waiting<C>> {
        let now = clock::now();
        let held = self.shared.turnstile.held(limit).into_iter();
        held.map(|(position, since, slot)| Waiting {
            position,
            waited: now.saturating_duration_since(since),
            connection: slot.connection(),
        })
        .collect()
    }
}

impl<C> Clone for HoldQueue<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C> fmt::Debug for HoldQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HoldQueue")
            .field("status", &self.status())
            .finish()
    }
}
