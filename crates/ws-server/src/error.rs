//! Why a server ended, and why a connection took no message.

use std::io;
use std::net::SocketAddr;

use startup_phases::StartupError;

/// Why a server ended, other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken, not allowed, or not on this machine.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system answered.
        error: io::Error,
    },
    /// Startup failed; everyone held has been refused.
    #[error(transparent)]
    Startup(Box<StartupError>),
    /// A second signal came before the server had stopped: connections were dropped, and stop hooks
    /// have not been run.
    #[error("told a second time to stop: ended at once, connections dropped, stop hooks skipped")]
    StoppedAtOnce,
}

/// The connection has ended: nothing can be sent to it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection has ended")]
pub struct Closed;

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendNowError {
    /// The client reads too slowly: too much waits for it already.
    #[error("too much waits for this client already")]
    Full,
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
}
