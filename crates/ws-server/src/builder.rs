//! Puts a server together.

use std::future::{Future, pending};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use readiness_guard::{Environment, GuardConfig, ReadinessCheck, ReadinessGuard};
use startup_phases::{Phase, Sequence};
use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;
use ws_queue::QueueConfig;

use crate::handler::{self, Handler, Handlers};
use crate::listener::{Listener, bind};
#[cfg(feature = "proxy")]
use crate::proxy::{InvalidUpstream, Upstream};
use crate::request::Request;
use crate::server::{ServeError, Server};
#[cfg(feature = "proxy")]
use crate::settings::ProxySettings;
use crate::settings::Settings;
use crate::shared::{ChooseSubprotocol, Shared};

/// Puts a [`Server`] together.
#[must_use]
pub struct ServerBuilder {
    settings: Settings,
    startup: Option<Sequence>,
    environment: Option<Environment>,
    checks: Vec<ReadinessCheck>,
    handlers: Handlers,
    choose_subprotocol: Box<ChooseSubprotocol>,
    #[cfg(feature = "proxy")]
    upstream: Option<Arc<Upstream>>,
    stop: Option<BoxFuture<'static, ()>>,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings::default(),
            startup: None,
            environment: None,
            checks: Vec::new(),
            handlers: handler::shared(handler::echo),
            choose_subprotocol: Box::new(|request| {
                request.subprotocols().next().map(str::to_owned)
            }),
            #[cfg(feature = "proxy")]
            upstream: None,
            stop: None,
        }
    }

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

    /// Passes clients on to another server, instead of serving them with a handler: whatever it
    /// answers is what they get, and as long as it cannot be connected to they are held. Requests
    /// for anything but our own pages go there too.
    ///
    /// `settings.server.path` should be `*` then.
    ///
    /// # Errors
    ///
    /// The address is none.
    #[cfg(feature = "proxy")]
    pub fn proxy(mut self, settings: &ProxySettings) -> Result<Self, InvalidUpstream> {
        self.upstream = Some(Arc::new(Upstream::new(settings)?));
        Ok(self)
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
            #[cfg(feature = "proxy")]
            upstream,
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
        #[cfg(feature = "proxy")]
        let guard = match &upstream {
            Some(upstream) => guard.check(upstream.monitor()),
            None => guard,
        };
        let (gate, queue) = ws_queue::gate(&queue_config(&settings));
        let phases = startup.watch();
        let shared = Shared::new(settings, guard, phases, queue, handlers, choose_subprotocol);
        #[cfg(feature = "proxy")]
        let shared = shared.in_front_of(upstream);
        Server {
            listener,
            startup,
            gate,
            shared: Arc::new(shared),
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
        .minimum_phase(settings.opens_at())
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
