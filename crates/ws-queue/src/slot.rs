//! One connection's place as its ticket sees it: written once by the turnstile, read by the ticket.

use std::sync::Weak;
use std::task::Waker;

use crate::Refusal;
use crate::sync::{self, AtomicU8, AtomicWaker, Ordering};

/// How a wait ended, before it is told to the ticket's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    Admitted,
    Expired,
    Abandoned,
    Refused(Refusal),
}

const WAITING: u8 = 0;

impl Resolution {
    fn code(self) -> u8 {
        match self {
            Self::Admitted => 1,
            Self::Expired => 2,
            Self::Abandoned => 3,
            Self::Refused(Refusal::Full) => 4,
            Self::Refused(Refusal::Early) => 5,
            Self::Refused(Refusal::Failed) => 6,
            Self::Refused(Refusal::Draining) => 7,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Admitted,
            2 => Self::Expired,
            3 => Self::Abandoned,
            4 => Self::Refused(Refusal::Full),
            5 => Self::Refused(Refusal::Early),
            6 => Self::Refused(Refusal::Failed),
            7 => Self::Refused(Refusal::Draining),
            _ => return None,
        })
    }
}

/// Shared between a place in the queue and the ticket of its connection.
///
/// Only code that holds the turnstile's lock writes the resolution; the ticket reads it without.
pub(crate) struct Slot<C> {
    resolution: AtomicU8,
    waker: AtomicWaker,
    connection: Weak<C>,
}

impl<C> Slot<C> {
    pub(crate) fn new(connection: Weak<C>) -> Self {
        Self {
            resolution: AtomicU8::new(WAITING),
            waker: AtomicWaker::new(),
            connection,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        sync::is_alive(&self.connection)
    }

    pub(crate) fn connection(&self) -> Weak<C> {
        Weak::clone(&self.connection)
    }

    /// Tells the ticket, without waking its task yet: that happens outside the lock.
    // Waiting -> Admitted | Expired | Abandoned | Refused;  Admitted -> Abandoned
    pub(crate) fn resolve(&self, resolution: Resolution) {
        self.resolution.store(resolution.code(), Ordering::Release);
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn resolution(&self) -> Option<Resolution> {
        Resolution::from_code(self.resolution.load(Ordering::Acquire))
    }

    /// The resolution, or `None` with the promise that `waker` is woken once there is one.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<Resolution> {
        if let Some(resolution) = self.resolution() {
            return Some(resolution);
        }
        self.waker.register(waker);
        // Looked at again: a resolution stored before the registration woke nobody.
        self.resolution()
    }
}
