//! How fast a release may go.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How far a late tick may catch up: the timer counts in milliseconds and rounds up.
const CATCH_UP: Duration = Duration::from_millis(2);

/// Even spacing of admissions: at most `n` a second.
#[derive(Debug)]
pub(crate) struct Pace {
    spacing: Duration,
    /// When the last admission was due.
    last: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(per_second: Option<NonZeroU32>) -> Self {
        let mut pace = Self {
            spacing: Duration::ZERO,
            last: None,
        };
        pace.set(per_second);
        pace
    }

    /// Spaces the next admissions otherwise, counted from the last one.
    pub(crate) fn set(&mut self, per_second: Option<NonZeroU32>) {
        self.spacing = per_second.map_or(Duration::ZERO, |n| Duration::from_secs(1) / n.get());
    }

    /// When the next admission may happen; `None` means at once.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        self.due().filter(|&due| due > now)
    }

    /// Counts one admission.
    pub(crate) fn spend(&mut self, now: Instant) {
        // After an idle time nothing has been saved up.
        let due = self.due().filter(|&due| due + CATCH_UP >= now);
        self.last = Some(due.unwrap_or(now));
    }

    fn due(&self) -> Option<Instant> {
        let last = self.last.filter(|_| !self.spacing.is_zero())?;
        Some(last + self.spacing)
    }
}

#[cfg(test)]
mod tests;
