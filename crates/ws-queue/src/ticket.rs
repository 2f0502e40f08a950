//! What a held connection owns.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::clock;
use crate::lease::Handle;
use crate::places::{Origin, Position};
use crate::slot::{Resolution, Slot};
use crate::{HoldQueue, Lease, Outcome};

/// A place in the queue: a future that resolves once, with the one way in which the wait ended.
///
/// Dropping it frees the place at once, which counts as abandoned.
///
/// # Cancel safety
///
/// Await it by reference (`&mut ticket`) in a `select!`: the place is kept until the ticket itself
/// is dropped.
#[must_use = "dropping a ticket gives up its place"]
pub struct Ticket<C> {
    /// `None` once it has resolved.
    queue: Option<HoldQueue<C>>,
    pub(crate) slot: Arc<Slot<C>>,
    position: Position,
}

impl<C> Ticket<C> {
    pub(crate) fn new(queue: HoldQueue<C>, slot: Arc<Slot<C>>, position: Position) -> Self {
        Self {
            queue: Some(queue),
            slot,
            position,
        }
    }

    /// The connection's number in the order of arrival. It never changes, and it says nothing
    /// about how many are ahead.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}

fn give_up<C>(queue: &HoldQueue<C>, position: Position) {
    queue
        .shared
        .turnstile
        .leave(clock::now(), position, Origin::Place);
}

impl<C: 'static> Future for Ticket<C> {
    type Output = Outcome<C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(
            self.queue.is_some(),
            "a ticket was polled again after it had resolved"
        );
        let Some(resolution) = self.slot.poll(cx.waker()) else {
            return Poll::Pending;
        };
        let position = self.position;
        let queue = self.queue.take().expect("looked at above");
        Poll::Ready(match resolution {
            // Whoever died between the release and this moment is not admitted either.
            Resolution::Admitted if !self.slot.is_alive() => {
                give_up(&queue, position);
                Outcome::Abandoned
            }
            Resolution::Admitted => {
                Outcome::Admitted(Lease::new(Handle::Owned(queue), position, Origin::Place))
            }
            Resolution::Expired => Outcome::Expired,
            Resolution::Abandoned => Outcome::Abandoned,
            Resolution::Refused(why) => Outcome::Refused(why),
        })
    }
}

impl<C> Drop for Ticket<C> {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            give_up(queue, self.position);
        }
    }
}

impl<C> fmt::Debug for Ticket<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
