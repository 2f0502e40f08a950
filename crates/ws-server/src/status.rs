//! What the pages say about the server, in the words of the interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use readiness_guard::{Readiness, ReadinessState, Reason};
use serde::Serialize;
use startup_phases::{Degraded, Phase, PhaseWatch, Report, State};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use ws_queue::QueueStatus;

use crate::history::Usual;
use crate::journal::{Opened, maybe_seconds, seconds};
use crate::metrics::{Looked, Traffic};
use crate::registry::Connections;
use crate::shared::Shared;

/// How many of those who wait are listed, first come first: nobody reads more, and the queue is
/// locked while they are collected.
const LISTED: usize = 100;

/// The least time between two looks of a watcher: a release changes thousands of things at once.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// The most: what only grows older changes without anybody doing anything.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A server as it is, for whoever wants to show it: the page, a terminal, a program around the
/// library. Cheap to clone; it outlives the server, and then shows how that ended.
#[derive(Clone)]
pub struct StatusWatch {
    server: Arc<Shared>,
    changes: watch::Receiver<()>,
    phases: PhaseWatch,
    looked: Instant,
    peers: Peers,
}

/// Whether the addresses of clients are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peers {
    Hidden,
    Shown,
}

impl StatusWatch {
    pub(crate) fn new(server: &Arc<Shared>) -> Self {
        let mut phases = server.phases.clone();
        // What has happened so far is in the first document, however much it was.
        let _ = phases.changed().now_or_never();
        Self {
            server: Arc::clone(server),
            changes: server.journal.changes(),
            phases,
            looked: Instant::now(),
            peers: Peers::Hidden,
        }
    }

    pub(crate) fn with(self, peers: Peers) -> Self {
        Self { peers, ..self }
    }

    /// The document that `/status` answers with: JSON, on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        Status::of(&self.server, self.peers).to_json()
    }

    /// Resolves when something has changed since it last did: not sooner than 100 ms after that, so
    /// that a thousand changes are one, and after 1 s in any case, since times go on.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a change that comes meanwhile is seen by the next call.
    pub async fn changed(&mut self) {
        sleep_until(self.looked + LEAST_PAUSE).await;
        tokio::select! {
            biased;
            // Its other half is in the server that is kept here.
            _ = self.changes.changed() => {}
            () = self.phases.changed() => {}
            () = sleep_until(self.looked + LONGEST_PAUSE) => {}
        }
        self.looked = Instant::now();
    }
}

impl std::fmt::Debug for StatusWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_json())
    }
}

/// `/status`.
#[derive(Serialize)]
pub(crate) struct Status {
    startup: Report,
    readiness: Readiness,
    queue: QueueStatus,
    connections: Connections,
    draining: bool,
    #[serde(rename = "closed_seconds", serialize_with = "maybe_seconds")]
    closed: Option<Duration>,
    opened: Option<Opened>,
    held: Vec<HeldStatus>,
    messages: MessageStatus,
    closes: Vec<CloseStatus>,
    refused: BTreeMap<&'static str, u64>,
    handshake_failures: BTreeMap<&'static str, u64>,
    /// How long one client is held at most.
    #[serde(rename = "max_wait_seconds", serialize_with = "seconds")]
    max_wait: Duration,
    history: Option<Usual>,
}

/// One of those who wait.
#[derive(Serialize)]
struct HeldStatus {
    /// As in the log.
    id: Option<u64>,
    position: u64,
    #[serde(rename = "waited_seconds", serialize_with = "seconds")]
    waited: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<SocketAddr>,
}

#[derive(Serialize)]
struct MessageStatus {
    received: u64,
    received_bytes: u64,
    sent: u64,
    sent_bytes: u64,
}

impl From<(Traffic, Traffic)> for MessageStatus {
    fn from((received, sent): (Traffic, Traffic)) -> Self {
        Self {
            received: received.messages,
            received_bytes: received.bytes,
            sent: sent.messages,
            sent_bytes: sent.bytes,
        }
    }
}

#[derive(Serialize)]
struct CloseStatus {
    code: &'static str,
    initiator: &'static str,
    count: u64,
}

impl Status {
    pub(crate) fn of(server: &Shared, peers: Peers) -> Self {
        let queue = server.queue.status();
        let mut readiness = server.guard.readiness();
        readiness.ready = is_ready(server, &queue);
        let held = server.queue.held(LISTED).into_iter();
        let metrics = &server.journal.metrics;
        let closes = metrics.closes().into_iter();
        Self {
            startup: server.phases.report(),
            readiness,
            queue,
            connections: server.registry.connections(),
            draining: server.is_stopping(),
            closed: server.journal.closed_for().filter(|_| !queue.open),
            opened: server.journal.opened(),
            held: held
                .map(|it| {
                    let client = it.connection.upgrade();
                    let shown = client.as_ref().filter(|_| peers == Peers::Shown);
                    HeldStatus {
                        id: client.as_ref().map(|it| it.id),
                        position: it.position,
                        waited: it.waited,
                        peer: shown.map(|it| it.peer),
                    }
                })
                .collect(),
            messages: metrics.traffic().into(),
            closes: closes
                .map(|(code, by, count)| CloseStatus {
                    code,
                    initiator: by.as_str(),
                    count,
                })
                .collect(),
            refused: metrics.refusals(),
            handshake_failures: metrics.handshake_failures(),
            max_wait: server.settings.queue.max_wait,
            history: server.history.usual().cloned(),
        }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("our own types serialise")
    }
}

/// `/metrics`.
pub(crate) fn metrics(server: &Shared) -> String {
    let queue = server.queue.status();
    let usual = server.history.usual();
    server.journal.metrics.encode(&Looked {
        startup: &server.phases.report(),
        start: server.journal.start(),
        usual_start: usual.map(|usual| usual.durations.open.duration()),
        ready: is_ready(server, &queue),
        queue: &queue,
        connections: server.registry.connections(),
    })
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
