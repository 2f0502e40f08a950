//! Takes back the places of connections that died under a living ticket or lease.

use std::time::Instant;

use super::{Places, Seat};
use crate::slot::Resolution;

/// How many places one look for the dead visits at most, so that a look costs the same whatever the
/// number held; the looks go round.
pub(super) const LOOK_BUDGET: usize = 1024;

impl<S: Seat> Places<S> {
    /// Whether there is a free place, after those that nobody living needs have been reclaimed.
    pub(super) fn make_room(&mut self, now: Instant) -> bool {
        if self.size() >= self.max_size {
            self.expire(now);
        }
        if self.size() >= self.max_size {
            self.reclaim(usize::MAX);
            self.reclaim_leased();
        }
        self.size() < self.max_size
    }

    /// One look.
    pub(super) fn reclaim_some(&mut self) {
        self.reclaim(LOOK_BUDGET);
    }

    /// Ends the places whose connections have died, looking at `budget` of the waiting at most,
    /// from where the last look ended.
    fn reclaim(&mut self, budget: usize) {
        let from = if budget < self.waiting.len() {
            self.looked_up_to
        } else {
            0
        };
        let mut visited = 0;
        let mut dead = Vec::new();
        self.looked_up_to = 0;
        for (&position, place) in self.waiting.range(from..).take(budget) {
            visited += 1;
            if visited == budget {
                self.looked_up_to = position + 1;
            }
            if !place.seat.is_alive() {
                dead.push(position);
            }
        }
        for position in dead {
            if let Some(place) = self.take_waiting(position) {
                self.conclude(place, Resolution::Abandoned);
            }
        }
    }

    /// The same for those whose leases are out. They have been told how their wait ended, so this
    /// matters only where room is wanted.
    fn reclaim_leased(&mut self) {
        let dead = self
            .leased
            .extract_if(.., |_, place| !place.seat.is_alive());
        for (_, place) in dead.collect::<Vec<_>>() {
            self.conclude(place, Resolution::Abandoned);
        }
    }
}
