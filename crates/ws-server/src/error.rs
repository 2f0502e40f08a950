//! Why a server ended.

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
