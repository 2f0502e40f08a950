//! The gate that will never open (Q4): failed, draining, or lost with its owner.

use std::sync::Arc;

use super::client::End;
use super::explore::explore;
use super::world::{World, join};
use crate::{QueueConfig, Refusal};

const FAILED: End = End::Refused(Refusal::Failed);
const DRAINING: End = End::Refused(Refusal::Draining);

#[test]
fn a_gate_that_fails_refuses_whoever_comes() {
    explore(
        "an arrival while the gate fails",
        QueueConfig::default(),
        |world| {
            let arriving = world.spawn(|world| {
                let mut client = world.arrive();
                assert_eq!(client.see_through(), FAILED);
                client
            });
            world.gate.fail();
            world.settle_refusing(Refusal::Failed, [join(arriving)]);
        },
    );
}

#[test]
fn a_gate_that_drains_refuses_whoever_it_has_not_let_in() {
    explore(
        "an arrival at the open gate while it drains",
        QueueConfig::default(),
        |world| {
            world.gate.open();
            let arriving = world.spawn(|world| {
                let mut client = world.arrive();
                let end = client.see_through();
                assert!([End::Served, DRAINING].contains(&end), "{end:?}");
                client
            });
            world.gate.drain();
            world.settle_refusing(Refusal::Draining, [join(arriving)]);
        },
    );
}

#[test]
fn a_gate_that_is_lost_refuses_everyone() {
    explore(
        "an arrival while the gate is dropped, with one held",
        QueueConfig::default(),
        |world| {
            // `World` shares the gate, so this one is made of its parts.
            let (gate, queue) = crate::queue::halves(&QueueConfig::default());
            let lone = World {
                gate: Arc::clone(&world.gate),
                queue,
            };
            let held = lone.hold();
            let dropping = super::thread::spawn(move || drop(gate));
            let mut clients = [held, lone.arrive()];
            for client in &mut clients {
                assert_eq!(client.see_through(), FAILED);
            }
            join(dropping);
            assert_eq!(lone.queue.status().refused_failed, 2);
            assert_eq!(lone.arrive().end(), Some(FAILED));
        },
    );
}

#[test]
fn who_is_released_as_the_gate_fails_has_one_end() {
    explore(
        "two held clients while the gate opens and fails",
        QueueConfig::default(),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            let opening = world.spawn(|world| world.gate.open());
            world.gate.fail();
            let ends = [first.see_through(), second.see_through()];
            assert!(ends == [End::Served; 2] || ends == [FAILED; 2], "{ends:?}");
            join(opening);
            world.settle_refusing(Refusal::Failed, [first, second]);
        },
    );
}

#[test]
fn who_waits_for_its_turn_as_the_gate_drains_has_one_end() {
    explore(
        "an acknowledgement while the gate drains, one at a time",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            world.gate.open();
            let acknowledging = world.spawn(move |_| {
                assert_eq!(first.see_through(), End::Served);
                first
            });
            world.gate.drain();
            let end = second.see_through();
            assert!([End::Served, DRAINING].contains(&end), "{end:?}");
            world.settle_refusing(Refusal::Draining, [join(acknowledging), second]);
        },
    );
}

#[test]
fn who_leaves_as_the_gate_fails_has_one_end() {
    explore(
        "a held client leaves while the gate fails",
        QueueConfig::default(),
        |world| {
            let mut client = world.hold();
            let leaving = world.spawn(move |_| {
                client.leave();
                client
            });
            world.gate.fail();
            world.settle_refusing(Refusal::Failed, [join(leaving)]);
        },
    );
}

#[test]
fn the_end_is_final_whoever_opens_and_whoever_comes() {
    explore(
        "an arrival while the gate opens and fails",
        QueueConfig::default(),
        |world| {
            let arriving = world.spawn(World::arrive);
            let opening = world.spawn(|world| world.gate.open());
            world.gate.fail();
            join(opening);
            world.settle_refusing(Refusal::Failed, [join(arriving)]);
        },
    );
}

#[test]
fn a_failure_and_a_drain_at_once_tell_each_client_once() {
    explore(
        "a held client while the gate fails and drains",
        QueueConfig::default(),
        |world| {
            let mut client = world.hold();
            let failing = world.spawn(|world| world.gate.fail());
            world.gate.drain();
            let end = client.see_through();
            assert!([FAILED, DRAINING].contains(&end), "{end:?}");
            join(failing);
            world.settle_refusing(Refusal::Draining, [client]);
        },
    );
}
