//! A release beside what else can happen to those it releases: one end each (Q4), in order (Q5),
//! paced or not.

use std::time::Duration;

use super::client::{Client, End};
use super::explore::explore;
use super::world::{MAX_WAIT, World, join};
use crate::QueueConfig;

#[test]
fn who_leaves_while_the_gate_opens_is_abandoned_once() {
    explore(
        "a held client leaves while the gate opens",
        QueueConfig::default(),
        |world| {
            let mut client = world.hold();
            let leaving = world.spawn(move |_| {
                client.leave();
                client
            });
            world.gate.open();
            let client = join(leaving);
            assert_eq!(world.status().abandoned, 1);
            world.settle([client]);
        },
    );
}

#[test]
fn who_expires_while_the_gate_opens_has_one_end() {
    explore(
        "a held client expires while the gate opens",
        QueueConfig::default().max_wait(MAX_WAIT),
        |world| {
            let mut client = world.hold();
            let ticking = world.spawn(|world| world.tick_after(MAX_WAIT));
            world.gate.open();
            let end = client.see_through();
            join(ticking);
            assert!([End::Served, End::Expired].contains(&end), "{end:?}");
            world.settle([client]);
        },
    );
}

#[test]
fn who_leaves_as_its_limit_comes_has_one_end() {
    explore(
        "a held client leaves while it expires",
        QueueConfig::default().max_wait(MAX_WAIT),
        |world| {
            let mut client = world.hold();
            let leaving = world.spawn(move |_| {
                client.leave();
                client
            });
            world.tick_after(MAX_WAIT);
            let client = join(leaving);
            let status = world.status();
            assert_eq!((status.expired + status.abandoned, status.size), (1, 0));
            world.settle([client]);
        },
    );
}

#[test]
fn the_second_is_told_after_the_first() {
    explore(
        "two held clients look while the gate opens",
        QueueConfig::default(),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            let opening = world.spawn(|world| world.gate.open());
            if second.is_admitted() {
                assert!(first.is_admitted(), "it came before");
            }
            join(opening);
            world.settle([first, second]);
        },
    );
}

#[test]
fn whoever_waits_is_woken_by_the_release() {
    explore(
        "two held clients wait while the gate opens",
        QueueConfig::default(),
        |world| {
            let waiting = [world.hold(), world.hold()].map(|mut client| {
                world.spawn(move |_| {
                    client.wait();
                    client
                })
            });
            world.gate.open();
            let mut clients = waiting.map(join);
            assert!(clients.iter_mut().all(Client::is_admitted));
            world.settle(clients);
        },
    );
}

#[test]
fn no_newcomer_overtakes_the_held() {
    explore(
        "an arrival during a release of one at a time",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            world.gate.open();
            let acknowledging = world.spawn(move |_| {
                assert_eq!(first.see_through(), End::Served);
                first
            });
            let mut newcomer = world.arrive();
            if newcomer.is_admitted() {
                assert!(second.is_admitted(), "it came before");
            }
            world.settle([join(acknowledging), second, newcomer]);
        },
    );
}

#[test]
fn the_next_is_admitted_once_whoever_asks() {
    explore(
        "an acknowledgement while the timer ticks, one at a time",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            let third = world.hold();
            world.gate.open();
            assert!(second.is_waiting(), "one at a time");
            let acknowledging = world.spawn(move |_| {
                first.see_through();
                first
            });
            world.tick_after(Duration::ZERO);
            let (first, mut third) = (join(acknowledging), third);
            assert!(second.is_admitted() && third.is_waiting());
            world.settle([first, second, third]);
        },
    );
}

#[test]
fn who_leaves_lets_the_next_one_in() {
    explore(
        "an admitted client leaves while a held one leaves, one at a time",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            let mut third = world.hold();
            world.gate.open();
            let leaving = world.spawn(move |_| {
                first.leave();
                first
            });
            second.leave();
            let first = join(leaving);
            assert!(third.is_admitted(), "nobody is before it");
            world.settle([first, second, third]);
        },
    );
}

#[test]
fn a_gate_that_closes_amid_a_release_keeps_the_rest_held() {
    explore(
        "an acknowledgement while the gate closes, one at a time",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            world.gate.open();
            let acknowledging = world.spawn(move |_| {
                first.see_through();
                first
            });
            world.gate.close();
            let first = join(acknowledging);
            let mut newcomer = world.hold();
            assert!(second.is_admitted() || world.status().size == 2);
            assert!(newcomer.is_waiting());
            world.settle([first, second, newcomer]);
        },
    );
}

#[test]
fn a_pace_lets_no_newcomer_pass() {
    explore(
        "an arrival while the timer ticks, one a second",
        QueueConfig::default().release_per_second(1),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            world.gate.open();
            assert!(first.is_admitted() && second.is_waiting());
            let ticking = world.spawn(|world| world.tick_after(Duration::from_secs(1)));
            let mut newcomer = world.arrive();
            if newcomer.is_admitted() {
                assert!(second.is_admitted(), "it came before");
            }
            join(ticking);
            assert!(second.is_admitted());
            world.tick_after(Duration::from_secs(2));
            world.settle([first, second, newcomer]);
        },
    );
}

#[test]
fn two_releases_at_once_are_one() {
    explore(
        "the gate opens twice while a client arrives",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let mut held = world.hold();
            let opening = world.spawn(|world| world.gate.open());
            let arriving = world.spawn(World::arrive);
            world.gate.open();
            join(opening);
            let mut newcomer = join(arriving);
            assert!(held.is_admitted());
            // It passes once nobody waits: also before the first has acknowledged.
            assert_eq!(
                newcomer.is_admitted(),
                newcomer.arrival() > held.arrival() && !newcomer.is_waiting()
            );
            world.settle([held, newcomer]);
        },
    );
}

#[test]
fn who_leaves_as_a_release_begins_lets_the_rest_go_on() {
    explore(
        "one leaves and one arrives while the gate opens, one at a time",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            let leaving = world.spawn(move |_| {
                first.leave();
                first
            });
            let arriving = world.spawn(World::arrive);
            world.gate.open();
            let first = join(leaving);
            let mut newcomer = join(arriving);
            assert!(second.is_admitted(), "nobody is before it");
            if newcomer.is_admitted() {
                assert!(newcomer.arrival() > second.arrival());
            }
            world.settle([first, second, newcomer]);
        },
    );
}
