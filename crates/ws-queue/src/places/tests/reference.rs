//! The rules of the places once more, as naively as they can be said: one list of everybody, in
//! order of position, looked through from its beginning each time.

use std::time::{Duration, Instant};

use super::{Arrival, Client, LOOK_INTERVAL, Origin, Position, Resolution, Seat, ms};
use crate::{QueueStatus, Refusal};

/// What can be set, as plain numbers; 0 is no limit for the last two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_size: usize,
    pub(super) max_wait: Duration,
    pub(super) refuse_at_first: bool,
    pub(super) in_flight: usize,
    pub(super) per_second: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Doors {
    Early,
    Closed,
    Open,
    Ended(Refusal),
}

#[derive(Clone)]
struct Known {
    client: Client,
    since: Instant,
    leased: bool,
}

#[derive(Clone)]
pub(super) struct Reference {
    limits: Limits,
    doors: Doors,
    /// Those who have a place.
    known: Vec<Known>,
    next_look: Option<Instant>,
    last_admission: Option<Instant>,
    totals: QueueStatus,
    /// Whose wait ended in the last step, and how.
    pub(super) told: Vec<(Position, Resolution)>,
}

impl Reference {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            doors: if limits.refuse_at_first {
                Doors::Early
            } else {
                Doors::Closed
            },
            known: Vec::new(),
            next_look: None,
            last_admission: None,
            totals: QueueStatus::default(),
            told: Vec::new(),
        }
    }

    pub(super) fn arrive(&mut self, now: Instant, client: &Client) -> Arrival {
        let doors = self.doors;
        let refusal = match doors {
            Doors::Open if self.waiting() == 0 => return Arrival::Admitted,
            Doors::Early => Refusal::Early,
            Doors::Ended(why) => why,
            _ if !self.has_room(now) => Refusal::Full,
            _ => {
                self.take_place(client, now);
                return Arrival::Held;
            }
        };
        self.count(Resolution::Refused(refusal));
        Arrival::Refused(refusal)
    }

    pub(super) fn hold(&mut self) {
        if self.doors == Doors::Early {
            self.doors = Doors::Closed;
        }
    }

    pub(super) fn open(&mut self, now: Instant) {
        if matches!(self.doors, Doors::Early | Doors::Closed) {
            self.doors = Doors::Open;
            self.tick(now);
        }
    }

    pub(super) fn set_release(&mut self, now: Instant, per_second: u32, in_flight: usize) {
        (self.limits.per_second, self.limits.in_flight) = (per_second, in_flight);
        self.admit(now);
    }

    pub(super) fn close(&mut self) -> bool {
        let was_open = self.doors == Doors::Open;
        if was_open {
            self.doors = Doors::Closed;
        }
        was_open
    }

    pub(super) fn end(&mut self, why: Refusal) {
        if self.doors != Doors::Ended(Refusal::Draining) {
            self.doors = Doors::Ended(why);
            self.tell_those(Resolution::Refused(why), |known| !known.leased);
        }
    }

    pub(super) fn leave(&mut self, now: Instant, position: Position) -> bool {
        self.give_up_place(now, position, Resolution::Abandoned)
    }

    pub(super) fn acknowledge(&mut self, now: Instant, position: Position) -> bool {
        self.give_up_place(now, position, Resolution::Admitted)
    }

    pub(super) fn give_back(&mut self, now: Instant, client: &Client, origin: Origin) {
        let since = match origin {
            Origin::OpenGate => now,
            Origin::Place => match self.remove(client.position) {
                Some(known) => known.since,
                None => return self.told.push((client.position, Resolution::Abandoned)),
            },
        };
        let doors = self.doors;
        let refusal = match doors {
            Doors::Ended(why) => why,
            _ if origin == Origin::OpenGate && !self.has_room(now) => Refusal::Full,
            _ => {
                self.take_place(client, since);
                return self.tick(now);
            }
        };
        self.tell(client.position, Resolution::Refused(refusal));
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.expire(now);
        if self.next_look.is_some_and(|at| at <= now) {
            self.tell_those(Resolution::Abandoned, |known| {
                !known.leased && !known.client.is_alive()
            });
            self.next_look = Some(now + LOOK_INTERVAL);
        }
        self.admit(now);
    }

    pub(super) fn status(&self, now: Instant) -> QueueStatus {
        let first = self.known.iter().find(|known| !known.leased);
        QueueStatus {
            entered: self.known.len() as u64 + self.totals.ended(),
            open: self.doors == Doors::Open,
            size: self.known.len(),
            max_size: self.limits.max_size,
            oldest_age: first.map_or(Duration::ZERO, |first| now - first.since),
            ..self.totals
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.doors == Doors::Open && self.waiting() == 0
    }

    fn waiting(&self) -> usize {
        self.known.iter().filter(|known| !known.leased).count()
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.known.len() >= self.limits.max_size {
            self.expire(now);
        }
        if self.known.len() >= self.limits.max_size {
            self.tell_those(Resolution::Abandoned, |known| !known.client.is_alive());
        }
        self.known.len() < self.limits.max_size
    }

    fn take_place(&mut self, client: &Client, since: Instant) {
        if self.waiting() == 0 {
            self.next_look = Some(since + LOOK_INTERVAL);
        }
        self.known.push(Known {
            client: client.clone(),
            since,
            leased: false,
        });
        self.known.sort_by_key(|known| known.client.position);
    }

    fn expire(&mut self, now: Instant) {
        let limit = self.limits.max_wait;
        self.tell_those(Resolution::Expired, |known| {
            !known.leased && known.since + limit <= now
        });
    }

    /// First come, first served, as far as the limits let them.
    fn admit(&mut self, now: Instant) {
        while self.doors == Doors::Open
            && let Some(first) = self.known.iter().position(|known| !known.leased)
        {
            let in_flight = self.known.len() - self.waiting();
            let crowded = self.limits.in_flight > 0 && in_flight >= self.limits.in_flight;
            let paced = self.due().is_some_and(|at| at > now);
            let first = &mut self.known[first];
            let position = first.client.position;
            if !first.client.is_alive() {
                self.tell_those(Resolution::Abandoned, |known| {
                    known.client.position == position
                });
            } else if crowded || paced {
                return;
            } else if first.since + self.limits.max_wait <= now {
                self.tell_those(Resolution::Expired, |known| {
                    known.client.position == position
                });
            } else {
                first.leased = true;
                self.told.push((position, Resolution::Admitted));
                self.spend(now);
            }
        }
    }

    /// Evenly spaced; a tick that is 2 ms late may be made up for, an idle time may not.
    fn spend(&mut self, now: Instant) {
        self.last_admission = match self.due() {
            Some(due) if now - due <= ms(2) => Some(due),
            _ => Some(now),
        };
    }

    fn due(&self) -> Option<Instant> {
        let per_second = self.limits.per_second;
        let last = self.last_admission.filter(|_| per_second > 0)?;
        Some(last + Duration::from_secs(1) / per_second)
    }

    fn give_up_place(&mut self, now: Instant, position: Position, end: Resolution) -> bool {
        let had_place = self.remove(position).is_some();
        if had_place {
            self.count(end);
            self.admit(now);
        }
        had_place
    }

    fn remove(&mut self, position: Position) -> Option<Known> {
        let index = self
            .known
            .iter()
            .position(|known| known.client.position == position)?;
        Some(self.known.remove(index))
    }

    fn tell_those(&mut self, end: Resolution, those: impl Fn(&Known) -> bool) {
        for known in self.known.clone() {
            if those(&known) {
                self.remove(known.client.position);
                self.tell(known.client.position, end);
            }
        }
    }

    fn tell(&mut self, position: Position, end: Resolution) {
        self.count(end);
        self.told.push((position, end));
    }

    fn count(&mut self, end: Resolution) {
        *match end {
            Resolution::Admitted => &mut self.totals.admitted,
            Resolution::Expired => &mut self.totals.expired,
            Resolution::Abandoned => &mut self.totals.abandoned,
            Resolution::Refused(Refusal::Full) => &mut self.totals.refused_full,
            Resolution::Refused(Refusal::Early) => &mut self.totals.refused_early,
            Resolution::Refused(Refusal::Failed) => &mut self.totals.refused_failed,
            Resolution::Refused(Refusal::Draining) => &mut self.totals.refused_draining,
        } += 1;
    }
}
