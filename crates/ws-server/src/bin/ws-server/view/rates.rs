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

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(received: u64, sent: u64) -> Messages {
        Messages { received, sent }
    }

    #[test]
    fn a_rate_is_known_after_a_second_and_stays_until_the_next() {
        let (begin, mut rates) = (tokio::time::Instant::now().into_std(), Rates::default());
        let at = |millis| begin + Duration::from_millis(millis);
        assert_eq!(rates.seen(at(0), messages(100, 50)), None);
        assert_eq!(rates.seen(at(900), messages(190, 50)), None);
        let rate = rates.seen(at(2000), messages(300, 60));
        assert_eq!(
            rate,
            Some(Rate {
                received: 100.0,
                sent: 5.0
            })
        );
        assert_eq!(rates.seen(at(2500), messages(9999, 9999)), rate);
    }

    #[test]
    fn a_server_that_counts_from_nothing_again_has_no_rate() {
        let (begin, mut rates) = (tokio::time::Instant::now().into_std(), Rates::default());
        rates.seen(begin, messages(10, 10));
        assert!(rates.seen(begin + WINDOW, messages(20, 20)).is_some());
        assert_eq!(rates.seen(begin + WINDOW * 2, messages(0, 0)), None);
        let rate = rates.seen(begin + WINDOW * 3, messages(7, 0));
        assert_eq!(rate.map(|rate| rate.received), Some(7.0));
    }
}
