//! The server: bound at once, run until it is told to stop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, FusedFuture};
use startup_phases::{Sequence, Started, StartupError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracing::{info, warn};
use ws_queue::Gate;

use crate::builder::ServerBuilder;
use crate::conductor::conduct;
use crate::drain::Stop;
use crate::listener::Listener;
use crate::registry::Client;
use crate::serve;
use crate::shared::Shared;

/// How long to wait after the system could not accept a connection, most likely for want of
/// descriptors: time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a refusal that was decided may take to reach its client before the process ends.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// A WebSocket server that is safe to connect to before it is ready.
///
/// ```no_run
/// use startup_phases::{Phase, Sequence, Step};
/// use ws_server::{Connection, Server};
///
/// # async fn connect_pool() -> std::io::Result<()> { Ok(()) }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let startup = Sequence::builder()
///     .step(Step::new(Phase::Database, "pool", connect_pool))
///     .build()?;
/// Server::builder()
///     .startup(startup)
///     .handler(|mut connection: Connection| async move {
///         while let Some(message) = connection.recv().await {
///             connection.send(message).await?;
///         }
///         Ok::<_, ws_server::Closed>(())
///     })
///     .serve()
///     .await?;
/// # Ok(())
/// # }
/// ```
pub struct Server<L = TcpListener> {
    pub(crate) listener: L,
    pub(crate) startup: Sequence,
    pub(crate) gate: Gate<Client>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) stop: BoxFuture<'static, ()>,
}

impl Server {
    /// Begins with everything at its default: an empty startup, echo, the default settings, the
    /// environment of the process, and SIGTERM or SIGINT to stop.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }
}

impl<L: Listener> Server<L> {
    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What the system answers.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Runs startup, holds and serves clients, until it is told to stop; then refuses the held,
    /// closes the live with `shutdown.close_code`, and runs the stop hooks.
    ///
    /// # Errors
    ///
    /// [`ServeError::Startup`] when startup fails: everyone held has been refused, and for
    /// `startup.failed_linger` the port went on answering what failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server at once: connections are dropped, stop hooks are not
    /// run.
    pub async fn run(self) -> Result<(), ServeError> {
        let Self {
            listener,
            startup,
            gate,
            shared,
            stop,
        } = self;
        let server = &*shared;
        let live = async {
            let closed = async {
                stop.await;
                refuse_newcomers(server, &gate).await;
                close_live(server).await;
            };
            let mut closed = pin!(closed.fuse());
            // Told to stop, it is undone only then: the live may use what it has made.
            match startup.run_until(closed.as_mut()).await {
                Ok(started) => {
                    closed.await;
                    stop_steps(started).await;
                    Ok(())
                }
                Err(_) if server.is_stopping() => {
                    // It may as well have failed by itself, meanwhile.
                    if !closed.is_terminated() {
                        closed.await;
                    }
                    Ok(())
                }
                Err(error) => {
                    linger_after_failure(server).await;
                    Err(ServeError::Startup(Box::new(error)))
                }
            }
        };
        tokio::select! {
            biased;
            ended = live => ended,
            never = conduct(server, &gate) => match never {},
            never = accept(listener, &shared) => match never {},
        }
    }
}

/// Accepts connections, each served in a task of its own; dropped, it drops them all.
async fn accept<L: Listener>(mut listener: L, shared: &Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    let mut was_refused = false;
    loop {
        tokio::select! {
            Some(_ended) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    was_refused = false;
                    connections.spawn(serve::connection(stream, peer, Arc::clone(shared)));
                }
                Err(error) => {
                    if !was_refused {
                        warn!(%error, "cannot accept a connection, trying on");
                    }
                    was_refused = true;
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Readiness says no at once; after `shutdown.delay`, which gives load balancers the time to
/// notice, nobody is let in any more.
async fn refuse_newcomers(server: &Shared, gate: &Gate<Client>) {
    server.stop();
    info!(delay = ?server.settings.shutdown.delay, "stopping");
    sleep(server.settings.shutdown.delay).await;
    gate.drain();
}

/// Closes the live connections, within `shutdown.drain`.
async fn close_live(server: &Shared) {
    let shutdown = &server.settings.shutdown;
    server.drain.begin(Stop {
        code: CloseCode::from(shutdown.close_code),
        // The other half is for the close handshakes.
        handler_until: Instant::now() + shutdown.drain / 2,
    });
    if timeout(shutdown.drain, server.registry.emptied())
        .await
        .is_err()
    {
        let left = server.registry.connections().live;
        warn!(left, drain = ?shutdown.drain, "connections did not close in time");
    }
}

async fn stop_steps(started: Started) {
    let report = started.stop().await;
    if !report.is_clean() {
        warn!(%report, "not every step stopped well");
    }
}

/// The port goes on answering what failed, and the refused get their answers.
async fn linger_after_failure(server: &Shared) {
    sleep(server.settings.startup.failed_linger).await;
    // Whoever has not taken its answer by then is not going to.
    let _ = timeout(REFUSAL_TIME, server.registry.emptied()).await;
}

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
}
