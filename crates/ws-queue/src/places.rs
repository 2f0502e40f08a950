//! Who is held, who is next, who expires: a pure state machine.
//!
//! `now` comes in as an argument; who has ended, and how, comes out of [`Places::take_ended`]. No
//! clock, no lock, no task.
//!
//! Positions are unique and grow with arrival, so the order of the map is the order of arrival,
//! and a connection that is given back finds its old place again by its number.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use crate::pace::Pace;
use crate::slot::Resolution;
use crate::{QueueConfig, QueueStatus, Refusal};

/// The number of a connection in the order of arrival.
pub(crate) type Position = u64;

/// How often connections that died under a living ticket are looked for.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Whose place it is: all that the state machine asks of it.
pub(crate) trait Seat: Clone {
    fn is_alive(&self) -> bool;
}

/// What an arriving connection finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Admitted,
    Held,
    Refused(Refusal),
}

/// Where an admission came from, which decides what giving it back means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From its place in the queue, which it keeps until it is acknowledged.
    Place,
    /// Through the open gate, without ever having had a place.
    OpenGate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Early,
    Closed,
    Releasing,
    Open,
    Ended(Refusal),
}

struct Place<S> {
    seat: S,
    since: Instant,
    deadline: Instant,
}

pub(crate) struct Places<S> {
    max_size: usize,
    max_wait: Duration,
    in_flight: usize,
    pace: Pace,
    state: State,
    waiting: BTreeMap<Position, Place<S>>,
    /// The waiting again, by when they expire.
    deadlines: BTreeSet<(Instant, Position)>,
    /// Admitted from their places and not acknowledged yet.
    leased: BTreeMap<Position, Place<S>>,
    next_look: Option<Instant>,
    looked_up_to: Position,
    totals: QueueStatus,
    ended: Vec<(S, Resolution)>,
}

impl<S: Seat> Places<S> {
    pub(crate) fn new(config: &QueueConfig) -> Self {
        Self {
            max_size: config.max_size,
            max_wait: config.max_wait,
            in_flight: config
                .release_in_flight
                .map_or(usize::MAX, NonZeroUsize::get),
            pace: Pace::new(config.release_per_second),
            state: if config.refuse_at_first {
                State::Early
            } else {
                State::Closed
            },
            waiting: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            leased: BTreeMap::new(),
            next_look: None,
            looked_up_to: 0,
            totals: QueueStatus::default(),
            ended: Vec::new(),
        }
    }

    /// Open, with nobody left to be admitted first: a newcomer may pass without asking.
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Those whose wait has ended since the last call, in the order in which it did.
    pub(crate) fn take_ended(&mut self) -> Vec<(S, Resolution)> {
        std::mem::take(&mut self.ended)
    }

    pub(crate) fn arrive(&mut self, now: Instant, position: Position, seat: S) -> Arrival {
        let arrival = match self.state {
            // Counted when its lease ends, like everyone who passes the open gate.
            State::Open => return Arrival::Admitted,
            State::Early => self.refuse(Refusal::Early),
            State::Ended(why) => self.refuse(why),
            State::Closed | State::Releasing => {
                if self.make_room(now) {
                    let place = self.place(now, seat);
                    self.take_place(position, place);
                    Arrival::Held
                } else {
                    self.refuse(Refusal::Full)
                }
            }
        };
        self.totals.entered += 1;
        arrival
    }

    // Early -> Closed
    pub(crate) fn hold(&mut self) {
        if self.state == State::Early {
            self.state = State::Closed;
        }
    }

    // Early | Closed -> Releasing -> Open
    pub(crate) fn open(&mut self, now: Instant) {
        if matches!(self.state, State::Early | State::Closed) {
            self.state = State::Releasing;
            self.tick(now);
        }
    }

    /// Releases at this pace from now on, in the middle of a release, too.
    pub(crate) fn set_release(
        &mut self,
        now: Instant,
        per_second: Option<NonZeroU32>,
        in_flight: Option<NonZeroUsize>,
    ) {
        self.pace.set(per_second);
        self.in_flight = in_flight.map_or(usize::MAX, NonZeroUsize::get);
        self.advance(now);
    }

    /// Whether it was open.
    // Releasing | Open -> Closed
    pub(crate) fn close(&mut self) -> bool {
        let was_open = matches!(self.state, State::Releasing | State::Open);
        if was_open {
            self.state = State::Closed;
        }
        was_open
    }

    /// Refuses everyone who is held and everyone who will come.
    // any but Ended(Draining) -> Ended(why)
    pub(crate) fn end(&mut self, why: Refusal) {
        if self.state == State::Ended(Refusal::Draining) {
            return;
        }
        self.state = State::Ended(why);
        self.deadlines.clear();
        for (_, place) in std::mem::take(&mut self.waiting) {
            self.conclude(place, Resolution::Refused(why));
        }
    }

    /// The ticket was dropped, or the lease without a word: the client has left.
    ///
    /// Here and below a seat that is left is given out, to be dropped without a lock: it may hold
    /// the last handle on a task, and that task more tickets.
    pub(crate) fn leave(&mut self, now: Instant, position: Position) -> Option<S> {
        let place = self
            .take_waiting(position)
            .or_else(|| self.leased.remove(&position))?;
        self.totals.count(Resolution::Abandoned);
        self.advance(now);
        Some(place.seat)
    }

    /// The admitted connection is really served: it leaves its place.
    pub(crate) fn acknowledge(&mut self, now: Instant, position: Position) -> Option<S> {
        let place = self.leased.remove(&position)?;
        self.totals.count(Resolution::Admitted);
        self.advance(now);
        Some(place.seat)
    }

    /// What the connection was admitted to is gone again: it waits as before, at its old position,
    /// in the seat of its new ticket.
    pub(crate) fn give_back(
        &mut self,
        now: Instant,
        position: Position,
        origin: Origin,
        seat: S,
    ) -> Option<S> {
        let (place, old_seat) = match origin {
            Origin::Place => {
                let Some(mut place) = self.leased.remove(&position) else {
                    // Its connection had died and the place was reclaimed, and counted, then.
                    self.ended.push((seat, Resolution::Abandoned));
                    return None;
                };
                let old_seat = std::mem::replace(&mut place.seat, seat);
                (place, Some(old_seat))
            }
            Origin::OpenGate => {
                self.totals.entered += 1;
                let place = self.place(now, seat);
                if !matches!(self.state, State::Ended(_)) && !self.make_room(now) {
                    self.conclude(place, Resolution::Refused(Refusal::Full));
                    return None;
                }
                (place, None)
            }
        };
        if let State::Ended(why) = self.state {
            self.conclude(place, Resolution::Refused(why));
            return old_seat;
        }
        self.take_place(position, place);
        if self.state == State::Open {
            self.state = State::Releasing;
        }
        self.tick(now);
        old_seat
    }

    /// Does what is due: ends those whose time is over, reclaims the places of the dead, admits
    /// the next.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.expire(now);
        if self.next_look.is_some_and(|at| at <= now) {
            self.reclaim_some();
            self.next_look = Some(now + LOOK_INTERVAL);
        }
        self.advance(now);
    }

    /// When [`tick`](Self::tick) next has something to do; `None` while nobody is held.
    pub(crate) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let (first_deadline, _) = self.deadlines.first()?;
        let release = (self.state == State::Releasing && self.leased.len() < self.in_flight)
            .then(|| self.pace.next(now).unwrap_or(now));
        [Some(*first_deadline), self.next_look, release]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn status(&self, now: Instant) -> QueueStatus {
        let mut status = self.totals;
        status.open = matches!(self.state, State::Releasing | State::Open);
        status.size = self.size();
        status.max_size = self.max_size;
        status.oldest_age = self
            .waiting
            .first_key_value()
            .map_or(Duration::ZERO, |(_, first)| {
                now.saturating_duration_since(first.since)
            });
        status
    }

    /// Those who have a place, in order of arrival: at most the first `limit`, and since when.
    pub(crate) fn held(&self, limit: usize) -> Vec<(Position, Instant, S)> {
        let leased = self.leased.iter().take(limit);
        let mut held: Vec<_> = leased
            .chain(self.waiting.iter().take(limit))
            .map(|(&position, place)| (position, place.since, place.seat.clone()))
            .collect();
        // One given back waits before others that are admitted already.
        held.sort_unstable_by_key(|(position, ..)| *position);
        held.truncate(limit);
        held
    }

    fn size(&self) -> usize {
        self.waiting.len() + self.leased.len()
    }

    fn place(&self, now: Instant, seat: S) -> Place<S> {
        Place {
            seat,
            since: now,
            deadline: now + self.max_wait,
        }
    }

    fn take_place(&mut self, position: Position, place: Place<S>) {
        if self.waiting.is_empty() {
            self.next_look = Some(place.since + LOOK_INTERVAL);
        }
        self.deadlines.insert((place.deadline, position));
        self.waiting.insert(position, place);
    }

    fn take_waiting(&mut self, position: Position) -> Option<Place<S>> {
        let place = self.waiting.remove(&position)?;
        self.deadlines.remove(&(place.deadline, position));
        Some(place)
    }

    fn expire(&mut self, now: Instant) {
        while let Some(&(deadline, position)) = self.deadlines.first()
            && deadline <= now
        {
            if let Some(place) = self.take_waiting(position) {
                self.conclude(place, Resolution::Expired);
            }
        }
    }

    /// Admits as many as may be admitted now, first come first served.
    // Releasing -> Open, once nobody waits
    fn advance(&mut self, now: Instant) {
        while self.state == State::Releasing {
            let Some((&position, first)) = self.waiting.first_key_value() else {
                self.state = State::Open;
                return;
            };
            let alive = first.seat.is_alive();
            if alive && (self.leased.len() >= self.in_flight || self.pace.next(now).is_some()) {
                return;
            }
            let Some(place) = self.take_waiting(position) else {
                return;
            };
            if !alive {
                self.conclude(place, Resolution::Abandoned);
            } else if place.deadline <= now {
                self.conclude(place, Resolution::Expired);
            } else {
                self.pace.spend(now);
                self.admit(position, place);
            }
        }
    }

    fn admit(&mut self, position: Position, place: Place<S>) {
        self.ended.push((place.seat.clone(), Resolution::Admitted));
        self.leased.insert(position, place);
    }

    fn conclude(&mut self, place: Place<S>, end: Resolution) {
        self.totals.count(end);
        self.ended.push((place.seat, end));
    }

    fn refuse(&mut self, why: Refusal) -> Arrival {
        self.totals.count(Resolution::Refused(why));
        Arrival::Refused(why)
    }
}

mod reclaim;
#[cfg(test)]
mod tests;
