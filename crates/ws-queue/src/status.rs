//! The accounts of a queue.

use std::sync::Weak;
use std::time::Duration;

use crate::Refusal;
use crate::slot::Resolution;

/// What a queue holds now, and what became of everyone who entered it.
///
/// The accounts always add up, also while others enter and leave:
/// `entered` = `size` + `admitted` + `expired` + `abandoned` + the four `refused_…`.
///
/// A connection that entered through the open gate is counted when its lease ends, so that what
/// has not been served yet is not counted as if it had been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QueueStatus {
    /// The gate is open, or is admitting those it held.
    pub open: bool,
    /// Connections that have a place: held, or admitted from their place and not yet acknowledged.
    pub size: usize,
    /// The most there may be.
    pub max_size: usize,
    /// How long the first in line has been waiting; zero when nobody is.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "oldest_age_seconds", serialize_with = "seconds")
    )]
    pub oldest_age: Duration,
    /// Everyone who ever arrived and is accounted for below.
    pub entered: u64,
    /// Admitted and acknowledged.
    pub admitted: u64,
    /// Held until their limit.
    pub expired: u64,
    /// Left before they were served.
    pub abandoned: u64,
    /// Refused for lack of room.
    pub refused_full: u64,
    /// Refused before holding began.
    pub refused_early: u64,
    /// Refused because what they waited for will not come.
    pub refused_failed: u64,
    /// Refused because the process is ending.
    pub refused_draining: u64,
}

impl QueueStatus {
    pub(crate) fn count(&mut self, end: Resolution) {
        *match end {
            Resolution::Admitted => &mut self.admitted,
            Resolution::Expired => &mut self.expired,
            Resolution::Abandoned => &mut self.abandoned,
            Resolution::Refused(Refusal::Full) => &mut self.refused_full,
            Resolution::Refused(Refusal::Early) => &mut self.refused_early,
            Resolution::Refused(Refusal::Failed) => &mut self.refused_failed,
            Resolution::Refused(Refusal::Draining) => &mut self.refused_draining,
        } += 1;
    }

    /// Everyone whose end is known, whichever it was: `entered` less `size`.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.admitted
            + self.expired
            + self.abandoned
            + self.refused_full
            + self.refused_early
            + self.refused_failed
            + self.refused_draining
    }
}

/// A connection that has a place, as [`HoldQueue::held`](crate::HoldQueue::held) found it.
#[derive(Clone, Debug)]
pub struct Waiting<C> {
    /// Its number in the order of arrival.
    pub position: u64,
    /// For how long it has had its place.
    pub waited: Duration,
    /// The connection, unless it has died.
    pub connection: Weak<C>,
}

#[cfg(feature = "serde")]
fn seconds<S: serde::Serializer>(age: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((age.as_secs_f64() * 1e3).round() / 1e3)
}
