//! A turnstile in a model, with everything in it that [`crate::HoldQueue`] adds and loom can run.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Instant;

use loom::future::block_on;
use loom::thread::{self, JoinHandle};

use crate::places::{Arrival, Origin, Position};
use crate::slot::{Liveness, Resolution, Slot};
use crate::turnstile::Turnstile;
use crate::{QueueConfig, QueueStatus, Refusal};

/// A connection that lives as long as the model does.
pub(super) struct Living;

impl Liveness for Living {
    fn is_alive(&self) -> bool {
        true
    }
}

/// What an arriving connection found, as [`crate::HoldQueue::enter`] finds it.
pub(super) enum Found {
    Passed(Position),
    Held(Position, Arc<Slot<Living>>),
    Refused(Refusal),
}

impl Found {
    pub(super) fn passed(&self) -> bool {
        matches!(self, Self::Passed(_))
    }

    pub(super) fn held(self) -> (Position, Arc<Slot<Living>>) {
        let Self::Held(position, slot) = self else {
            panic!("not held")
        };
        (position, slot)
    }
}

#[derive(Clone)]
pub(super) struct Gate {
    pub(super) turnstile: Arc<Turnstile<Living>>,
    pub(super) alarms: Arc<AtomicUsize>,
    pub(super) now: Instant,
}

impl Gate {
    pub(super) fn closed(config: &QueueConfig) -> Self {
        let alarms = Arc::new(AtomicUsize::new(0));
        let turnstile = Turnstile::new(config, {
            let alarms = Arc::clone(&alarms);
            move || {
                alarms.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            turnstile: Arc::new(turnstile),
            alarms,
            now: tokio::time::Instant::now().into_std(),
        }
    }

    pub(super) fn open(&self) {
        self.turnstile.open(self.now);
    }

    pub(super) fn close(&self) {
        self.turnstile.close(self.now);
    }

    pub(super) fn enter(&self) -> Found {
        if let Some(position) = self.turnstile.pass() {
            return Found::Passed(position);
        }
        let slot = Arc::new(Slot::new(Living));
        match self.turnstile.arrive(self.now, Arc::clone(&slot)) {
            (Arrival::Admitted, position) => Found::Passed(position),
            (Arrival::Held, position) => Found::Held(position, slot),
            (Arrival::Refused(why), _) => Found::Refused(why),
        }
    }

    /// Waits as long as it takes, then has the admission acknowledged.
    pub(super) fn see_through(&self, found: Found) {
        let (position, origin) = match found {
            Found::Passed(position) => (position, Origin::OpenGate),
            Found::Held(position, slot) => {
                assert_eq!(wait(&slot), Resolution::Admitted);
                (position, Origin::Place)
            }
            Found::Refused(why) => panic!("refused: {why}"),
        };
        self.acknowledge(position, origin);
    }

    pub(super) fn acknowledge(&self, position: Position, origin: Origin) {
        self.turnstile.acknowledge(|| self.now, position, origin);
    }

    pub(super) fn leave(&self, position: Position) {
        self.turnstile.leave(self.now, position, Origin::Place);
    }

    pub(super) fn status(&self) -> QueueStatus {
        self.turnstile.status(self.now)
    }

    pub(super) fn spawn<R: 'static>(
        &self,
        work: impl FnOnce(&Self) -> R + 'static,
    ) -> JoinHandle<R> {
        let gate = self.clone();
        thread::spawn(move || work(&gate))
    }
}

pub(super) fn wait(slot: &Slot<Living>) -> Resolution {
    block_on(poll_fn(|cx| {
        slot.poll(cx.waker()).map_or(Poll::Pending, Poll::Ready)
    }))
}

pub(super) fn join<R>(thread: JoinHandle<R>) -> R {
    thread.join().expect("no thread of a model panics")
}

pub(super) fn explore(config: QueueConfig, model: impl Fn(Gate) + Send + Sync + 'static) {
    loom::model(move || model(Gate::closed(&config)));
}
