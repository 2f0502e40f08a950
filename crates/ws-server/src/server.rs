//! The server: bound at once, run until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, FusedFuture};
use startup_phases::{Sequence, Started};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{info, warn};
use ws_queue::Gate;

use crate::accept::accept;
use crate::admin;
use crate::builder::ServerBuilder;
use crate::conductor::conduct;
use crate::drain::Schedule;
use crate::error::ServeError;
use crate::history;
use crate::listener::Listener;
use crate::registry::Client;
use crate::reload::Reloader;
use crate::serve;
use crate::shared::Shared;
use crate::status::StatusWatch;

/// How long those may take to say what they want who were accepted before: before the server was told
/// to stop, where nobody else is refused, and before the last live connection ended. A living client's
/// request comes right behind its connection.
const ARRIVAL_TIME: Duration = Duration::from_secs(1);

/// As good as for ever, and an instant that can be told.
const LONGEST_DRAIN: Duration = Duration::from_secs(86_400 * 365);

/// How long connections may take to be dropped once they have been cut off.
const DROP_TIME: Duration = Duration::from_millis(100);

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
    pub(crate) admin: Option<TcpListener>,
    pub(crate) startup: Sequence,
    pub(crate) gate: Arc<Gate<Client>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) is_shared_listener: bool,
    pub(crate) stop: BoxFuture<'static, ()>,
    pub(crate) stop_at_once: BoxFuture<'static, ()>,
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

    /// The server as it is, now and while it runs.
    #[must_use]
    pub fn status(&self) -> StatusWatch {
        StatusWatch::new(&self.shared)
    }

    /// Where the operators' pages are answered, if they have a port of their own.
    ///
    /// # Errors
    ///
    /// What the system answers.
    pub fn admin_addr(&self) -> io::Result<Option<SocketAddr>> {
        let admin = self.admin.as_ref();
        admin.map(TcpListener::local_addr).transpose()
    }

    /// Changes what can be changed while it runs. To be taken before [`run`](Self::run).
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader::new(&self.shared, &self.gate)
    }

    /// Runs startup, holds and serves clients, until it is told to stop. Then readiness says no,
    /// after `shutdown.delay` newcomers and the held are refused, within `shutdown.drain` the live
    /// are closed one after the other (S9), and the stop hooks run.
    ///
    /// # Errors
    ///
    /// [`ServeError::Startup`] when startup fails: everyone held has been refused, and for
    /// `startup.failed_linger` the port went on answering what failed.
    /// [`ServeError::StoppedAtOnce`] at a second signal, where it is signals that stop it:
    /// connections were dropped, stop hooks have not been run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server at once: connections are dropped, stop hooks are not
    /// run.
    pub async fn run(self) -> Result<(), ServeError> {
        let Self {
            listener,
            admin,
            startup,
            gate,
            shared,
            is_shared_listener,
            stop,
            stop_at_once,
        } = self;
        let server = &*shared;
        let live = async {
            let closed = async {
                stop.await;
                delay(server).await;
                close_live(server, &gate, is_shared_listener).await;
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
            () = stop_at_once => Err(ServeError::StoppedAtOnce),
            // From the moment in which startup begins.
            never = history::keep(server) => match never {},
            ended = live => ended,
            never = conduct(server, &gate) => match never {},
            never = accept(listener, is_shared_listener, server, |stream, peer| {
                serve::connection(stream, peer, Arc::clone(&shared), server.arriving.token())
            }) => match never {},
            never = admin::answer(admin, &shared) => match never {},
        }
    }
}

/// Readiness says no at once; `shutdown.delay` gives load balancers the time to notice.
async fn delay(server: &Shared) {
    server.stop();
    let delay = server.settings.shutdown.delay;
    info!(?delay, "stopping");
    sleep(delay).await;
}

/// Closes the live connections, within `shutdown.drain`; then drops those that are left.
///
/// Nobody is let in any more, but where others take the newcomers: there nobody need be refused,
/// and those who were accepted before have yet to come through the open gate.
async fn close_live(server: &Shared, gate: &Gate<Client>, is_shared_listener: bool) {
    let shutdown = &server.settings.shutdown;
    let begin = Instant::now();
    let end = begin + shutdown.drain.min(LONGEST_DRAIN);
    let live = server.drain.untold();
    info!(live, within = ?shutdown.drain, "closing connections");
    let schedule = Schedule::spread(shutdown.close_code.into(), begin, end, live);
    let closed = async {
        if is_shared_listener && gate.status().open {
            server.arriving.close();
            // Whoever takes longer is refused.
            let _ = timeout(ARRIVAL_TIME, server.arriving.wait()).await;
        }
        gate.drain();
        everyone_has_heard(server).await;
    };
    tokio::select! {
        // Whose moment has come is told so, before the time is found to be over.
        biased;
        never = server.drain.tell(&schedule) => match never {},
        in_time = timeout_at(end, closed) => if in_time.is_err() {
            let left = server.registry.connections().live;
            warn!(left, drain = ?shutdown.drain, "connections did not close in time");
        }
    }
    server.drain.end();
    // What follows relies on their having gone; who blocks its thread is not waited for.
    let _ = timeout(DROP_TIME, server.registry.emptied()).await;
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
    let _ = timeout(REFUSAL_TIME, everyone_has_heard(server)).await;
}

/// Resolves when nobody is left: held, live, with an answer on its way, or accepted and about to ask.
async fn everyone_has_heard(server: &Shared) {
    server.registry.emptied().await;
    server.arriving.close();
    let _ = timeout(ARRIVAL_TIME, server.arriving.wait()).await;
    server.registry.emptied().await;
}
