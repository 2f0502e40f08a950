//! One who came to the gate, and what it was told.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::block_on;
use crate::places::Position;
#[cfg(shuttle_models)]
use crate::slot::Slot;
use crate::{Entry, Lease, Outcome, Refusal, Ticket, sync};

/// What stands for a connection.
pub(super) struct Connection;

/// How a client's way ended, as far as the client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Admitted and acknowledged.
    Served,
    /// It left; if its wait had ended otherwise, it did not stay to hear of it.
    Left,
    Expired,
    Abandoned,
    Refused(Refusal),
}

/// What a client owns.
enum Standing {
    Waiting(Ticket<Connection>),
    Admitted(Lease<'static, Connection>),
    Over(End),
}

pub(super) struct Client {
    /// `None` once somebody else decides on its life, or it has ended.
    connection: Option<Arc<Connection>>,
    dead: bool,
    /// `None` where it was refused at once.
    position: Option<Position>,
    /// Taken only while it changes.
    standing: Option<Standing>,
}

impl Client {
    pub(super) fn new(connection: Arc<Connection>, entry: Entry<'_, Connection>) -> Self {
        let (position, standing) = match entry {
            Entry::Admitted(lease) => (
                Some(lease.position()),
                Standing::Admitted(lease.into_owned()),
            ),
            Entry::Held(ticket) => (Some(ticket.position()), Standing::Waiting(ticket)),
            Entry::Refused(why) => (None, Standing::Over(End::Refused(why))),
        };
        Self {
            connection: Some(connection),
            dead: false,
            position,
            standing: Some(standing),
        }
    }

    /// Its place in the order of arrival; whoever was refused at once has none.
    pub(super) fn arrival(&self) -> Option<Position> {
        self.position
    }

    /// What its ticket sees, for as long as it waits.
    #[cfg(shuttle_models)]
    pub(super) fn slot(&self) -> Option<Arc<Slot<Connection>>> {
        match &self.standing {
            Some(Standing::Waiting(ticket)) => Some(Arc::clone(&ticket.slot)),
            _ => None,
        }
    }

    /// Looks at its ticket, once, with this waker.
    pub(super) fn look_with(&mut self, waker: &Waker) {
        if let Some(Standing::Waiting(ticket)) = &mut self.standing
            && let Poll::Ready(outcome) = Pin::new(ticket).poll(&mut Context::from_waker(waker))
        {
            self.hear(outcome);
        }
    }

    pub(super) fn is_waiting(&mut self) -> bool {
        self.look_with(Waker::noop());
        matches!(self.standing, Some(Standing::Waiting(_)))
    }

    pub(super) fn is_admitted(&mut self) -> bool {
        self.look_with(Waker::noop());
        matches!(self.standing, Some(Standing::Admitted(_)))
    }

    pub(super) fn end(&self) -> Option<End> {
        match self.standing {
            Some(Standing::Over(end)) => Some(end),
            _ => None,
        }
    }

    /// Waits as long as it takes.
    pub(super) fn wait(&mut self) {
        if let Some(Standing::Waiting(ticket)) = &mut self.standing {
            let outcome = block_on(ticket);
            self.hear(outcome);
        }
    }

    /// Waits as long as it takes, and is served if it is admitted.
    pub(super) fn see_through(&mut self) -> End {
        self.wait();
        self.acknowledge();
        self.end().expect("it waits no more")
    }

    pub(super) fn acknowledge(&mut self) {
        if let Some(Standing::Admitted(lease)) = self
            .standing
            .take_if(|it| matches!(it, Standing::Admitted(_)))
        {
            self.standing = Some(Standing::Over(End::Served));
            lease.acknowledge();
        }
    }

    /// Drops its ticket or its lease.
    pub(super) fn leave(&mut self) {
        let owned = match &self.standing {
            Some(Standing::Over(_)) => return,
            _ => self.standing.replace(Standing::Over(End::Left)),
        };
        drop(owned);
    }

    /// What it was admitted to is gone again.
    pub(super) fn give_back(&mut self) {
        if let Some(Standing::Admitted(lease)) = self
            .standing
            .take_if(|it| matches!(it, Standing::Admitted(_)))
        {
            let connection = self
                .connection
                .as_ref()
                .expect("it decides on its own life");
            let ticket = lease.give_back(connection);
            assert_eq!(Some(ticket.position()), self.position, "its old position");
            self.standing = Some(Standing::Waiting(ticket));
        }
    }

    /// Its connection, to die elsewhere.
    #[cfg(loom_models)]
    pub(super) fn give_away_life(&mut self) -> Arc<Connection> {
        self.connection.take().expect("it still had it")
    }

    /// Its connection is gone; its ticket or its lease is not.
    pub(super) fn die(&mut self) {
        if let Some(connection) = self.connection.take() {
            sync::die(connection);
            self.dead = true;
        }
    }

    /// It has another connection than the one it came with.
    #[cfg(loom_models)]
    pub(super) fn reconnect(&mut self) {
        self.connection = Some(Arc::new(Connection));
        self.dead = false;
    }

    fn hear(&mut self, outcome: Outcome<Connection>) {
        let standing = match outcome {
            Outcome::Admitted(lease) => {
                assert!(!self.dead, "the dead are not admitted");
                assert_eq!(Some(lease.position()), self.position, "its own lease");
                Standing::Admitted(lease)
            }
            Outcome::Expired => Standing::Over(End::Expired),
            Outcome::Abandoned => Standing::Over(End::Abandoned),
            Outcome::Refused(why) => Standing::Over(End::Refused(why)),
        };
        // The ticket has resolved, so dropping it says nothing more.
        self.standing = Some(standing);
    }
}
