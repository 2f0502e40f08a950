//! What every connection of a server needs to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use readiness_guard::ReadinessGuard;
use startup_phases::PhaseWatch;
use ws_queue::HoldQueue;

use crate::drain::Drain;
use crate::handler::Handlers;
use crate::refusal::RetryAfter;
use crate::registry::{Client, Registry};
use crate::request::Request;
use crate::settings::Settings;

/// Chooses one of the subprotocols that a client offers.
pub(crate) type ChooseSubprotocol = dyn Fn(&Request) -> Option<String> + Send + Sync;

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) phases: PhaseWatch,
    pub(crate) guard: ReadinessGuard,
    pub(crate) queue: HoldQueue<Client>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) handlers: Handlers,
    pub(crate) choose_subprotocol: Box<ChooseSubprotocol>,
    pub(crate) retry_after: RetryAfter,
    pub(crate) drain: Drain,
    stopping: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        guard: ReadinessGuard,
        phases: PhaseWatch,
        queue: HoldQueue<Client>,
        handlers: Handlers,
        choose_subprotocol: Box<ChooseSubprotocol>,
    ) -> Arc<Self> {
        Arc::new(Self {
            registry: Registry::new(&settings.limits),
            settings,
            phases,
            guard,
            queue,
            handlers,
            choose_subprotocol,
            retry_after: RetryAfter::new(fastrand::Rng::new()),
            drain: Drain::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Readiness says no from now on, whatever the gate does.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}
