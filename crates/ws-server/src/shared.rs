//! What every connection of a server needs to know.

use std::sync::Arc;

use parking_lot::RwLock;
use readiness_guard::ReadinessGuard;
use startup_phases::PhaseWatch;
use tokio::sync::{Semaphore, SetOnce};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use ws_queue::HoldQueue;

use crate::drain::Drain;
use crate::handler::Handlers;
use crate::history::History;
use crate::http::events::MAX_WATCHERS;
use crate::journal::Journal;
use crate::metrics::By;
#[cfg(feature = "proxy")]
use crate::proxy::Upstream;
use crate::refusal::{Reason, Refused, RetryAfter};
use crate::registry::{Client, Registry};
use crate::request::Request;
use crate::settings::{LimitSettings, Settings};
use crate::signal::Signal;

/// Chooses one of the subprotocols that a client offers.
pub(crate) type ChooseSubprotocol = dyn Fn(&Request) -> Option<String> + Send + Sync;

pub(crate) struct Shared {
    /// As they were at the start. What can be changed since has its own place.
    pub(crate) settings: Settings,
    limits: RwLock<Arc<LimitSettings>>,
    pub(crate) phases: PhaseWatch,
    pub(crate) guard: ReadinessGuard,
    pub(crate) signal: Signal,
    pub(crate) queue: HoldQueue<Client>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) handlers: Handlers,
    /// Where clients are passed on to, instead of to a handler.
    #[cfg(feature = "proxy")]
    pub(crate) upstream: Option<Arc<Upstream>>,
    pub(crate) choose_subprotocol: Box<ChooseSubprotocol>,
    retry_after: RetryAfter,
    pub(crate) history: History,
    pub(crate) drain: Drain,
    pub(crate) journal: Arc<Journal>,
    stopping: CancellationToken,
    /// The connections that have been accepted and have not come to the gate yet.
    pub(crate) arriving: TaskTracker,
    /// When the gate was opened for the first time.
    first_opened: SetOnce<Instant>,
    /// A seat for everyone who may watch the status.
    pub(crate) watchers: Arc<Semaphore>,
    /// Whether the operators' pages are answered elsewhere than on the main port.
    pub(crate) has_admin_port: bool,
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        guard: ReadinessGuard,
        phases: PhaseWatch,
        signal: Signal,
        queue: HoldQueue<Client>,
        handlers: Handlers,
        choose_subprotocol: Box<ChooseSubprotocol>,
    ) -> Self {
        Self {
            has_admin_port: settings.admin.listen.is_some(),
            registry: Registry::new(),
            limits: RwLock::new(Arc::new(settings.limits.clone())),
            settings,
            phases,
            guard,
            signal,
            queue,
            handlers,
            choose_subprotocol,
            retry_after: RetryAfter::new(fastrand::Rng::new()),
            history: History::default(),
            drain: Drain::default(),
            journal: Arc::new(Journal::new(&[By::Client, By::Server])),
            #[cfg(feature = "proxy")]
            upstream: None,
            stopping: CancellationToken::new(),
            arriving: TaskTracker::new(),
            first_opened: SetOnce::new(),
            watchers: Arc::new(Semaphore::new(MAX_WATCHERS)),
        }
    }

    #[cfg(feature = "proxy")]
    pub(crate) fn in_front_of(mut self, upstream: Option<Arc<Upstream>>) -> Self {
        if upstream.is_some() {
            self.journal = Arc::new(Journal::new(&[By::Client, By::Server, By::Upstream]));
        }
        self.upstream = upstream;
        self
    }

    /// Whether clients are passed on to an application behind us.
    pub(crate) fn passes_on(&self) -> bool {
        #[cfg(feature = "proxy")]
        return self.upstream.is_some();
        #[cfg(not(feature = "proxy"))]
        return false;
    }

    /// The limits in effect.
    pub(crate) fn limits(&self) -> Arc<LimitSettings> {
        Arc::clone(&self.limits.read())
    }

    pub(crate) fn set_limits(&self, limits: LimitSettings) {
        *self.limits.write() = Arc::new(limits);
    }

    /// The gate has been opened for the first time, or again.
    pub(crate) fn opened(&self) {
        // Only the first time counts.
        let _ = self.first_opened.set(Instant::now());
        self.journal.changed();
    }

    pub(crate) fn was_open(&self) -> bool {
        self.first_opened.initialized()
    }

    /// Resolves with when the gate was opened for the first time.
    pub(crate) async fn first_opened(&self) -> Instant {
        *self.first_opened.wait().await
    }

    /// How this reason is told to a client that is refused now.
    pub(crate) fn refusal(&self, reason: Reason) -> Refused {
        // Of a gate that was open and has closed again nothing is known.
        let left = (!self.was_open()).then(|| self.history.time_left(Instant::now()));
        self.retry_after.refuse(reason, left.flatten())
    }

    /// Readiness says no from now on, whatever the gate does.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
        self.journal.changed();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Resolves when the server has been told to stop.
    pub(crate) async fn stopped(&self) {
        self.stopping.cancelled().await;
    }
}
