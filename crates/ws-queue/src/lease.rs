//! An admission, until it is known whether it led to anything.

use std::fmt;
use std::sync::Arc;

use crate::clock;
use crate::places::{Origin, Position};
use crate::slot::Slot;
use crate::{HoldQueue, Ticket};

/// The right to be served now.
///
/// It ends in one of three ways: [`acknowledge`](Self::acknowledge) it when the connection is
/// really served; [`give_back`](Self::give_back) when what it was admitted to has gone away again;
/// or drop it, which means that the client has left (counted as abandoned).
#[must_use = "dropping a lease means that the client has left"]
pub struct Lease<C> {
    queue: HoldQueue<C>,
    position: Position,
    origin: Origin,
    ended: bool,
}

impl<C> Lease<C> {
    pub(crate) fn new(queue: HoldQueue<C>, position: Position, origin: Origin) -> Self {
        Self {
            queue,
            position,
            origin,
            ended: false,
        }
    }

    /// The connection's number in the order of arrival, the same as its ticket's.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The connection is served: it is counted as admitted, and leaves its place.
    pub fn acknowledge(mut self) {
        self.ended = true;
        self.queue
            .shared
            .turnstile
            .acknowledge(clock::now, self.position, self.origin);
    }

    /// What the connection was admitted to has gone away again: it waits as before, at its old
    /// position and with its old limit.
    ///
    /// A connection that had passed the open gate without waiting takes a place at its position
    /// now, and its limit begins now; if every place is taken, its ticket resolves as refused.
    /// Close the gate first: behind an open one the ticket resolves at once, admitted again.
    pub fn give_back(mut self, connection: &Arc<C>) -> Ticket<C> {
        self.ended = true;
        let slot = Arc::new(Slot::new(Arc::downgrade(connection)));
        self.queue.shared.turnstile.give_back(
            clock::now(),
            self.position,
            self.origin,
            Arc::clone(&slot),
        );
        Ticket::new(self.queue.clone(), slot, self.position)
    }
}

impl<C> Drop for Lease<C> {
    fn drop(&mut self) {
        if !self.ended {
            self.queue
                .shared
                .turnstile
                .leave(clock::now(), self.position, self.origin);
        }
    }
}

impl<C> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
