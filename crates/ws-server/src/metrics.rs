//! What `/metrics` says, for Prometheus: what happens is counted as it does, what is so is looked at
//! when somebody asks.
//!
//! Every known label value is there from the start, at 0, so that a rate over the first event is not
//! lost. Labels have few values, none of which a client can choose.

mod labels;
mod looked;
mod text;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

pub(crate) use self::labels::{By, HoldOutcome, code_label};
use self::labels::{CODES, HANDSHAKE_FAILURES};
pub(crate) use self::looked::Looked;
use self::looked::LookedAt;
use self::text::in_classic_text;
use crate::refusal::Reason;

/// What [`Metrics::encode`] writes: the format that all who scrape can read.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Holds and waits: from one look of a timer to the longest that a client is usually patient.
const WAIT_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// Connections: from those that hardly began to those that stay for a day.
const LIFE_BUCKETS: [f64; 10] = [
    0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0,
];

type One = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];
type Seconds = Gauge<f64, AtomicU64>;
type Histograms = Family<One, Histogram, fn() -> Histogram>;

/// Messages in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            messages: self.messages - before.messages,
            bytes: self.bytes - before.bytes,
        }
    }
}

struct TrafficCounters {
    messages: Counter,
    bytes: Counter,
}

impl TrafficCounters {
    fn count(&self, traffic: Traffic) {
        // Each on its own: the bytes of a message in pieces come before it counts.
        for (counter, more) in [
            (&self.messages, traffic.messages),
            (&self.bytes, traffic.bytes),
        ] {
            if more > 0 {
                counter.inc_by(more);
            }
        }
    }

    fn so_far(&self) -> Traffic {
        Traffic {
            messages: self.messages.get(),
            bytes: self.bytes.get(),
        }
    }
}

pub(crate) struct Metrics {
    registry: Registry,
    hold: Histograms,
    refused: Family<One, Counter>,
    life: Histogram,
    received: TrafficCounters,
    sent: TrafficCounters,
    closes: Family<Two, Counter>,
    initiators: &'static [By],
    handshake_failures: Family<One, Counter>,
    guard_wait: Histograms,
    looked_at: LookedAt,
}

impl Metrics {
    /// `initiators` are those who can close a connection of this server.
    pub(crate) fn new(initiators: &'static [By]) -> Self {
        let mut registry = Registry::with_prefix("ws");
        let it = &mut registry;
        let looked_at = LookedAt::register(it);
        let waits = || Histograms::new_with_constructor(|| Histogram::new(WAIT_BUCKETS));
        let hold = family(
            it,
            "queue_hold_seconds",
            "How long clients were held, by how that ended",
            waits(),
        );
        for outcome in HoldOutcome::ALL {
            let _ = hold.get_or_create(&[("outcome", outcome.as_str())]);
        }
        let refused = family(
            it,
            "queue_refused",
            "Clients turned away, by the reason they were told",
            Family::<One, Counter>::default(),
        );
        for reason in Reason::ALL {
            let _ = refused.get_or_create(&[("reason", reason.as_str())]);
        }
        let life = family(
            it,
            "connection_duration_seconds",
            "How long WebSockets lived, from their admission to their end",
            Histogram::new(LIFE_BUCKETS),
        );
        let messages = family(
            it,
            "messages",
            "Messages of clients (received) and to clients (sent)",
            Family::<One, Counter>::default(),
        );
        let bytes = family(
            it,
            "message_bytes",
            "Bytes of the payloads of those messages",
            Family::<One, Counter>::default(),
        );
        let closes = family(
            it,
            "close",
            "WebSockets that ended, by close code (1006: without one) and by who began to close",
            Family::<Two, Counter>::default(),
        );
        for by in initiators {
            for code in CODES {
                let _ = closes.get_or_create(&[("code", code), ("initiator", by.as_str())]);
            }
        }
        let handshake_failures = family(
            it,
            "handshake_failures",
            "Requests that could not become a WebSocket, by the reason they were told",
            Family::<One, Counter>::default(),
        );
        for reason in HANDSHAKE_FAILURES {
            let _ = handshake_failures.get_or_create(&[("reason", reason)]);
        }
        let guard_wait = family(
            it,
            "guard_wait_seconds",
            "How long the guard waited for readiness, by its verdict",
            waits(),
        );
        let reasons = readiness_guard::Reason::ALL.map(readiness_guard::Reason::as_str);
        for verdict in reasons.into_iter().chain(["ready"]) {
            let _ = guard_wait.get_or_create(&[("verdict", verdict)]);
        }
        let traffic = |direction| TrafficCounters {
            messages: messages.get_or_create_owned(&[("direction", direction)]),
            bytes: bytes.get_or_create_owned(&[("direction", direction)]),
        };
        Self {
            received: traffic("received"),
            sent: traffic("sent"),
            registry,
            hold,
            refused,
            life,
            closes,
            initiators,
            handshake_failures,
            guard_wait,
            looked_at,
        }
    }

    pub(crate) fn held(&self, outcome: HoldOutcome, held: Duration) {
        let histogram = self.hold.get_or_create(&[("outcome", outcome.as_str())]);
        histogram.observe(held.as_secs_f64());
    }

    pub(crate) fn refused(&self, reason: Reason) {
        self.refused
            .get_or_create(&[("reason", reason.as_str())])
            .inc();
    }

    pub(crate) fn handshake_failed(&self, reason: &'static str) {
        self.handshake_failures
            .get_or_create(&[("reason", reason)])
            .inc();
    }

    pub(crate) fn carried(&self, received: Traffic, sent: Traffic) {
        self.received.count(received);
        self.sent.count(sent);
    }

    pub(crate) fn closed(&self, code: u16, by: By) {
        self.closes
            .get_or_create(&[("code", code_label(code)), ("initiator", by.as_str())])
            .inc();
    }

    pub(crate) fn lived(&self, life: Duration) {
        self.life.observe(life.as_secs_f64());
    }

    pub(crate) fn guard_waited(&self, verdict: &'static str, waited: Duration) {
        self.guard_wait
            .get_or_create(&[("verdict", verdict)])
            .observe(waited.as_secs_f64());
    }

    /// Received, and sent.
    pub(crate) fn traffic(&self) -> (Traffic, Traffic) {
        (self.received.so_far(), self.sent.so_far())
    }

    /// How many connections ended with which code and by whom, those that there were.
    pub(crate) fn closes(&self) -> Vec<(&'static str, By, u64)> {
        let all = CODES
            .into_iter()
            .flat_map(|code| self.initiators.iter().map(move |by| (code, *by)));
        all.filter_map(|(code, by)| {
            let labels = [("code", code), ("initiator", by.as_str())];
            let count = self.closes.get(&labels)?.get();
            (count > 0).then_some((code, by, count))
        })
        .collect()
    }

    /// How many were turned away, by every reason there is.
    pub(crate) fn refusals(&self) -> BTreeMap<&'static str, u64> {
        let count = |reason: Reason| {
            let counter = self.refused.get(&[("reason", reason.as_str())]);
            (reason.as_str(), counter.map_or(0, |it| it.get()))
        };
        Reason::ALL.map(count).into()
    }

    /// How many requests could not become a WebSocket, by the reasons that there were.
    pub(crate) fn handshake_failures(&self) -> BTreeMap<&'static str, u64> {
        let count = |reason| {
            let counter = self.handshake_failures.get(&[("reason", reason)])?;
            Some((reason, counter.get())).filter(|(_, count)| *count > 0)
        };
        HANDSHAKE_FAILURES.into_iter().filter_map(count).collect()
    }

    /// Everything, in the text that Prometheus scrapes.
    pub(crate) fn encode(&self, looked: &Looked<'_>) -> String {
        self.looked_at.set(looked);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        in_classic_text(&text)
    }
}

/// Enters a family under its name, which is shown with `ws_` before it and, of counters, `_total` behind.
fn family<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, family: M) -> M {
    registry.register(name, help, family.clone());
    family
}

#[cfg(test)]
mod tests;
