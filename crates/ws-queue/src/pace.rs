//! How fast a release may go.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How far a late tick may catch up: the timer counts in milliseconds and rounds up.
const CATCH_UP: Duration = Duration::from_millis(2);

/// Even spacing of admissions: at most `n` a second.
#[derive(Debug)]
pub(crate) struct Pace {
    spacing: Duration,
    next: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(per_second: Option<NonZeroU32>) -> Self {
        let spacing = per_second.map_or(Duration::ZERO, |n| Duration::from_secs(1) / n.get());
        Self {
            spacing,
            next: None,
        }
    }

    /// When the next admission may happen; `None` means at once.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|&next| next > now)
    }

    /// Counts one admission.
    pub(crate) fn spend(&mut self, now: Instant) {
        if self.spacing.is_zero() {
            return;
        }
        // After an idle time nothing has been saved up.
        let due = self
            .next
            .filter(|&due| due + CATCH_UP >= now)
            .unwrap_or(now);
        self.next = Some(due + self.spacing);
    }
}

#[cfg(test)]
mod tests;
