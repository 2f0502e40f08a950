//! A connection that died under a ticket that lives on (Q3), at any moment.

use super::client::{Client, End};
use super::explore::explore;
use super::world::{MAX_WAIT, World, join};
use crate::places::LOOK_INTERVAL;
use crate::{QueueConfig, Refusal, sync};

/// Has its connection die in another thread.
fn dies(world: &World, client: &mut Client) -> super::thread::JoinHandle<()> {
    let life = client.give_away_life();
    world.spawn(move |_| sync::die(life))
}

#[test]
fn the_dead_are_not_admitted_and_hold_up_nobody() {
    explore(
        "a held connection dies while the gate opens, one at a time",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let (mut doomed, mut next) = (world.hold(), world.hold());
            let dying = dies(world, &mut doomed);
            world.gate.open();
            join(dying);
            assert!(!doomed.is_admitted(), "it is dead");
            assert_eq!(doomed.end(), Some(End::Abandoned));
            assert!(next.is_admitted(), "nobody living is before it");
            world.settle([doomed, next]);
        },
    );
}

#[test]
fn the_dead_hold_up_nobody_before_they_are_told() {
    explore(
        "an arrival while the gate opens, one at a time, the first one dead",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let (mut dead, mut next) = (world.hold(), world.hold());
            dead.die();
            let opening = world.spawn(|world| world.gate.open());
            let newcomer = world.arrive();
            join(opening);
            assert!(next.is_admitted(), "nobody living is before it");
            world.settle([dead, next, newcomer]);
        },
    );
}

#[test]
fn who_dies_as_it_is_told_is_counted_as_it_was_told() {
    explore(
        "an admitted connection dies while it is told",
        QueueConfig::default(),
        |world| {
            let mut doomed = world.hold();
            world.gate.open();
            let dying = dies(world, &mut doomed);
            let end = doomed.see_through();
            assert!([End::Served, End::Abandoned].contains(&end), "{end:?}");
            join(dying);
            world.settle([doomed]);
        },
    );
}

#[test]
fn a_place_of_the_dead_is_not_refused_to_a_newcomer() {
    explore(
        "an arrival at the last place while its owner dies",
        QueueConfig::default().max_size(1),
        |world| {
            let mut doomed = world.hold();
            let dying = dies(world, &mut doomed);
            let mut early = world.arrive();
            join(dying);
            let refused = early.end() == Some(End::Refused(Refusal::Full));
            assert_eq!(refused, !early.is_waiting());
            let late = if refused {
                world.hold()
            } else {
                world.arrive()
            };
            assert!(refused || late.end() == Some(End::Refused(Refusal::Full)));
            assert_eq!(doomed.see_through(), End::Abandoned);
            world.settle([doomed, early, late]);
        },
    );
}

#[test]
fn a_place_of_the_dead_is_given_once() {
    explore(
        "two arrivals at the last place after its owner died",
        QueueConfig::default().max_size(1),
        |world| {
            let mut doomed = world.hold();
            doomed.die();
            let arriving = world.spawn(World::arrive);
            let mut clients = [world.arrive(), join(arriving)];
            clients.sort_by_key(Client::arrival);
            let [refused, mut held] = clients;
            assert_eq!(refused.end(), Some(End::Refused(Refusal::Full)));
            assert!(held.is_waiting());
            assert_eq!(doomed.end(), None, "not told before it looks");
            assert_eq!(doomed.see_through(), End::Abandoned);
            world.settle([doomed, refused, held]);
        },
    );
}

#[test]
fn a_lease_of_the_dead_is_not_refused_to_a_newcomer() {
    explore(
        "an arrival at the last place while its owner acknowledges, dead already",
        QueueConfig::default().max_size(1),
        |world| {
            let mut doomed = world.hold();
            world.gate.open();
            assert!(doomed.is_admitted());
            world.gate.close();
            doomed.die();
            let acknowledging = world.spawn(move |_| doomed.acknowledge());
            let mut newcomer = world.hold();
            join(acknowledging);
            let status = world.status();
            assert_eq!((status.admitted + status.abandoned, status.size), (1, 1));
            world.gate.open();
            assert_eq!(newcomer.see_through(), End::Served);
            assert_eq!(world.status().entered, 2);
        },
    );
}

#[test]
fn a_lease_of_the_dead_that_is_given_back_for_another_has_one_end() {
    explore(
        "an arrival at the last place while its owner, dead, gives it back for another connection",
        QueueConfig::default().max_size(1),
        |world| {
            let mut doomed = world.hold();
            world.gate.open();
            assert!(doomed.is_admitted());
            world.gate.close();
            doomed.die();
            let giving_back = world.spawn(move |_| {
                doomed.reconnect();
                doomed.give_back();
                doomed
            });
            let mut newcomer = world.arrive();
            let mut doomed = join(giving_back);
            assert_ne!(doomed.is_waiting(), newcomer.is_waiting(), "one place");
            world.settle([doomed, newcomer]);
        },
    );
}

#[test]
fn the_dead_are_told_at_the_next_look() {
    explore(
        "a held connection dies while the timer looks",
        QueueConfig::default(),
        |world| {
            let mut doomed = world.hold();
            let dying = dies(world, &mut doomed);
            world.tick_after(LOOK_INTERVAL);
            join(dying);
            world.tick_after(2 * LOOK_INTERVAL);
            assert_eq!(world.status().size, 0);
            assert_eq!(doomed.see_through(), End::Abandoned);
            world.settle([doomed]);
        },
    );
}

#[test]
fn who_dies_as_its_limit_comes_has_one_end() {
    explore(
        "a held connection dies while it expires and the gate opens",
        QueueConfig::default().max_wait(MAX_WAIT),
        |world| {
            let mut doomed = world.hold();
            let dying = dies(world, &mut doomed);
            let ticking = world.spawn(|world| world.tick_after(MAX_WAIT));
            world.gate.open();
            let end = doomed.see_through();
            assert_ne!(end, End::Left);
            join(dying);
            join(ticking);
            world.settle([doomed]);
        },
    );
}

#[test]
fn the_last_place_of_the_dead_is_one_place_also_while_the_gate_opens() {
    explore(
        "an arrival at the last place while its owner dies and the gate opens",
        QueueConfig::default().max_size(1),
        |world| {
            let mut doomed = world.hold();
            let dying = dies(world, &mut doomed);
            let opening = world.spawn(|world| world.gate.open());
            let mut newcomer = world.arrive();
            join(dying);
            join(opening);
            assert!(!doomed.is_admitted(), "it is dead");
            let refused = newcomer.end() == Some(End::Refused(Refusal::Full));
            assert!(refused || newcomer.is_admitted(), "the gate is open");
            world.settle([doomed, newcomer]);
        },
    );
}
