//! Messages a second, out of counts that only grow.

use std::time::{Duration, Instant};

use super::document::Messages;

/// Over less time a single message would look like a flood.
const WINDOW: Duration = Duration::from_secs(1);

/// Messages a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) received: f64,
    pub(crate) sent: f64,
}

/// What was counted, and when.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    since: Option<(Instant, Messages)>,
    rate: Option<Rate>,
}

impl Rates {
    /// The rate over the last second or so; none is known during the first.
    pub(crate) fn seen(&mut self, now: Instant, counted: Messages) -> Option<Rate> {
        let Some((at, before)) = self.since else {
            self.since = Some((now, counted));
            return None;
        };
        let passed = now.saturating_duration_since(at);
        if counted.received < before.received || counted.sent < before.sent {
            // It is not the same server any more.
            *self = Self {
                since: Some((now, counted)),
                rate: None,
            };
        } else if passed >= WINDOW {
            let per_second = |more: u64| more as f64 / passed.as_secs_f64();
            self.rate = Some(Rate {
                received: per_second(counted.received - before.received),
                sent: per_second(counted.sent - before.sent),
            });
            self.since = Some((now, counted));
        }
        self.rate
    }
}
