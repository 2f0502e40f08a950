//! What can be set on a queue.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// As good as no limit, and an instant that far ahead can still be told.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 86_400);

/// Limits and pacing of a hold queue.
///
/// ```
/// use std::time::Duration;
/// use ws_queue::QueueConfig;
///
/// let config = QueueConfig::default()
///     .max_size(500)
///     .max_wait(Duration::from_secs(20))
///     .release_per_second(100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    pub(crate) max_size: usize,
    pub(crate) max_wait: Duration,
    pub(crate) release_per_second: Option<NonZeroU32>,
    pub(crate) release_in_flight: Option<NonZeroUsize>,
    pub(crate) refuse_at_first: bool,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            max_size: 50,
            max_wait: Duration::from_secs(30),
            release_per_second: None,
            release_in_flight: None,
            refuse_at_first: false,
        }
    }
}

impl QueueConfig {
    /// The most connections that may have a place at the same time; the next one is refused at
    /// once as [`Refusal::Full`](crate::Refusal::Full).
    ///
    /// Default 50: one instance's share of the clients that come back in the seconds of a
    /// deployment. A place costs about 200 bytes of the queue's own memory, so the limit guards
    /// what the connections themselves cost. With 0 nobody is held.
    #[must_use]
    pub fn max_size(mut self, places: usize) -> Self {
        self.max_size = places;
        self
    }

    /// How long a connection may keep its place, counted from its arrival; then its ticket ends as
    /// [`Outcome::Expired`](crate::Outcome::Expired).
    ///
    /// Default 30 s: longer than a slow startup takes, shorter than the patience of load
    /// balancers, most of which give up after 60 s. More than a year counts as a year.
    #[must_use]
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.max_wait = limit.min(LONGEST_WAIT);
        self
    }

    /// Admits at most this many held connections a second when the gate opens, evenly spaced.
    ///
    /// Default 0, which means all at once. Spacing is exact to the timer's millisecond: above
    /// 1,000 a second several are admitted at each tick.
    #[must_use]
    pub fn release_per_second(mut self, connections: u32) -> Self {
        self.release_per_second = NonZeroU32::new(connections);
        self
    }

    /// While held connections are being admitted, lets at most this many be admitted and not yet
    /// acknowledged.
    ///
    /// Default 0, which means no limit.
    #[must_use]
    pub fn release_in_flight(mut self, connections: usize) -> Self {
        self.release_in_flight = NonZeroUsize::new(connections);
        self
    }

    /// Starts by refusing newcomers as [`Refusal::Early`](crate::Refusal::Early), until
    /// [`Gate::hold`](crate::Gate::hold) is called. Default `false`: holds from the beginning.
    #[must_use]
    pub fn refuse_at_first(mut self, refuse: bool) -> Self {
        self.refuse_at_first = refuse;
        self
    }
}
