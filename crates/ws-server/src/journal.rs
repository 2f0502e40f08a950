//! What happens to the server and its connections: counted, and told to whoever watches.

use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::{By, Metrics};

/// The journal of one server.
pub(crate) struct Journal {
    pub(crate) metrics: Metrics,
    changes: watch::Sender<()>,
    opening: Mutex<Option<Opening>>,
}

/// The last time that the gate was opened.
#[derive(Clone, Copy, Debug)]
struct Opening {
    at: Instant,
    /// Counted from the begin of startup, or since the gate had been closed.
    after: Duration,
    held: usize,
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
    /// How many of those who waited were admitted since.
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
            opening: Mutex::new(None),
        }
    }

    /// Something is not as it was: whoever watches looks again.
    pub(crate) fn changed(&self) {
        self.changes.send_replace(());
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The gate is about to be opened.
    pub(crate) fn opening(&self, held: usize, after: Duration) {
        let at = Instant::now();
        *self.opening.lock() = Some(Opening {
            at,
            after,
            held,
            admitted: 0,
            last: at,
        });
        self.changed();
    }

    /// One who was held has its 101.
    pub(crate) fn admitted_from_hold(&self) {
        if let Some(opening) = &mut *self.opening.lock() {
            opening.admitted += 1;
            opening.last = Instant::now();
        }
    }

    pub(crate) fn opened(&self) -> Option<Opened> {
        let opening = *self.opening.lock();
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
