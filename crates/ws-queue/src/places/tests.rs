use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::reclaim::LOOK_BUDGET;
use super::{Arrival, LOOK_INTERVAL, Origin, Places, Position, Seat};
use crate::slot::Resolution;
use crate::{QueueConfig, Refusal};

mod histories;
mod properties;
mod reference;

#[derive(Clone)]
struct Client {
    position: Position,
    alive: Rc<Cell<bool>>,
}

impl Seat for Client {
    fn is_alive(&self) -> bool {
        self.alive.get()
    }
}

/// Places with a clock of their own and a number for each arrival.
struct Harness {
    places: Places<Client>,
    t0: Instant,
    now: Instant,
    arrivals: Position,
}

impl Harness {
    fn new(config: &QueueConfig) -> Self {
        // Any instant will do: time only ever moves by `advance`.
        let t0 = tokio::time::Instant::now().into_std();
        Self {
            places: Places::new(config),
            t0,
            now: t0,
            arrivals: 0,
        }
    }

    fn client(&mut self) -> Client {
        let position = self.arrivals;
        self.arrivals += 1;
        Client {
            position,
            alive: Rc::new(Cell::new(true)),
        }
    }

    fn arrive(&mut self) -> (Client, Arrival) {
        let client = self.client();
        let arrival = self
            .places
            .arrive(self.now, client.position, client.clone());
        (client, arrival)
    }

    fn hold(&mut self, count: usize) -> Vec<Client> {
        (0..count)
            .map(|_| {
                let (client, arrival) = self.arrive();
                assert_eq!(arrival, Arrival::Held);
                client
            })
            .collect()
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.places.tick(self.now);
    }

    fn ended(&mut self) -> Vec<(Position, Resolution)> {
        self.places
            .take_ended()
            .into_iter()
            .map(|(client, end)| (client.position, end))
            .collect()
    }

    fn admitted(&mut self) -> Vec<Position> {
        self.ended()
            .into_iter()
            .map(|(position, end)| {
                assert_eq!(end, Resolution::Admitted);
                position
            })
            .collect()
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn opens_only_when_the_last_of_the_held_is_admitted() {
    let mut it = Harness::new(&QueueConfig::default().release_in_flight(1));
    it.hold(2);
    it.places.open(it.now);
    assert_eq!(it.admitted(), [0]);
    assert!(!it.places.is_open(), "one is still held");
    let (_, newcomer) = it.arrive();
    assert_eq!(
        newcomer,
        Arrival::Held,
        "a newcomer queues behind a release under way"
    );
    it.places.acknowledge(it.now, 0);
    assert_eq!(it.admitted(), [1]);
    it.places.acknowledge(it.now, 1);
    assert_eq!(it.admitted(), [2]);
    assert!(it.places.is_open());
}

#[test]
fn paced_release_is_evenly_spaced() {
    let mut it = Harness::new(&QueueConfig::default().release_per_second(10));
    it.hold(3);
    it.places.open(it.now);
    assert_eq!(it.admitted(), [0]);
    assert_eq!(it.places.next_wake(it.now), Some(it.t0 + ms(100)));
    it.advance(ms(99));
    assert_eq!(it.admitted(), [] as [Position; 0]);
    it.advance(ms(1));
    assert_eq!(it.admitted(), [1]);
    it.advance(ms(100));
    assert_eq!(it.admitted(), [2]);
    assert!(it.places.is_open());
}

#[test]
fn an_idle_time_saves_up_no_pace() {
    let mut it = Harness::new(&QueueConfig::default().release_per_second(10));
    it.hold(1);
    it.places.open(it.now);
    it.places.close();
    it.advance(ms(5000));
    it.hold(2);
    it.places.open(it.now);
    assert_eq!(it.admitted(), [0, 1]);
    it.advance(ms(99));
    assert_eq!(it.admitted(), [] as [Position; 0]);
    it.advance(ms(1));
    assert_eq!(it.admitted(), [2]);
}

#[test]
fn a_fast_pace_is_kept_by_a_timer_of_whole_milliseconds() {
    let config = QueueConfig::default()
        .max_size(5000)
        .release_per_second(4000);
    let mut it = Harness::new(&config);
    it.hold(4001);
    it.places.open(it.now);
    for _ in 0..999 {
        it.advance(ms(1));
    }
    let within_a_second = it.admitted().len();
    assert!(
        (3990..=4000).contains(&within_a_second),
        "{within_a_second}"
    );
}

#[test]
fn closing_in_the_middle_of_a_release_keeps_the_rest_held() {
    let mut it = Harness::new(&QueueConfig::default().release_in_flight(1));
    it.hold(3);
    it.places.open(it.now);
    it.places.close();
    it.places.acknowledge(it.now, 0);
    assert_eq!(it.admitted(), [0]);
    it.places.open(it.now);
    assert_eq!(it.admitted(), [1]);
}

#[test]
fn given_back_goes_before_those_who_came_later() {
    let mut it = Harness::new(&QueueConfig::default());
    let clients = it.hold(2);
    it.places.open(it.now);
    assert_eq!(it.admitted(), [0, 1]);
    it.places.close();
    it.hold(1);
    it.places
        .give_back(it.now, 1, Origin::Place, clients[1].clone());
    it.places
        .give_back(it.now, 0, Origin::Place, clients[0].clone());
    it.places.open(it.now);
    assert_eq!(it.admitted(), [0, 1, 2]);
}

#[test]
fn the_held_are_listed_in_order_of_arrival_admitted_or_waiting() {
    let mut it = Harness::new(&QueueConfig::default());
    let clients = it.hold(2);
    let begin = it.now;
    it.places.open(it.now);
    it.advance(ms(500));
    it.places.close();
    it.hold(1);
    it.places
        .give_back(it.now, 0, Origin::Place, clients[0].clone());
    let listed = |limit| {
        let held = it.places.held(limit).into_iter();
        held.map(|(position, since, _)| (position, since - begin))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(9), [(0, ms(0)), (1, ms(0)), (2, ms(500))]);
    assert_eq!(listed(2), [(0, ms(0)), (1, ms(0))]);
}

#[test]
fn given_back_keeps_its_old_limit() {
    let mut it = Harness::new(&QueueConfig::default().max_wait(ms(1000)));
    let clients = it.hold(1);
    it.places.open(it.now);
    assert_eq!(it.admitted(), [0]);
    it.places.close();
    it.advance(ms(600));
    it.places
        .give_back(it.now, 0, Origin::Place, clients[0].clone());
    it.advance(ms(399));
    assert_eq!(it.ended(), []);
    it.advance(ms(1));
    assert_eq!(it.ended(), [(0, Resolution::Expired)]);
}

#[test]
fn given_back_behind_an_open_gate_is_admitted_again_at_once() {
    let mut it = Harness::new(&QueueConfig::default());
    it.places.open(it.now);
    let client = it.client();
    it.places.give_back(it.now, 0, Origin::OpenGate, client);
    assert_eq!(it.admitted(), [0]);
    assert!(it.places.is_open());
}

#[test]
fn given_back_from_the_open_gate_is_refused_where_no_place_is_free() {
    let mut it = Harness::new(&QueueConfig::default().max_size(1));
    let client = it.client();
    it.hold(1);
    it.places.give_back(it.now, 0, Origin::OpenGate, client);
    assert_eq!(it.ended(), [(0, Resolution::Refused(Refusal::Full))]);
    assert_eq!(it.places.status(it.now).size, 1);
}

#[test]
fn given_back_after_the_end_is_refused() {
    let mut it = Harness::new(&QueueConfig::default());
    let clients = it.hold(1);
    it.places.open(it.now);
    assert_eq!(it.admitted(), [0]);
    it.places.end(Refusal::Draining);
    it.places
        .give_back(it.now, 0, Origin::Place, clients[0].clone());
    assert_eq!(it.ended(), [(0, Resolution::Refused(Refusal::Draining))]);
    assert_eq!(it.places.status(it.now).size, 0);
}

#[test]
fn a_lease_that_is_dropped_lets_the_next_one_in() {
    let mut it = Harness::new(&QueueConfig::default().release_in_flight(1));
    it.hold(2);
    it.places.open(it.now);
    assert_eq!(it.admitted(), [0]);
    it.places.leave(it.now, 0);
    assert_eq!(it.admitted(), [1]);
    assert_eq!(it.places.status(it.now).abandoned, 1);
}

#[test]
fn a_look_tells_the_dead_within_one_interval() {
    let mut it = Harness::new(&QueueConfig::default());
    let clients = it.hold(2);
    clients[0].alive.set(false);
    assert_eq!(it.places.next_wake(it.now), Some(it.t0 + LOOK_INTERVAL));
    it.advance(LOOK_INTERVAL);
    assert_eq!(it.ended(), [(0, Resolution::Abandoned)]);
    assert_eq!(it.places.next_wake(it.now), Some(it.t0 + 2 * LOOK_INTERVAL));
}

#[test]
fn looks_go_round_all_places() {
    let config = QueueConfig::default().max_size(3 * LOOK_BUDGET);
    let mut it = Harness::new(&config);
    let clients = it.hold(3 * LOOK_BUDGET);
    clients[3 * LOOK_BUDGET - 1].alive.set(false);
    clients[0].alive.set(false);
    let mut looks = Vec::new();
    for look in 1..=6 {
        it.advance(LOOK_INTERVAL);
        looks.extend(
            it.ended()
                .into_iter()
                .map(|(position, _)| (look, position as usize)),
        );
    }
    assert_eq!(looks, [(1, 0), (3, 3 * LOOK_BUDGET - 1)]);
}

#[test]
fn a_look_that_has_room_for_all_begins_at_the_first() {
    let mut it = Harness::new(&QueueConfig::default().max_size(LOOK_BUDGET + 1));
    let clients = it.hold(LOOK_BUDGET + 1);
    it.advance(LOOK_INTERVAL);
    it.places.leave(it.now, LOOK_BUDGET as Position);
    clients[0].alive.set(false);
    it.advance(LOOK_INTERVAL);
    assert_eq!(it.ended(), [(0, Resolution::Abandoned)]);
}

#[test]
fn the_dead_are_not_admitted_and_cost_no_pace() {
    let mut it = Harness::new(&QueueConfig::default().release_per_second(1));
    let clients = it.hold(3);
    clients[0].alive.set(false);
    clients[1].alive.set(false);
    it.places.open(it.now);
    assert_eq!(
        it.ended(),
        [
            (0, Resolution::Abandoned),
            (1, Resolution::Abandoned),
            (2, Resolution::Admitted)
        ]
    );
}

#[test]
fn a_place_admitted_but_dead_makes_room() {
    let mut it = Harness::new(&QueueConfig::default().max_size(1));
    let clients = it.hold(1);
    it.places.open(it.now);
    it.places.close();
    clients[0].alive.set(false);
    let (_, arrival) = it.arrive();
    assert_eq!(arrival, Arrival::Held);
    it.places.acknowledge(it.now, 0);
    assert_eq!(
        it.places.status(it.now).admitted,
        0,
        "it was counted as abandoned already"
    );
}

#[test]
fn a_wait_without_limit_is_a_long_one() {
    let mut it = Harness::new(&QueueConfig::default().max_wait(Duration::MAX));
    it.hold(1);
    it.advance(Duration::from_secs(86_400));
    assert_eq!(it.places.status(it.now).size, 1);
}

#[test]
fn nothing_is_due_while_nobody_is_held() {
    let mut it = Harness::new(&QueueConfig::default());
    assert_eq!(it.places.next_wake(it.now), None);
    it.hold(1);
    it.places.leave(it.now, 0);
    assert_eq!(it.places.next_wake(it.now), None);
}
