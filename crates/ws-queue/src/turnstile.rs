//! The one step in which a connection is admitted or held: what synchronises, and nothing else.
//!
//! One word carries the gate and the count of arrivals: its lowest bit says open, the bits above
//! number the arrivals. Passing the open gate is one atomic addition that also tells whether the
//! gate was open at that very moment, so there is no gap between looking and passing. Everything
//! else happens under one lock, and the bit is only ever set and cleared under it:
//!
//! * set once the last of the held has been admitted, so nobody overtakes them;
//! * cleared before anybody can be held, so nobody is held behind an open gate.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Instant;

use crate::places::{Arrival, Origin, Places, Position, Seat};
use crate::slot::Slot;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::{QueueConfig, QueueStatus, Refusal};

const OPEN: u64 = 1;
const ONE_ARRIVAL: u64 = 2;

pub(crate) struct Turnstile<C> {
    word: AtomicU64,
    /// Ends of the leases that were handed out at the open gate, where no lock is taken.
    admitted_at_gate: AtomicU64,
    abandoned_at_gate: AtomicU64,
    under_lock: Mutex<UnderLock<C>>,
    /// Called when something is due earlier than was known.
    alarm: Box<dyn Fn() + Send + Sync>,
}

struct UnderLock<C> {
    places: Places<Arc<Slot<C>>>,
    /// What the bit in the word says.
    open: bool,
    /// When the timer will call [`Turnstile::tick`].
    timer: Option<Instant>,
}

impl<C> Seat for Arc<Slot<C>> {
    fn is_alive(&self) -> bool {
        Slot::is_alive(self)
    }
}

impl<C> Turnstile<C> {
    pub(crate) fn new(config: &QueueConfig, alarm: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            word: AtomicU64::new(0),
            admitted_at_gate: AtomicU64::new(0),
            abandoned_at_gate: AtomicU64::new(0),
            under_lock: Mutex::new(UnderLock {
                places: Places::new(config),
                open: false,
                timer: None,
            }),
            alarm: Box::new(alarm),
        }
    }

    /// Passes the open gate without a lock; `None` where the gate is closed.
    pub(crate) fn pass(&self) -> Option<Position> {
        if self.word.load(Ordering::Acquire) & OPEN == 0 {
            return None;
        }
        // The gate may have closed since; then the number is left unused, which harms nobody.
        let word = self.word.fetch_add(ONE_ARRIVAL, Ordering::AcqRel);
        (word & OPEN != 0).then_some(word / ONE_ARRIVAL)
    }

    /// Arrives at a gate that was found closed.
    pub(crate) fn arrive(&self, now: Instant, slot: Arc<Slot<C>>) -> (Arrival, Position) {
        self.locked(now, |places| {
            // Numbered under the lock, so that the order of positions is the order of entry.
            let position = self.word.fetch_add(ONE_ARRIVAL, Ordering::AcqRel) / ONE_ARRIVAL;
            (places.arrive(now, position, slot), position)
        })
    }

    pub(crate) fn hold(&self, now: Instant) {
        self.locked(now, Places::hold);
    }

    pub(crate) fn open(&self, now: Instant) {
        self.locked(now, |places| places.open(now));
    }

    pub(crate) fn close(&self, now: Instant) -> bool {
        self.locked(now, Places::close)
    }

    pub(crate) fn set_release(
        &self,
        now: Instant,
        per_second: Option<NonZeroU32>,
        in_flight: Option<NonZeroUsize>,
    ) {
        self.locked(now, |places| places.set_release(now, per_second, in_flight));
    }

    pub(crate) fn end(&self, now: Instant, why: Refusal) {
        self.locked(now, |places| places.end(why));
    }

    pub(crate) fn leave(&self, now: Instant, position: Position, origin: Origin) {
        match origin {
            Origin::Place => drop(self.locked(now, |places| places.leave(now, position))),
            Origin::OpenGate => {
                self.abandoned_at_gate.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn acknowledge(
        &self,
        now: impl FnOnce() -> Instant,
        position: Position,
        origin: Origin,
    ) {
        match origin {
            Origin::Place => {
                let now = now();
                drop(self.locked(now, |places| places.acknowledge(now, position)));
            }
            Origin::OpenGate => {
                self.admitted_at_gate.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn give_back(
        &self,
        now: Instant,
        position: Position,
        origin: Origin,
        slot: Arc<Slot<C>>,
    ) {
        drop(self.locked(now, |places| places.give_back(now, position, origin, slot)));
    }

    /// Does what is due, and says when to call again.
    pub(crate) fn tick(&self, now: Instant) -> Option<Instant> {
        self.locked(now, |places| places.tick(now));
        let mut under_lock = self.under_lock.lock();
        under_lock.timer = under_lock.places.next_wake(now);
        under_lock.timer
    }

    pub(crate) fn held(&self, limit: usize) -> Vec<(Position, Instant, Arc<Slot<C>>)> {
        self.under_lock.lock().places.held(limit)
    }

    pub(crate) fn status(&self, now: Instant) -> QueueStatus {
        let under_lock = self.under_lock.lock();
        let mut status = under_lock.places.status(now);
        let admitted = self.admitted_at_gate.load(Ordering::Relaxed);
        let abandoned = self.abandoned_at_gate.load(Ordering::Relaxed);
        status.admitted += admitted;
        status.abandoned += abandoned;
        status.entered += admitted + abandoned;
        status
    }

    fn locked<R>(&self, now: Instant, change: impl FnOnce(&mut Places<Arc<Slot<C>>>) -> R) -> R {
        let mut under_lock = self.under_lock.lock();
        let answer = change(&mut under_lock.places);
        let ended = under_lock.places.take_ended();
        for (slot, resolution) in &ended {
            slot.resolve(*resolution);
        }
        self.publish(&mut under_lock);
        let due = under_lock.places.next_wake(now);
        let earlier = due.is_some_and(|due| under_lock.timer.is_none_or(|timer| due < timer));
        if earlier {
            under_lock.timer = due;
        }
        drop(under_lock);
        // Woken outside the lock, in order: who wakes up may want to take it at once.
        for (slot, _) in ended {
            slot.wake();
        }
        if earlier {
            (self.alarm)();
        }
        answer
    }

    fn publish(&self, under_lock: &mut UnderLock<C>) {
        let open = under_lock.places.is_open();
        if open != under_lock.open {
            under_lock.open = open;
            if open {
                self.word.fetch_or(OPEN, Ordering::AcqRel);
            } else {
                self.word.fetch_and(!OPEN, Ordering::AcqRel);
            }
        }
    }
}

#[cfg(all(test, not(any(loom_models, shuttle_models))))]
mod tests {
    use super::*;

    #[test]
    fn q7_passing_the_open_gate_takes_no_lock() {
        let turnstile = Turnstile::<()>::new(&QueueConfig::default(), || {});
        let now = || tokio::time::Instant::now().into_std();
        turnstile.open(now());
        let locked = turnstile.under_lock.lock();
        let position = turnstile.pass().expect("the gate is open");
        turnstile.acknowledge(now, position, Origin::OpenGate);
        let position = turnstile.pass().expect("it still is");
        turnstile.leave(now(), position, Origin::OpenGate);
        drop(locked);
        let status = turnstile.status(now());
        let accounts = (status.entered, status.admitted, status.abandoned);
        assert_eq!(accounts, (2, 1, 1));
    }
}
