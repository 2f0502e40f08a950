//! The places against the [`Reference`] over random histories. After every step the contracts are
//! checked once more from the outside, by what each connection was told.

use std::cell::Cell;
use std::num::{NonZeroU32, NonZeroUsize};
use std::rc::Rc;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::test_runner::{Config, TestRunner};

use super::histories::{Op, limits, op};
use super::reference::{Limits, Reference};
use super::{Arrival, Client, LOOK_INTERVAL, Origin, Places, Position, Resolution, ms};
use crate::{QueueConfig, Refusal};

/// What a connection has of the queue, by what it was told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Owns {
    Ticket,
    Lease(Origin),
    Nothing,
}

struct Connection {
    seat: Client,
    owns: Owns,
    held_since: Instant,
    died: Option<Instant>,
    ended: bool,
}

impl Connection {
    fn has_place(&self) -> bool {
        !self.ended && matches!(self.owns, Owns::Ticket | Owns::Lease(Origin::Place))
    }
}

struct World {
    limits: Limits,
    places: Places<Client>,
    reference: Reference,
    now: Instant,
    connections: Vec<Connection>,
}

impl World {
    fn new(limits: Limits) -> Self {
        let config = QueueConfig::default()
            .max_size(limits.max_size)
            .max_wait(limits.max_wait)
            .release_in_flight(limits.in_flight)
            .release_per_second(limits.per_second)
            .refuse_at_first(limits.refuse_at_first);
        Self {
            limits,
            places: Places::new(&config),
            reference: Reference::new(limits),
            now: tokio::time::Instant::now().into_std(),
            connections: Vec::new(),
        }
    }

    fn step(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Arrive => self.arrive(),
            Op::Leave(who) => {
                let holder =
                    |it: &Connection| matches!(it.owns, Owns::Ticket | Owns::Lease(Origin::Place));
                self.gives_up(who, holder, Places::leave, Reference::leave);
            }
            Op::Acknowledge(who) => {
                let holder = |it: &Connection| it.owns == Owns::Lease(Origin::Place);
                self.gives_up(who, holder, Places::acknowledge, Reference::acknowledge);
            }
            Op::GiveBack(who) => self.give_back(who),
            Op::Die(who) => {
                if let Some(it) =
                    self.choose(who, |it| it.owns != Owns::Nothing && it.died.is_none())
                {
                    it.died = Some(now);
                    it.seat.alive.set(false);
                }
            }
            Op::Hold => {
                self.places.hold();
                self.reference.hold();
            }
            Op::Open => {
                self.places.open(now);
                self.reference.open(now);
            }
            Op::Close => assert_eq!(self.places.close(), self.reference.close()),
            Op::SetRelease(per_second, in_flight) => {
                let (rate, most) = (NonZeroU32::new(per_second), NonZeroUsize::new(in_flight));
                self.places.set_release(now, rate, most);
                self.reference.set_release(now, per_second, in_flight);
            }
            Op::Fail => self.end(Refusal::Failed),
            Op::Drain => self.end(Refusal::Draining),
            Op::Pass(time) => self.now += time,
            Op::PassUntilDue => {
                self.now = self.places.next_wake(now).map_or(now, |due| due.max(now));
                self.tick();
            }
            Op::Tick => self.tick(),
        }
        self.tell();
        self.check();
        if matches!(op, Op::PassUntilDue | Op::Tick) {
            self.check_that_nothing_is_due();
        }
    }

    fn arrive(&mut self) {
        let seat = Client {
            position: self.connections.len() as Position,
            alive: Rc::new(Cell::new(true)),
        };
        let arrival = self.places.arrive(self.now, seat.position, seat.clone());
        assert_eq!(arrival, self.reference.arrive(self.now, &seat));
        let owns = match arrival {
            Arrival::Admitted => Owns::Lease(Origin::OpenGate),
            Arrival::Held => Owns::Ticket,
            Arrival::Refused(_) => Owns::Nothing,
        };
        self.connections.push(Connection {
            seat,
            owns,
            held_since: self.now,
            died: None,
            ended: owns == Owns::Nothing,
        });
    }

    fn gives_up(
        &mut self,
        who: usize,
        holder: impl Fn(&Connection) -> bool,
        places: impl FnOnce(&mut Places<Client>, Instant, Position) -> Option<Client>,
        reference: impl FnOnce(&mut Reference, Instant, Position) -> bool,
    ) {
        let now = self.now;
        let Some(it) = self.choose(who, holder) else {
            return;
        };
        it.owns = Owns::Nothing;
        let position = it.seat.position;
        let seat = places(&mut self.places, now, position);
        assert_eq!(
            seat.is_some(),
            reference(&mut self.reference, now, position)
        );
        let it = &mut self.connections[position as usize];
        assert!(seat.is_none() || !it.ended, "Q4: {position} had ended");
        it.ended |= seat.is_some();
    }

    fn give_back(&mut self, who: usize) {
        let now = self.now;
        let Some(it) = self.choose(who, |it| matches!(it.owns, Owns::Lease(_))) else {
            return;
        };
        let Owns::Lease(origin) = it.owns else {
            unreachable!("it was chosen by its lease")
        };
        // A seat of its own for the new ticket, and whoever gives back holds its connection.
        let alive = Rc::new(Cell::new(true));
        it.seat = Client {
            alive,
            ..it.seat.clone()
        };
        (it.owns, it.died) = (Owns::Ticket, None);
        if origin == Origin::OpenGate {
            it.held_since = now;
        }
        let seat = it.seat.clone();
        self.reference.give_back(now, &seat, origin);
        drop(self.places.give_back(now, seat.position, origin, seat));
    }

    fn end(&mut self, why: Refusal) {
        self.places.end(why);
        self.reference.end(why);
    }

    fn tick(&mut self) {
        self.places.tick(self.now);
        self.reference.tick(self.now);
    }

    fn choose(
        &mut self,
        who: usize,
        could: impl Fn(&Connection) -> bool,
    ) -> Option<&mut Connection> {
        let mut those: Vec<_> = self.connections.iter_mut().filter(|it| could(it)).collect();
        let count = those.len();
        (count > 0).then(|| those.swap_remove(who % count))
    }

    /// Everyone is told the same by both, and what each is told is true.
    fn tell(&mut self) {
        let ended = self.places.take_ended();
        let mut told: Vec<_> = ended
            .iter()
            .map(|(seat, end)| (seat.position, *end))
            .collect();
        drop(ended);
        let admitted = told.iter().filter(|(_, end)| *end == Resolution::Admitted);
        assert!(
            admitted.is_sorted_by_key(|(position, _)| position),
            "Q5: {told:?}"
        );
        let mut expected = std::mem::take(&mut self.reference.told);
        told.sort_by_key(|(position, _)| *position);
        expected.sort_by_key(|(position, _)| *position);
        assert_eq!(told, expected);

        for &(position, end) in &told {
            let it = &mut self.connections[position as usize];
            let limit = it.held_since + self.limits.max_wait;
            match end {
                Resolution::Admitted => {
                    assert_eq!(it.owns, Owns::Ticket, "Q1: {position} is admitted twice");
                    assert_eq!(it.died, None, "Q3: {position} is dead");
                    assert!(self.now < limit, "Q6: {position} is over its limit");
                    it.owns = Owns::Lease(Origin::Place);
                    continue;
                }
                Resolution::Expired => assert!(limit <= self.now, "Q10: {position} has time left"),
                // Whoever gives back a place that was taken from it as dead is told again.
                Resolution::Abandoned => assert!(it.died.is_some() || it.ended),
                Resolution::Refused(_) => {}
            }
            assert!(
                !it.ended || end == Resolution::Abandoned,
                "Q4: {position} had ended"
            );
            it.ended = true;
            if it.owns == Owns::Ticket {
                it.owns = Owns::Nothing;
            }
        }
        for &(position, end) in &told {
            let mut ahead = self.connections[..position as usize].iter();
            let overtaken = ahead.find(|it| it.owns == Owns::Ticket && it.died.is_none());
            assert!(
                end != Resolution::Admitted || overtaken.is_none(),
                "Q5: {position} overtook"
            );
        }
    }

    fn check(&self) {
        let status = self.places.status(self.now);
        assert_eq!(status, self.reference.status(self.now));
        assert_eq!(self.places.is_open(), self.reference.is_open());
        assert!(status.size <= self.limits.max_size, "Q2: {status:?}");

        let held = self.connections.iter().filter(|it| it.has_place());
        assert_eq!(status.size, held.count(), "Q4: the rest has ended");
        let passed = |it: &&Connection| it.owns == Owns::Lease(Origin::OpenGate);
        let entered = self.connections.len() - self.connections.iter().filter(passed).count();
        assert_eq!(
            status.entered,
            status.size as u64 + status.ended(),
            "Q9: {status:?}"
        );
        assert_eq!(status.entered, entered as u64, "Q9: {status:?}");
        for it in &self.connections {
            // Ours, and one in the places and one in the reference.
            let seats = 1 + 2 * usize::from(it.has_place());
            assert_eq!(
                Rc::strong_count(&it.seat.alive),
                seats,
                "Q3: nothing is kept of the ended"
            );
        }
        self.check_timer();
    }

    /// The timer is set to the moment at which something happens next, if nobody does anything.
    fn check_timer(&self) {
        let due = self.places.next_wake(self.now);
        let waits = |it: &&Connection| it.owns == Owns::Ticket && it.has_place();
        assert_eq!(due.is_some(), self.connections.iter().any(|it| waits(&it)));
        let mut until_then = self.reference.clone();
        let just_before = due.map_or(LONG, |due| due - self.now).saturating_sub(ms(1));
        until_then.tick(self.now + just_before);
        // The dead at the head of a release go with whatever happens first.
        let mut told = until_then.told.iter();
        let missed = told.find(|(_, end)| *end != Resolution::Abandoned);
        assert!(
            just_before.is_zero() || missed.is_none(),
            "Q5, Q6: {missed:?}"
        );
        for it in self.connections.iter().filter(waits) {
            let told_at_last = it
                .died
                .map_or(it.held_since + self.limits.max_wait, |died| {
                    died + LOOK_INTERVAL
                });
            assert!(
                due <= Some(told_at_last),
                "Q4, Q6: {} is forgotten",
                it.seat.position
            );
        }
    }

    /// After the timer has rung it has something to wait for.
    fn check_that_nothing_is_due(&self) {
        let due = self.places.next_wake(self.now);
        assert!(
            due.is_none_or(|due| due > self.now),
            "Q7: the timer would spin"
        );
    }
}

/// Longer than any wait here.
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn q1_q2_q3_q4_q5_q6_q8_q9_q10_hold_as_in_the_reference_over_random_histories() {
    let steps = Cell::new(0);
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let histories = (limits(), vec(op(), 0..80));
    let explored = TestRunner::new(config).run(&histories, |(limits, history)| {
        let mut world = World::new(limits);
        for op in history {
            world.step(op);
            steps.set(steps.get() + 1);
        }
        Ok(())
    });
    explored.unwrap_or_else(|failure| panic!("{failure}"));
    println!(
        "explored: the places beside a naive reference: {} steps",
        steps.get()
    );
}
