//! Why clients are turned away, and when they should come again.

use std::time::Duration;

use parking_lot::Mutex;
use ws_queue::Refusal;

/// Why a client is turned away, in the words of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    QueueFull,
    HoldExpired,
    TooEarly,
    StartupFailed,
    Draining,
    ConnectionLimit,
}

impl Reason {
    pub(crate) const ALL: [Self; 6] = [
        Self::QueueFull,
        Self::HoldExpired,
        Self::TooEarly,
        Self::StartupFailed,
        Self::Draining,
        Self::ConnectionLimit,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::HoldExpired => "hold_expired",
            Self::TooEarly => "too_early",
            Self::StartupFailed => "startup_failed",
            Self::Draining => "draining",
            Self::ConnectionLimit => "connection_limit",
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::QueueFull,
            Refusal::Early => Self::TooEarly,
            Refusal::Failed => Self::StartupFailed,
            Refusal::Draining => Self::Draining,
        }
    }
}

/// A refusal as its client is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) retry_after: Duration,
}

impl Refused {
    /// The reason of a close frame.
    pub(crate) fn close_reason(&self) -> String {
        format!("retry_after_ms={}", self.retry_after.as_millis())
    }
}

/// Estimates when it is worth coming again.
pub(crate) struct RetryAfter {
    jitter: Mutex<fastrand::Rng>,
}

/// What is expected where nothing is known. Longer would keep clients away from a server that is
/// there; shorter would bring them back to one that is not.
const UNKNOWN: Duration = Duration::from_secs(1);

/// The longest estimate. A start that took hours says how long something else was away, an application
/// behind the gate for one, and not how long it will be; the gate may open at any moment, and nobody is
/// to stay away for longer than this from a server that is open.
const LONGEST: Duration = Duration::from_secs(60);

/// Over how long the refused come back at most: a crowd that is spread so far is none.
const WIDEST: Duration = Duration::from_secs(10);

impl RetryAfter {
    pub(crate) fn new(rng: fastrand::Rng) -> Self {
        Self {
            jitter: Mutex::new(rng),
        }
    }

    /// The estimate, made longer by chance. `left` is how much longer startup usually takes.
    pub(crate) fn refuse(&self, reason: Reason, left: Option<Duration>) -> Refused {
        let estimate = estimate(reason, left);
        let jitter = spread(estimate).mul_f64(self.jitter.lock().f64());
        Refused {
            reason,
            retry_after: estimate + jitter,
        }
    }
}

/// When there is room again: as far as is known, when the gate opens, or when it is worth asking
/// again, if that is sooner. Where it is unknown or overdue, soon.
fn estimate(reason: Reason, left: Option<Duration>) -> Duration {
    match reason {
        Reason::QueueFull | Reason::HoldExpired | Reason::TooEarly | Reason::ConnectionLimit => {
            left.map_or(UNKNOWN, |left| left.clamp(UNKNOWN, LONGEST))
        }
        // A successor begins a whole start, but others may serve meanwhile.
        Reason::StartupFailed | Reason::Draining => UNKNOWN,
    }
}

/// Over how long they come back who are told this estimate, so that they do not come in one wave: the
/// longer it is, the less exact, and the more are told it.
fn spread(estimate: Duration) -> Duration {
    (estimate / 2).clamp(UNKNOWN, WIDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: [Reason; 4] = [
        Reason::QueueFull,
        Reason::HoldExpired,
        Reason::TooEarly,
        Reason::ConnectionLimit,
    ];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn s5_who_waits_for_the_gate_is_told_when_it_usually_opens() {
        for reason in WAITING {
            assert_eq!(estimate(reason, Some(ms(4020))), ms(4020));
        }
    }

    #[test]
    fn s5_nobody_is_sent_away_for_longer_than_a_minute() {
        for reason in WAITING {
            assert_eq!(estimate(reason, Some(ms(59_999))), ms(59_999));
            assert_eq!(estimate(reason, Some(ms(7_200_000))), LONGEST);
        }
    }

    #[test]
    fn s5_what_is_unknown_or_overdue_or_no_matter_of_startup_is_a_second() {
        for reason in WAITING {
            assert_eq!(estimate(reason, None), UNKNOWN);
            assert_eq!(estimate(reason, Some(ms(0))), UNKNOWN);
        }
        for reason in [Reason::StartupFailed, Reason::Draining] {
            assert_eq!(estimate(reason, Some(ms(4020))), UNKNOWN);
        }
    }

    #[test]
    fn s5_the_longer_the_wait_the_wider_they_are_spread() {
        let spread = |estimate| spread(ms(estimate)).as_millis();
        assert_eq!([1000, 1500].map(spread), [1000, 1000]);
        assert_eq!([4000, 20_000].map(spread), [2000, 10_000]);
        assert_eq!(spread(60_000), 10_000);
    }
}
