//! What is so when somebody asks for the metrics, as opposed to what has happened.

use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use startup_phases::{Phase, Report, State};
use ws_queue::QueueStatus;

use super::{One, Seconds, family};
use crate::registry::Connections;

/// What is so, as it was when somebody asked last.
pub(super) struct LookedAt {
    phase_duration: Family<One, Seconds>,
    startup_complete: Gauge,
    startup_elapsed: Seconds,
    startup_usual: Seconds,
    ready: Gauge,
    queue_size: Gauge,
    queue_max_size: Gauge,
    queue_oldest_age: Seconds,
    live: Gauge,
    total: Counter,
}

/// What is looked at when somebody asks.
pub(crate) struct Looked<'a> {
    pub(crate) startup: &'a Report,
    /// How long this start took until the gate opened, or has been taking.
    pub(crate) start: Duration,
    /// How long earlier starts took.
    pub(crate) usual_start: Option<Duration>,
    pub(crate) ready: bool,
    pub(crate) queue: &'a QueueStatus,
    pub(crate) connections: Connections,
}

impl LookedAt {
    pub(super) fn register(it: &mut Registry) -> Self {
        Self {
            phase_duration: family(
                it,
                "startup_phase_duration_seconds",
                "How long each phase of startup took, or has been taking so far",
                Family::default(),
            ),
            startup_complete: family(
                it,
                "startup_complete",
                "Whether startup is complete",
                Gauge::default(),
            ),
            startup_elapsed: family(
                it,
                "startup_elapsed_seconds",
                "How long this start took until clients were admitted, or has been taking so far",
                Seconds::default(),
            ),
            startup_usual: family(
                it,
                "startup_usual_seconds",
                "How long earlier starts took until clients were admitted (median); 0 where unknown",
                Seconds::default(),
            ),
            ready: family(
                it,
                "ready",
                "Whether a client that comes now is served",
                Gauge::default(),
            ),
            queue_size: family(
                it,
                "queue_size",
                "Clients that have a place in the queue",
                Gauge::default(),
            ),
            queue_max_size: family(
                it,
                "queue_max_size",
                "The most clients that may have one",
                Gauge::default(),
            ),
            queue_oldest_age: family(
                it,
                "queue_oldest_age_seconds",
                "How long the first of them has been waiting",
                Seconds::default(),
            ),
            live: family(
                it,
                "connections_live",
                "WebSockets that are being served",
                Gauge::default(),
            ),
            total: family(
                it,
                "connections",
                "WebSockets that have been served",
                Counter::default(),
            ),
        }
    }

    pub(super) fn set(&self, looked: &Looked<'_>) {
        for phase in Phase::ALL {
            let report = looked.startup.phases.iter().find(|it| it.phase == phase);
            let took = report.and_then(|it| it.duration).unwrap_or_default();
            self.phase_duration
                .get_or_create(&[("phase", phase.as_str())])
                .set(took.as_secs_f64());
        }
        let complete = looked.startup.state == State::Complete;
        self.startup_complete.set(complete.into());
        self.startup_elapsed.set(looked.start.as_secs_f64());
        let usual = looked.usual_start.unwrap_or_default();
        self.startup_usual.set(usual.as_secs_f64());
        self.ready.set(looked.ready.into());
        self.queue_size.set(whole(looked.queue.size as u64));
        self.queue_max_size.set(whole(looked.queue.max_size as u64));
        self.queue_oldest_age
            .set(looked.queue.oldest_age.as_secs_f64());
        self.live.set(whole(looked.connections.live));
        // It only grows, and it is counted in one place: the registry.
        let total = self.total.inner();
        total.fetch_max(looked.connections.total, Ordering::Relaxed);
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
