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

/// How long a startup of unknown length is expected to go on. Longer would keep clients away from
/// a server that is there; shorter would bring them back to one that is not.
const UNKNOWN: Duration = Duration::from_secs(1);

impl RetryAfter {
    pub(crate) fn new(rng: fastrand::Rng) -> Self {
        Self {
            jitter: Mutex::new(rng),
        }
    }

    /// The estimate, made up to twice as long by chance, so that the refused do not come back in
    /// one wave.
    pub(crate) fn refuse(&self, reason: Reason) -> Refused {
        let jitter = UNKNOWN.mul_f64(self.jitter.lock().f64());
        Refused {
            reason,
            retry_after: UNKNOWN + jitter,
        }
    }
}
