//! What happened, in order: for people to read, and to compare two runs by.

use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// When something happened: how long after the beginning, and as the how-manieth thing. Several
/// things may happen without any time passing; their numbers tell their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// After the beginning.
    pub at: Duration,
    /// Unique in a story.
    pub nth: u64,
}

/// A log that everybody in a simulation writes to. Cheap to clone; every clone is the same story.
#[derive(Clone, Debug)]
pub struct Story(Arc<Told>);

#[derive(Debug)]
struct Told {
    began: Instant,
    text: Mutex<(u64, String)>,
}

impl Story {
    /// Begins now.
    pub(super) fn begin() -> Self {
        Self(Arc::new(Told {
            began: Instant::now(),
            text: Mutex::default(),
        }))
    }

    /// The instant that lies so long after the beginning.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.0.began + at
    }

    /// Something happens now that needs no line of its own.
    pub(super) fn moment(&self) -> Moment {
        let mut text = self.0.text.lock();
        text.0 += 1;
        Moment {
            at: self.0.began.elapsed(),
            nth: text.0,
        }
    }

    /// Something happens now.
    pub(super) fn tells(&self, who: impl Display, what: impl Display) -> Moment {
        let moment = self.moment();
        let seconds = moment.at.as_secs_f64();
        let mut text = self.0.text.lock();
        // Writing to a string cannot fail.
        let _ = writeln!(text.1, "{seconds:9.3} s  {who:<12} {what}");
        moment
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.text.lock().1.clone()
    }
}
