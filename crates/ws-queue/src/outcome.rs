//! How arriving and waiting end.

use crate::{Lease, Ticket};

/// What a connection finds when it arrives: one step, decided once.
#[derive(Debug)]
#[must_use = "dropping a ticket or a lease abandons the connection's place"]
pub enum Entry<'queue, C> {
    /// The gate is open: serve the connection, and acknowledge the lease once it is really served.
    Admitted(Lease<'queue, C>),
    /// The gate is closed: wait on the ticket.
    Held(Ticket<C>),
    /// There is no place for it.
    Refused(Refusal),
}

/// The one way in which a held connection's wait ended.
#[derive(Debug)]
#[must_use = "dropping a lease abandons the connection's place"]
pub enum Outcome<C: 'static> {
    /// Its turn has come.
    Admitted(Lease<'static, C>),
    /// It waited as long as it may.
    Expired,
    /// The connection is gone: nobody but the queue's weak reference knew it.
    Abandoned,
    /// What it waited for will not come.
    Refused(Refusal),
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Every place is taken by a living connection.
    Full,
    /// Holding has not begun ([`QueueConfig::refuse_at_first`](crate::QueueConfig::refuse_at_first)).
    Early,
    /// Startup failed, or the gate's control half was dropped: the gate will never open.
    Failed,
    /// The process is ending.
    Draining,
}

impl Refusal {
    /// The reason in the words of the status: `full`, `early`, `failed` or `draining`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Early => "early",
            Self::Failed => "failed",
            Self::Draining => "draining",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
