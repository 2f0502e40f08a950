//! What the pages say about the server, in the words of the interface.

use readiness_guard::{Readiness, ReadinessState, Reason};
use serde::Serialize;
use startup_phases::{Degraded, Phase, Report, State};
use ws_queue::QueueStatus;

use crate::registry::Connections;
use crate::shared::Shared;

/// `/status`.
#[derive(Serialize)]
pub(crate) struct Status {
    startup: Report,
    readiness: Readiness,
    queue: QueueStatus,
    connections: Connections,
}

impl Status {
    pub(crate) fn of(server: &Shared) -> Self {
        let queue = server.queue.status();
        let mut readiness = server.guard.readiness();
        readiness.ready = is_ready(server, &queue);
        Self {
            startup: server.phases.report(),
            readiness,
            queue,
            connections: server.registry.connections(),
        }
    }
}

/// Whether a client that comes now is served. The gate decides, not the guard: between the guard's
/// last look and now, it is the gate that a client meets.
fn is_ready(server: &Shared, queue: &QueueStatus) -> bool {
    queue.open && !server.is_stopping()
}

/// `/readyz`.
#[derive(Serialize)]
pub(crate) struct ReadyStatus {
    pub(crate) ready: bool,
    state: ReadinessState,
    phase: Option<Phase>,
    reason: Option<NotReadyReason>,
    degraded: Vec<Degraded>,
}

/// Why readiness says no.
#[derive(Serialize)]
#[serde(untagged)]
enum NotReadyReason {
    Guard(Reason),
    Draining(&'static str),
}

impl ReadyStatus {
    pub(crate) fn of(server: &Shared) -> Self {
        let readiness = server.guard.readiness();
        let open = is_ready(server, &server.queue.status());
        // A pod taken out of rotation because its application restarts could hold nobody.
        let holds_on = server.passes_on()
            && server.was_open()
            && !server.is_stopping()
            && !server.settings.proxy.readyz_follows_upstream;
        let ready = open || holds_on;
        let reason = if server.is_stopping() {
            Some(NotReadyReason::Draining("draining"))
        } else {
            readiness
                .reason
                .filter(|_| !ready)
                .map(NotReadyReason::Guard)
        };
        Self {
            ready,
            state: readiness.state,
            phase: readiness.phase,
            reason,
            degraded: server.phases.report().degraded,
        }
    }
}

/// `/startupz`.
#[derive(Serialize)]
pub(crate) struct StartupStatus {
    state: &'static str,
    phase: Option<Phase>,
    failed_step: Option<String>,
    error: Option<String>,
}

impl StartupStatus {
    pub(crate) fn of(server: &Shared) -> Self {
        let state = server.phases.state();
        let failure = state.failure();
        Self {
            state: state.as_str(),
            phase: state.phase(),
            failed_step: failure.and_then(|it| it.step.clone()),
            error: failure.map(|it| it.error.clone()),
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete.as_str()
    }
}
