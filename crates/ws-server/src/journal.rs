//! What happens to the server and its connections: counted, and told to whoever watches.

use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::{By, HoldOutcome, Metrics};

/// The journal of one server.
pub(crate) struct Journal {
    pub(crate) metrics: Metrics,
    changes: watch::Sender<()>,
    gate: Mutex<GateTimes>,
}

struct GateTimes {
    /// From the beginning to the first opening.
    first: Option<Duration>,
    /// While it is closed.
    closed_since: Option<Instant>,
    opening: Option<Opening>,
}

/// The last time that the gate was opened.
#[derive(Clone, Copy, Debug)]
struct Opening {
    at: Instant,
    /// Counted from the begin of startup, or since the gate had been closed.
    after: Duration,
    held: usize,
    /// Of these, how many wait still.
    left: usize,
    admitted: u64,
    /// When the last of them was admitted.
    last: Instant,
}

/// What became of those who were held when the gate was opened last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Opened {
    /// How long the gate had been closed.
    #[serde(rename = "after_seconds", serialize_with = "seconds")]
    pub(crate) after: Duration,
    /// How many waited at that moment.
    pub(crate) held: usize,
    /// How many of them were admitted since.
    pub(crate) admitted: u64,
    /// From the opening to the last one's 101.
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub(crate) took: Duration,
}

impl Journal {
    pub(crate) fn new(initiators: &'static [By]) -> Self {
        Self {
            metrics: Metrics::new(initiators),
            changes: watch::Sender::new(()),
            gate: Mutex::new(GateTimes {
                first: None,
                closed_since: Some(Instant::now()),
                opening: None,
            }),
        }
    }

    /// Something is not as it was: whoever watches looks again.
    pub(crate) fn changed(&self) {
        self.changes.send_replace(());
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The gate is about to be opened, with so many `held`; answers how long it was closed.
    pub(crate) fn opening(&self, held: usize) -> Duration {
        let at = Instant::now();
        let mut gate = self.gate.lock();
        let closed_since = gate.closed_since.take();
        let after = closed_since.map_or(Duration::ZERO, |since| at - since);
        gate.first.get_or_insert(after);
        gate.opening = Some(Opening {
            at,
            after,
            held,
            left: held,
            admitted: 0,
            last: at,
        });
        after
    }

    /// The gate has been closed again.
    pub(crate) fn closed(&self) {
        self.gate.lock().closed_since = Some(Instant::now());
        self.changed();
    }

    /// How long it took until the gate was open for the first time, or has been taking.
    pub(crate) fn start(&self) -> Duration {
        let first = self.gate.lock().first;
        first.or_else(|| self.closed_for()).unwrap_or_default()
    }

    /// How long the gate has been closed, unless it is open.
    pub(crate) fn closed_for(&self) -> Option<Duration> {
        let closed_since = self.gate.lock().closed_since;
        closed_since.map(|since| since.elapsed())
    }

    /// One who had been held since then is held no more.
    pub(crate) fn hold_ended(&self, since: Instant, outcome: HoldOutcome) {
        let mut gate = self.gate.lock();
        // Whoever came later is held behind a paced release, or for a reason of its own.
        let Some(opening) = gate.opening.as_mut().filter(|it| since <= it.at) else {
            return;
        };
        opening.left = opening.left.saturating_sub(1);
        if outcome == HoldOutcome::Admitted && opening.admitted < opening.held as u64 {
            opening.admitted += 1;
            opening.last = Instant::now();
        }
    }

    /// Whether nobody waits any more of those who were held when the gate was opened last.
    pub(crate) fn is_released(&self) -> bool {
        let opening = self.gate.lock().opening;
        opening.is_none_or(|it| it.left == 0)
    }

    pub(crate) fn opened(&self) -> Option<Opened> {
        let opening = self.gate.lock().opening;
        opening.map(|it| Opened {
            after: it.after,
            held: it.held,
            admitted: it.admitted,
            took: it.last - it.at,
        })
    }
}

/// Seconds with milliseconds behind the point, as everywhere in the status.
pub(crate) fn seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((time.as_secs_f64() * 1e3).round() / 1e3)
}

/// The same where there may be none.
pub(crate) fn maybe_seconds<S: serde::Serializer>(
    time: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => seconds(time, to),
        None => to.serialize_none(),
    }
}
