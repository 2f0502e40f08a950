//! Arriving is one step (Q1), within the bound (Q2), and behind those who wait (Q5).

use super::client::{Client, End};
use super::explore::explore;
use super::world::{World, join};
use crate::{QueueConfig, Refusal};

#[test]
fn an_arrival_is_served_whenever_the_gate_opens() {
    explore(
        "an arrival while the gate opens",
        QueueConfig::default(),
        |world| {
            let arriving = world.spawn(|world| {
                let mut client = world.arrive();
                assert_eq!(client.see_through(), End::Served);
                client
            });
            world.gate.open();
            world.settle([join(arriving)]);
        },
    );
}

#[test]
fn whoever_came_before_the_gate_opened_is_let_in() {
    explore(
        "two arrivals while the gate opens",
        QueueConfig::default(),
        |world| {
            let first = world.spawn(World::arrive);
            let second = world.spawn(World::arrive);
            world.gate.open();
            let mut clients = [join(first), join(second)];
            clients.sort_by_key(Client::arrival);
            for client in &mut clients {
                assert!(client.is_admitted(), "the gate is open");
            }
            world.settle(clients);
        },
    );
}

#[test]
fn who_is_numbered_first_is_admitted_first() {
    explore(
        "two arrivals while the gate opens and closes",
        QueueConfig::default(),
        |world| {
            let arriving = [world.spawn(World::arrive), world.spawn(World::arrive)];
            world.gate.open();
            world.gate.close();
            let mut clients = arriving.map(join);
            clients.sort_by_key(Client::arrival);
            let [first, second] = &mut clients;
            assert!(!second.is_admitted() || first.is_admitted());
            world.settle(clients);
        },
    );
}

#[test]
fn the_last_place_is_given_once() {
    explore(
        "two arrivals at the last place",
        QueueConfig::default().max_size(1),
        |world| {
            let arriving = world.spawn(World::arrive);
            let mut clients = [world.arrive(), join(arriving)];
            clients.sort_by_key(Client::arrival);
            let [refused, held] = &mut clients;
            assert_eq!(refused.end(), Some(End::Refused(Refusal::Full)));
            assert!(held.is_waiting());
            assert_eq!(world.status().size, 1);
            world.settle(clients);
        },
    );
}

#[test]
fn the_last_place_is_free_again_once_its_owner_has_left() {
    explore(
        "an arrival at the last place while its owner leaves",
        QueueConfig::default().max_size(1),
        |world| {
            let mut owner = world.hold();
            let leaving = world.spawn(move |_| {
                owner.leave();
                owner
            });
            let mut early = world.arrive();
            let owner = join(leaving);
            let refused = early.end() == Some(End::Refused(Refusal::Full));
            assert!(refused || early.is_waiting());
            let late = if refused {
                world.hold()
            } else {
                world.arrive()
            };
            assert!(refused || late.end() == Some(End::Refused(Refusal::Full)));
            world.settle([owner, early, late]);
        },
    );
}

#[test]
fn nobody_passes_a_gate_that_holds_others_already() {
    explore(
        "an arrival while the gate closes and holds another",
        QueueConfig::default(),
        |world| {
            world.gate.open();
            let closing = world.spawn(|world| {
                world.gate.close();
                world.hold()
            });
            let mut found = world.arrive();
            let mut held = join(closing);
            if found.is_admitted() {
                assert!(found.arrival() < held.arrival(), "it passed before");
            }
            assert!(held.is_waiting(), "the gate is closed");
            let third = world.hold();
            world.settle([found, held, third]);
        },
    );
}

#[test]
fn nobody_is_held_behind_an_open_gate() {
    explore(
        "an arrival while the gate opens and closes",
        QueueConfig::default(),
        |world| {
            let arriving = world.spawn(World::arrive);
            let closing = world.spawn(|world| world.gate.close());
            world.gate.open();
            let mut client = join(arriving);
            join(closing);
            let status = world.status();
            if status.open {
                assert!(client.is_admitted(), "the gate is open");
            } else if client.is_waiting() {
                assert_eq!(status.size, 1);
            }
            let mut next = world.arrive();
            assert_eq!(next.is_admitted(), status.open);
            world.settle([client, next]);
        },
    );
}

#[test]
fn whoever_comes_as_holding_begins_is_refused_or_held() {
    explore(
        "an arrival while holding begins and the gate opens",
        QueueConfig::default().refuse_at_first(true),
        |world| {
            let arriving = world.spawn(World::arrive);
            let holding = world.spawn(|world| world.gate.hold());
            world.gate.open();
            let mut client = join(arriving);
            join(holding);
            let early = client.end() == Some(End::Refused(Refusal::Early));
            assert!(early || client.is_admitted(), "the gate is open");
            world.settle([client]);
        },
    );
}

#[test]
fn a_gate_that_holds_from_now_on_refuses_nobody_as_early() {
    explore(
        "two arrivals while holding begins",
        QueueConfig::default().refuse_at_first(true),
        |world| {
            let arriving = world.spawn(World::arrive);
            let holding = world.spawn(|world| {
                world.gate.hold();
                world.hold()
            });
            let mine = world.arrive();
            world.settle([mine, join(arriving), join(holding)]);
        },
    );
}

#[test]
fn two_who_come_as_the_gate_closes_are_never_one() {
    explore(
        "two arrivals while the gate closes",
        QueueConfig::default(),
        |world| {
            world.gate.open();
            let arriving = world.spawn(World::arrive);
            let closing = world.spawn(|world| world.gate.close());
            let mine = world.arrive();
            let other = join(arriving);
            join(closing);
            let next = world.hold();
            let passed = mine.arrival().max(other.arrival());
            assert!(passed < next.arrival(), "the latest came last");
            world.settle([mine, other, next]);
        },
    );
}
