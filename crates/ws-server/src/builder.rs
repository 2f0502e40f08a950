//! Puts a server together.

use std::future::{Future, pending};
#[cfg(feature = "proxy")]
use std::io;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, select};
use readiness_guard::{Environment, GuardConfig, ReadinessCheck, ReadinessGuard};
use startup_phases::{Phase, Sequence};
#[cfg(feature = "proxy")]
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::warn;
use ws_queue::QueueConfig;

use crate::error::ServeError;
use crate::handler::{self, Handler, Handlers};
use crate::listener::{Listener, bind, bind_admin};
#[cfg(feature = "proxy")]
use crate::probe::Stream;
#[cfg(feature = "proxy")]
use crate::proxy::{Connector, InvalidUpstream, Upstream};
use crate::request::Request;
use crate::server::Server;
#[cfg(feature = "proxy")]
use crate::settings::ProxySettings;
use crate::settings::Settings;
use crate::shared::{ChooseSubprotocol, Shared};
use crate::signal::Signal;

/// Puts a [`Server`] together.
#[must_use]
pub struct ServerBuilder {
    settings: Settings,
    startup: Option<Sequence>,
    environment: Option<Environment>,
    checks: Vec<ReadinessCheck>,
    signal: Option<watch::Receiver<bool>>,
    handlers: Handlers,
    choose_subprotocol: Box<ChooseSubprotocol>,
    #[cfg(feature = "proxy")]
    upstream: Option<Upstream>,
    #[cfg(feature = "proxy")]
    connector: Option<Connector>,
    is_shared_listener: bool,
    admin: Option<TcpListener>,
    stop: Option<BoxFuture<'static, ()>>,
    stop_too: Option<BoxFuture<'static, ()>>,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings::default(),
            startup: None,
            environment: None,
            checks: Vec::new(),
            signal: None,
            handlers: handler::shared(handler::echo),
            choose_subprotocol: Box::new(|request| {
                request.subprotocols().next().map(str::to_owned)
            }),
            #[cfg(feature = "proxy")]
            upstream: None,
            #[cfg(feature = "proxy")]
            connector: None,
            is_shared_listener: false,
            admin: None,
            stop: None,
            stop_too: None,
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
        self.upstream = Some(Upstream::new(settings)?);
        Ok(self)
    }

    /// Reaches the upstream of [`proxy`](Self::proxy) by `connect` instead of by TCP: through a Unix
    /// socket, say, or without any network. It is called for each request, and for each look at
    /// whether the upstream is there; within `proxy.connect_timeout` it has to give a new connection,
    /// or the upstream counts as not ready. Bytes go through it as they are: under `wss://` too, TLS
    /// is its own affair.
    ///
    /// Default: connects to the address. A second call replaces the first; without `proxy` this has
    /// no effect.
    ///
    /// ```
    /// # use ws_server::{InvalidUpstream, Server, settings::ProxySettings};
    /// # fn main() -> Result<(), InvalidUpstream> {
    /// let upstream = "ws://application:80".to_owned();
    /// let server = Server::builder()
    ///     .proxy(&ProxySettings { upstream, ..ProxySettings::default() })?
    ///     .upstream_through(|| tokio::net::UnixStream::connect("/run/application.sock"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Its future is dropped when its time is over, and when the client leaves that it is called for.
    #[cfg(feature = "proxy")]
    pub fn upstream_through<C, F, S>(mut self, connect: C) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.connector = Some(Box::new(move || {
            let connected = connect();
            async move { Ok(Box::new(connected.await?) as Box<dyn Stream>) }.boxed()
        }));
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

    /// As [`readiness_check`](Self::readiness_check), for something that is known without looking: the
    /// gate closes at the moment it holds no more, and while the gate is closed, whatever is sent has
    /// the guard look at that moment rather than at its next interval (S2). A second call replaces
    /// the first; dropping the sender leaves things as they are.
    pub fn readiness_signal(
        mut self,
        name: impl Into<String>,
        holds: watch::Receiver<bool>,
    ) -> Self {
        self.signal = Some(holds.clone());
        self.readiness_check(
            ReadinessCheck::new(name, move || {
                let holds = *holds.borrow();
                async move { holds.then_some(()).ok_or("known to be down") }
            })
            .after_startup(),
        )
    }

    /// Somebody else accepts connections from the same listener, such as a successor that has
    /// inherited it: once told to stop, this server leaves newcomers to them and accepts nobody any
    /// more. Default: they are refused with 503.
    pub fn shared_listener(mut self) -> Self {
        self.is_shared_listener = true;
        self
    }

    /// When to stop. Default: at SIGTERM or SIGINT, and at once at the second of them. With a
    /// future of your own, the way to stop at once is to drop that of [`Server::run`].
    pub fn stop_when(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Some(stop.boxed());
        self
    }

    /// One more reason to stop, beside [`stop_when`](Self::stop_when) or its default.
    pub fn stop_too_when(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop_too = Some(stop.boxed());
        self
    }

    /// Answers the operators' pages (`/metrics`, `/status` with its events, the page) on this listener,
    /// and on the main port no more. Who is answered there is no client: it is in no limit, and nobody
    /// waits for it at the end. Default: what [`bind`](Self::bind) finds in `settings.admin.listen`; with
    /// [`listen_on`](Self::listen_on) it has to be given here ([`bind_admin`] makes it), or, where that
    /// setting is set, these pages are nowhere.
    pub fn admin_on(mut self, listener: TcpListener) -> Self {
        self.admin = Some(listener);
        self
    }

    /// Binds `settings.server.listen`, and `settings.admin.listen` where that is set and
    /// [`admin_on`](Self::admin_on) was not called. Clients may connect from now on; they are answered
    /// once [`Server::run`] is called.
    ///
    /// # Errors
    ///
    /// One of the addresses cannot be bound; the error says which.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn bind(mut self) -> Result<Server, ServeError> {
        let listener = bind(&self.settings)?;
        if self.admin.is_none() {
            self.admin = bind_admin(&self.settings)?;
        }
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
            signal,
            handlers,
            choose_subprotocol,
            #[cfg(feature = "proxy")]
            upstream,
            #[cfg(feature = "proxy")]
            connector,
            is_shared_listener,
            admin,
            stop,
            stop_too,
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
        let upstream = upstream.map(|it| Arc::new(it.through(connector)));
        #[cfg(feature = "proxy")]
        let guard = match &upstream {
            Some(upstream) => guard.check(upstream.monitor()),
            None => guard,
        };
        let (gate, queue) = ws_queue::gate(&queue_config(&settings));
        let phases = startup.watch();
        let mut shared = Shared::new(
            settings,
            guard,
            phases,
            Signal::new(signal),
            queue,
            handlers,
            choose_subprotocol,
        );
        shared.has_admin_port |= admin.is_some();
        #[cfg(feature = "proxy")]
        let shared = shared.in_front_of(upstream);
        let (stop, stop_at_once) = match stop {
            Some(stop) => (stop, pending().boxed()),
            None => (stop_signals(1).boxed(), stop_signals(2).boxed()),
        };
        let stop = match stop_too {
            Some(too) => select(stop, too).map(drop).boxed(),
            None => stop,
        };
        Server {
            listener,
            admin,
            startup,
            gate: Arc::new(gate),
            shared: Arc::new(shared),
            is_shared_listener,
            stop,
            stop_at_once,
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

/// Resolves at SIGTERM or SIGINT, when so many have come.
async fn stop_signals(count: usize) {
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            for _ in 0..count {
                tokio::select! {
                    biased;
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            warn!(%error, "cannot listen for signals: only a kill ends this process");
            pending::<()>().await;
        }
    }
}
