//! An admission, until it is known whether it led to anything.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::clock;
use crate::places::{Origin, Position};
use crate::slot::Slot;
use crate::turnstile::Turnstile;
use crate::{HoldQueue, Ticket};

/// The right to be served now.
///
/// It ends in one of three ways: [`acknowledge`](Self::acknowledge) it when the connection is
/// really served; [`give_back`](Self::give_back) when what it was admitted to has gone away again;
/// or drop it, which means that the client has left (counted as abandoned).
///
/// A lease that was handed out at the open gate borrows the queue, since a clone of the queue would
/// double what passing costs; one that has to outlive the borrow is made
/// [owned](Self::into_owned). A ticket's lease is owned from the beginning.
#[must_use = "dropping a lease means that the client has left"]
pub struct Lease<'queue, C> {
    /// `None` once it has ended.
    queue: Option<Handle<'queue, C>>,
    position: Position,
    origin: Origin,
}

pub(crate) enum Handle<'queue, C> {
    Borrowed(&'queue HoldQueue<C>),
    Owned(HoldQueue<C>),
}

impl<C> Handle<'_, C> {
    fn turnstile(&self) -> &Turnstile<C> {
        match self {
            Self::Borrowed(queue) => &queue.shared.turnstile,
            Self::Owned(queue) => &queue.shared.turnstile,
        }
    }

    fn into_queue(self) -> HoldQueue<C> {
        match self {
            Self::Borrowed(queue) => queue.clone(),
            Self::Owned(queue) => queue,
        }
    }
}

impl<'queue, C> Lease<'queue, C> {
    pub(crate) fn new(queue: Handle<'queue, C>, position: Position, origin: Origin) -> Self {
        Self {
            queue: Some(queue),
            position,
            origin,
        }
    }

    /// The connection's number in the order of arrival, the same as its ticket's.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The same lease, for a task of its own or whatever else outlives the borrow.
    pub fn into_owned(self) -> Lease<'static, C>
    where
        C: 'static,
    {
        let (position, origin) = (self.position, self.origin);
        Lease::new(Handle::Owned(self.end().into_queue()), position, origin)
    }

    /// The connection is served: it is counted as admitted, and leaves its place.
    pub fn acknowledge(self) {
        let (position, origin) = (self.position, self.origin);
        let queue = self.end();
        queue.turnstile().acknowledge(clock::now, position, origin);
    }

    /// What the connection was admitted to has gone away again: it waits as before, at its old
    /// position and with its old limit.
    ///
    /// A connection that had passed the open gate without waiting takes a place at its position
    /// now, and its limit begins now; if every place is taken, its ticket resolves as refused.
    /// Close the gate first: behind an open one the ticket resolves at once, admitted again.
    pub fn give_back(self, connection: &Arc<C>) -> Ticket<C> {
        let (position, origin) = (self.position, self.origin);
        let queue = self.end();
        let slot = Arc::new(Slot::new(Arc::downgrade(connection)));
        queue
            .turnstile()
            .give_back(clock::now(), position, origin, Arc::clone(&slot));
        Ticket::new(queue.into_queue(), slot, position)
    }

    /// Ends it without a word, which is for the caller to say.
    fn end(self) -> Handle<'queue, C> {
        let mut ended = ManuallyDrop::new(self);
        ended.queue.take().expect("whatever ends it consumes it")
    }
}

impl<C> Drop for Lease<'_, C> {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue
                .turnstile()
                .leave(clock::now(), self.position, self.origin);
        }
    }
}

impl<C> fmt::Debug for Lease<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
