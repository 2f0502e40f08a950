//! The server: put together by a builder, bound at once, run until it is told to stop.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use readiness_guard::{Environment, GuardConfig, ReadinessCheck, ReadinessGuard};
use startup_phases::{Phase, Sequence, Started, StartupError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracing::{info, warn};
use ws_queue::{Gate, QueueConfig};

use crate::conductor::conduct;
use crate::drain::Stop;
use crate::handler::{self, Handler, Handlers};
use crate::listener::{Listener, bind};
use crate::registry::Client;
use crate::request::Request;
use crate::serve;
use crate::settings::Settings;
use crate::shared::{ChooseSubprotocol, Shared};

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
    listener: L,
    startup: Sequence,
    gate: Gate<Client>,
    shared: Arc<Shared>,
    stop: BoxFuture<'static, ()>,
}

impl Server {
    /// Begins with everything at its default: an empty startup, echo, the default settings, the
    /// environment of the process, and SIGTERM or SIGINT to stop.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            settings: Settings::default(),
            startup: None,
            environment: None,
            checks: Vec::new(),
            handlers: handler::shared(handler::echo),
            choose_subprotocol: Box::new(|request| {
                // A browser fails a connection for which it offered some and got none.
                request.subprotocols().next().map(str::to_owned)
            }),
            stop: None,
        }
    }
}

/// Puts a [`Server`] together.
#[must_use]
pub struct ServerBuilder {
    settings: Settings,
    startup: Option<Sequence>,
    environment: Option<Environment>,
    checks: Vec<ReadinessCheck>,
    handlers: Handlers,
    choose_subprotocol: Box<ChooseSubprotocol>,
    stop: Option<BoxFuture<'static, ()>>,
}

impl ServerBuilder {
    /// What has to happen before connections are served. Default: nothing, the gate opens at once.
    ///
    /// `settings.startup.steps` are not read here: they are the `ws-server` command's, which makes
    /// steps of them.
    pub fn startup(mut self, startup: Sequence) -> Self {
        self.startup = Some(startup);
        self
    }

    /// One handler for all connections. Default: [`echo`](crate::echo).
    pub fn handler(mut self, handler: impl Handler) -> Self {
        self.handlers = handler::shared(handler);
        self
    }

    /// A handler of its own for each connection, made when the connection is admitted.
    pub fn isolated_handlers<H: Handler>(
        mut self,
        factory: impl Fn(&Request) -> H + Send + Sync + 'static,
    ) -> Self {
        self.handlers = handler::isolated(factory);
        self
    }

    /// Chooses one of [the subprotocols a client offers](Request::subprotocols), or none. Default:
    /// the first, since a browser fails a connection for which it offered some and got none.
    pub fn subprotocol(
        mut self,
        choose: impl Fn(&Request) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.choose_subprotocol = Box::new(choose);
        self
    }

    /// Limits, times and ways to hold. Default: [`Settings::default`].
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Where the process runs. Default: detected. `settings.environment` wins over its tier.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Something that must hold, beside the phase, for the gate to be open (G9).
    pub fn readiness_check(mut self, check: ReadinessCheck) -> Self {
        self.checks.push(check);
        self
    }

    /// When to stop. Default: at SIGTERM or SIGINT.
    pub fn stop_when(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Some(stop.boxed());
        self
    }

    /// Binds `settings.server.listen`. Clients may connect from now on; they are answered once
    /// [`Server::run`] is called.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn bind(self) -> Result<Server, ServeError> {
        let listener = bind(&self.settings)?;
        Ok(self.listen_on(listener))
    }

    /// Takes connections from `listener` instead of binding `settings.server.listen`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn listen_on<L: Listener>(self, listener: L) -> Server<L> {
        let Self {
            settings,
            startup,
            environment,
            checks,
            handlers,
            choose_subprotocol,
            stop,
        } = self;
        let startup = startup.unwrap_or_else(|| {
            Sequence::builder()
                .build()
                .expect("nothing can be wrong with no steps")
        });
        let mut environment = environment.unwrap_or_else(Environment::detect);
        if let Some(tier) = settings.environment {
            environment = environment.with_tier(tier);
        }
        let guard = ReadinessGuard::new(startup.watch(), guard_config(&settings, &environment));
        let guard = checks.into_iter().fold(guard, ReadinessGuard::check);
        let (gate, queue) = ws_queue::gate(&queue_config(&settings));
        let phases = startup.watch();
        Server {
            listener,
            startup,
            gate,
            shared: Shared::new(settings, guard, phases, queue, handlers, choose_subprotocol),
            stop: stop.unwrap_or_else(|| stop_signal().boxed()),
        }
    }

    /// Binds and runs.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind) and [`Server::run`].
    pub async fn serve(self) -> Result<(), ServeError> {
        self.bind()?.run().await
    }
}

fn guard_config(settings: &Settings, environment: &Environment) -> GuardConfig {
    let guard = &settings.guard;
    let config = GuardConfig::for_environment(environment)
        .minimum_phase(guard.minimum_phase)
        .interval(guard.interval)
        .timeout_multiplier(guard.timeout_multiplier)
        .bypass(guard.bypass);
    match guard.timeout {
        Some(timeout) => config.timeout(timeout),
        None => config,
    }
}

fn queue_config(settings: &Settings) -> QueueConfig {
    let queue = &settings.queue;
    QueueConfig::default()
        .max_size(queue.max_size)
        .max_wait(queue.max_wait)
        .release_per_second(queue.release_per_second)
        .release_in_flight(queue.release_in_flight)
        .refuse_at_first(queue.hold_from > Phase::Init)
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
            let mut told_to_stop = pin!(async {
                stop.await;
                refuse_newcomers(server, &gate).await;
            });
            match startup.run_until(told_to_stop.as_mut()).await {
                Ok(started) => {
                    told_to_stop.await;
                    close_live(server).await;
                    stop_steps(started).await;
                    Ok(())
                }
                Err(_) if server.is_stopping() => {
                    close_live(server).await;
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
    let shutdown = &server.settings.shutdown;
    server.drain.begin(Stop {
        code: CloseCode::from(shutdown.close_code),
        handler_until: Instant::now(),
    });
    sleep(server.settings.startup.failed_linger).await;
    // Whoever has not taken its answer by then is not going to.
    let _ = timeout(REFUSAL_TIME, server.registry.emptied()).await;
}

/// Resolves at SIGTERM or SIGINT.
async fn stop_signal() {
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            warn!(%error, "cannot listen for signals: only a kill ends this process");
            pending::<()>().await;
        }
    }
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
