//! One connection's record, from its request to its end: what happens to it is told here, once, to
//! the log, to the metrics and to whoever watches.
//!
//! ```text
//! arrived ─► held ─► held again ─► admitted ─► closed
//!     │        └──────────┴────► refused, or left while held
//!     └─► admitted, or refused
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "proxy")]
use hyper::StatusCode;
use tokio::time::Instant;
use tracing::field::{DebugValue, debug};
use tracing::{debug, error, warn};
use ws_queue::Lease;

#[cfg(feature = "proxy")]
use crate::answer::Answer;
use crate::handler::BoxError;
use crate::journal::Journal;
use crate::metrics::{By, HoldOutcome, Traffic};
#[cfg(feature = "proxy")]
use crate::proxy::Unanswered;
use crate::refusal::Reason;
use crate::registry::{Client, Registered};
use crate::shared::Shared;

/// The header field by which clients and proxies name the trace that a request belongs to.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// How a WebSocket ended: who began to close it, and with which code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) code: u16,
    pub(crate) by: By,
}

/// What stands for a connection that ended without a close frame, which none ever carries.
const NO_CLOSE_FRAME: u16 = 1006;

impl End {
    pub(crate) fn new(code: impl Into<u16>, by: By) -> Self {
        Self {
            code: code.into(),
            by,
        }
    }

    /// The connection broke, or was broken off: nobody said goodbye.
    pub(crate) fn lost(by: By) -> Self {
        Self::new(NO_CLOSE_FRAME, by)
    }

    pub(crate) fn is_lost(self) -> bool {
        self.code == NO_CLOSE_FRAME
    }
}

/// The record, and the entry in the registry: whoever has it is connected.
///
/// Dropping it tells how it ended where nobody has: the client has left, or was broken off.
pub(crate) struct Visit {
    journal: Arc<Journal>,
    /// Which the client's `traceparent` names.
    trace: Option<Box<str>>,
    began: Instant,
    stage: Stage,
    received: Traffic,
    sent: Traffic,
    /// How much of that the metrics have been told.
    told: (Traffic, Traffic),
    registered: Registered,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Arrived,
    Held { since: Instant },
    Live { since: Instant },
    Over,
}

impl Visit {
    /// A client has come, and asks for `path`; the reason to turn it away, where it is one too many.
    pub(crate) fn begin<'a>(
        server: &Shared,
        peer: SocketAddr,
        path: impl Fn() -> &'a str,
        traceparent: Option<&str>,
    ) -> Result<Self, Reason> {
        let trace = traceparent.and_then(trace_id);
        let Some(registered) = server.registry.register(peer, &server.limits()) else {
            let reason = Reason::ConnectionLimit;
            debug!(%peer, trace, path = path(), reason = reason.as_str(), "refused");
            server.journal.metrics.refused(reason);
            return Err(reason);
        };
        let id = registered.client().id;
        debug!(id, trace, %peer, path = path(), "arrived");
        Ok(Self {
            journal: Arc::clone(&server.journal),
            trace: trace.map(Box::from),
            began: Instant::now(),
            stage: Stage::Arrived,
            received: Traffic::default(),
            sent: Traffic::default(),
            told: <(Traffic, Traffic)>::default(),
            registered,
        })
    }

    /// One that belongs to no server.
    #[cfg(all(test, feature = "proxy"))]
    pub(crate) fn alone() -> Self {
        let registry = crate::registry::Registry::new();
        let limits = crate::settings::LimitSettings::default();
        let peer = ([127, 0, 0, 1], 4000).into();
        Self {
            journal: Arc::new(Journal::new(&[By::Client, By::Server, By::Upstream])),
            trace: None,
            began: Instant::now(),
            stage: Stage::Live {
                since: Instant::now(),
            },
            received: Traffic::default(),
            sent: Traffic::default(),
            told: <(Traffic, Traffic)>::default(),
            registered: registry.register(peer, &limits).expect("there is room"),
        }
    }

    #[cfg(all(test, feature = "proxy"))]
    pub(crate) fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        self.registered.client()
    }

    pub(crate) fn id(&self) -> u64 {
        self.client().id
    }

    fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    // Arrived -> Held
    pub(crate) fn held(&mut self, position: u64) {
        debug!(id = self.id(), trace = self.trace(), position, "held");
        // As it came: a gate that was opened since finds it among those it holds.
        self.stage = Stage::Held { since: self.began };
        self.journal.changed();
    }

    /// What it was admitted to had gone away: it is held, again or for the first time.
    // Arrived | Held -> Held
    #[cfg(feature = "proxy")]
    pub(crate) fn given_back(&mut self, why: &Unanswered) {
        let (id, trace) = (self.id(), self.trace());
        if let Stage::Arrived = self.stage {
            debug!(id, trace, %why, "held");
            self.stage = Stage::Held {
                since: Instant::now(),
            };
        } else {
            debug!(id, trace, %why, "held again");
        }
        self.journal.changed();
    }

    /// It has its 101, which acknowledges its admission.
    // Arrived | Held -> Live
    pub(crate) fn admitted(&mut self, lease: Lease<'_, Client>) {
        let (position, after) = (lease.position(), self.end_hold(HoldOutcome::Admitted));
        lease.acknowledge();
        self.registered.go_live();
        debug!(
            id = self.id(),
            trace = self.trace(),
            position,
            after = shown(after),
            "admitted"
        );
        self.stage = Stage::Live {
            since: Instant::now(),
        };
        self.journal.changed();
    }

    /// It has an answer that is no 101, which acknowledges its admission as well.
    // Arrived | Held -> Over
    #[cfg(feature = "proxy")]
    pub(crate) fn answered(&mut self, lease: Lease<'_, Client>, status: StatusCode) {
        let (position, after) = (lease.position(), self.end_hold(HoldOutcome::Admitted));
        lease.acknowledge();
        debug!(id = self.id(), trace = self.trace(), position, after = shown(after), %status, "answered");
        self.stage = Stage::Over;
        self.journal.changed();
    }

    /// Its request cannot become a WebSocket, and it is answered so.
    // Arrived | Held -> Over
    #[cfg(feature = "proxy")]
    pub(crate) fn failed(&mut self, lease: Lease<'_, Client>, answer: &Answer) {
        lease.acknowledge();
        let (after, reason) = (self.end_hold(HoldOutcome::Admitted), answer.reason());
        debug!(
            id = self.id(),
            trace = self.trace(),
            after = shown(after),
            reason,
            "handshake failed"
        );
        self.journal.metrics.handshake_failed(reason);
        self.stage = Stage::Over;
    }

    #[cfg(feature = "proxy")]
    pub(crate) fn upstream_failed(&self, upstream: &str, error: &Unanswered) {
        warn!(id = self.id(), trace = self.trace(), upstream, %error, "upstream failed");
    }

    // Arrived | Held -> Over
    pub(crate) fn refused(&mut self, reason: Reason) {
        let after = self.end_hold(reason.into());
        let reason_told = reason.as_str();
        debug!(
            id = self.id(),
            trace = self.trace(),
            after = shown(after),
            reason = reason_told,
            "refused"
        );
        self.journal.metrics.refused(reason);
        self.stage = Stage::Over;
        self.journal.changed();
    }

    /// For how long it was held, if it was.
    fn end_hold(&self, outcome: HoldOutcome) -> Option<Duration> {
        let Stage::Held { since } = self.stage else {
            return None;
        };
        let held = since.elapsed();
        self.journal.metrics.held(outcome, held);
        self.journal.hold_ended(since, outcome);
        Some(held)
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.received.add(bytes);
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent.add(bytes);
    }

    /// All there was so far, of a connection whose messages are counted by somebody else.
    #[cfg(feature = "proxy")]
    pub(crate) fn carried(&mut self, received: Traffic, sent: Traffic) {
        (self.received, self.sent) = (received, sent);
        self.settle();
    }

    /// Tells the metrics of the messages since the last time: once in a while, for it costs as much
    /// as a short message.
    pub(crate) fn settle(&mut self) {
        let (received, sent) = std::mem::replace(&mut self.told, (self.received, self.sent));
        let metrics = &self.journal.metrics;
        metrics.carried(self.received.since(received), self.sent.since(sent));
    }

    pub(crate) fn handler_failed(&self, error: &BoxError) {
        warn!(
            id = self.id(),
            trace = self.trace(),
            error,
            "handler failed"
        );
    }

    pub(crate) fn handler_panicked(&self) {
        error!(id = self.id(), trace = self.trace(), "handler panicked");
    }

    /// Its WebSocket, which it had before its turn had come, has ended.
    // Held -> Over
    pub(crate) fn closed_while_held(&mut self, end: End) {
        let after = self.end_hold(HoldOutcome::Abandoned);
        debug!(
            id = self.id(),
            trace = self.trace(),
            code = end.code,
            by = end.by.as_str(),
            after = shown(after),
            "left while held"
        );
        self.journal.metrics.closed(end.code, end.by);
        self.stage = Stage::Over;
        self.journal.changed();
    }

    // Live -> Over
    pub(crate) fn closed(&mut self, end: End) {
        let Stage::Live { since } = self.stage else {
            return;
        };
        let after = since.elapsed();
        self.settle();
        debug!(
            id = self.id(),
            trace = self.trace(),
            code = end.code,
            by = end.by.as_str(),
            ?after,
            received = self.received.messages,
            sent = self.sent.messages,
            "closed"
        );
        self.journal.metrics.closed(end.code, end.by);
        self.journal.metrics.lived(after);
        self.stage = Stage::Over;
        self.journal.changed();
    }
}

impl Drop for Visit {
    // any -> Over
    fn drop(&mut self) {
        match self.stage {
            Stage::Arrived => {
                debug!(
                    id = self.id(),
                    trace = self.trace(),
                    "left before it was answered"
                );
            }
            Stage::Held { .. } => {
                let after = self.end_hold(HoldOutcome::Abandoned);
                debug!(
                    id = self.id(),
                    trace = self.trace(),
                    after = shown(after),
                    "left while held"
                );
                self.journal.changed();
            }
            Stage::Live { .. } => self.closed(End::lost(By::Server)),
            Stage::Over => {}
        }
    }
}

/// A field that is left out where there is nothing to show.
fn shown(after: Option<Duration>) -> Option<DebugValue<Duration>> {
    after.map(debug)
}

/// The trace that a `traceparent` names: 32 hexadecimal digits, the second of its four parts.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.trim().split('-');
    let (_version, trace) = (parts.next()?, parts.next()?);
    let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    let is_valid = trace.len() == 32 && trace.bytes().all(is_hex);
    (is_valid && trace.bytes().any(|c| c != b'0')).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::trace_id;

    #[test]
    fn a_trace_is_taken_from_a_valid_traceparent_alone() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let sent = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(trace_id(&sent), Some(trace));
        let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        for invalid in ["", "00", "00-4bf9-1-1", &sent.to_uppercase(), &zeros] {
            assert_eq!(trace_id(invalid), None, "{invalid}");
        }
    }
}
