//! An admission that is given back is held as before (Q10), whatever happens meanwhile.

use super::client::{Client, End};
use super::explore::explore;
use super::world::{MAX_WAIT, World, join};
use crate::places::Origin;
use crate::{QueueConfig, Refusal};

/// An admitted client at a gate that is closed again.
fn admitted_before_the_gate_closed(world: &World, origin: Origin) -> Client {
    let mut client = match origin {
        Origin::OpenGate => {
            world.gate.open();
            world.admit()
        }
        Origin::Place => {
            let client = world.hold();
            world.gate.open();
            client
        }
    };
    assert!(client.is_admitted());
    world.gate.close();
    client
}

fn for_both(
    what: &str,
    config: &QueueConfig,
    model: impl Fn(&World, Client) + Copy + Send + Sync + 'static,
) {
    for (origin, from) in [
        (Origin::OpenGate, "admitted at the open gate"),
        (Origin::Place, "admitted from a place"),
    ] {
        explore(&format!("{what}, {from}"), config.clone(), move |world| {
            model(world, admitted_before_the_gate_closed(world, origin));
        });
    }
}

#[test]
fn given_back_while_the_gate_opens_is_served_again() {
    for_both(
        "an admission is given back while the gate opens",
        &QueueConfig::default(),
        |world, mut client| {
            let giving_back = world.spawn(move |_| {
                client.give_back();
                assert_eq!(client.see_through(), End::Served);
                client
            });
            world.gate.open();
            world.settle([join(giving_back)]);
        },
    );
}

#[test]
fn given_back_goes_before_who_came_later() {
    for_both(
        "an admission is given back while another client arrives",
        &QueueConfig::default().release_in_flight(1),
        |world, mut client| {
            let giving_back = world.spawn(move |_| {
                client.give_back();
                client
            });
            let mut newcomer = world.hold();
            let mut client = join(giving_back);
            assert!(client.arrival() < newcomer.arrival());
            world.gate.open();
            assert!(client.is_admitted() && newcomer.is_waiting());
            world.settle([client, newcomer]);
        },
    );
}

#[test]
fn given_back_to_a_release_under_way_keeps_the_order() {
    explore(
        "an admission is given back while a release of one at a time goes on",
        QueueConfig::default().release_in_flight(1),
        |world| {
            let (mut first, mut second) = (world.hold(), world.hold());
            world.gate.open();
            assert!(first.is_admitted() && second.is_waiting());
            let giving_back = world.spawn(move |_| {
                first.give_back();
                first
            });
            let mut newcomer = world.arrive();
            let mut first = join(giving_back);
            assert!(first.is_admitted(), "it was the first, and is");
            assert!(second.is_waiting() && newcomer.is_waiting());
            world.settle([first, second, newcomer]);
        },
    );
}

#[test]
fn given_back_after_the_end_is_refused() {
    for_both(
        "an admission is given back while the gate fails",
        &QueueConfig::default(),
        |world, mut client| {
            let giving_back = world.spawn(move |_| {
                client.give_back();
                client
            });
            world.gate.fail();
            let mut client = join(giving_back);
            assert_eq!(client.see_through(), End::Refused(Refusal::Failed));
            world.settle_refusing(Refusal::Failed, [client]);
        },
    );
}

#[test]
fn given_back_takes_no_place_beyond_the_last() {
    explore(
        "an admission of the open gate is given back at the last place while a client arrives",
        QueueConfig::default().max_size(1),
        |world| {
            let mut client = admitted_before_the_gate_closed(world, Origin::OpenGate);
            let giving_back = world.spawn(move |_| {
                client.give_back();
                client
            });
            let mut newcomer = world.arrive();
            let mut client = join(giving_back);
            assert_ne!(client.is_waiting(), newcomer.is_waiting());
            for it in [&client, &newcomer] {
                assert!(
                    it.end()
                        .is_none_or(|end| end == End::Refused(Refusal::Full))
                );
            }
            world.settle([client, newcomer]);
        },
    );
}

#[test]
fn given_back_keeps_its_place_while_others_want_it() {
    explore(
        "an admission of the last place is given back while a client arrives",
        QueueConfig::default().max_size(1),
        |world| {
            let mut client = admitted_before_the_gate_closed(world, Origin::Place);
            let giving_back = world.spawn(move |_| {
                client.give_back();
                client
            });
            let newcomer = world.arrive();
            let mut client = join(giving_back);
            assert_eq!(newcomer.end(), Some(End::Refused(Refusal::Full)));
            assert!(client.is_waiting());
            world.settle([client, newcomer]);
        },
    );
}

#[test]
fn given_back_as_its_limit_comes_has_one_end() {
    for_both(
        "an admission is given back while its limit comes",
        &QueueConfig::default().max_wait(MAX_WAIT),
        |world, mut client| {
            let giving_back = world.spawn(move |_| {
                client.give_back();
                client
            });
            world.tick_after(MAX_WAIT);
            let mut client = join(giving_back);
            if client.is_waiting() {
                world.tick_after(MAX_WAIT);
            }
            assert_eq!(client.see_through(), End::Expired);
            world.settle([client]);
        },
    );
}

#[test]
fn whoever_finds_nothing_behind_the_gate_is_served_when_it_is_back() {
    explore(
        "a report and an admission given back while a client arrives",
        QueueConfig::default(),
        |world| {
            world.gate.open();
            let mut client = world.admit();
            let returning = world.spawn(move |world| {
                world.queue.report_gone();
                client.give_back();
                assert!(client.is_waiting(), "its own report has closed the gate");
                client
            });
            let newcomer = world.arrive();
            world.settle([join(returning), newcomer]);
        },
    );
}

#[test]
fn given_back_to_a_gate_that_turns_is_held_or_admitted() {
    for_both(
        "an admission is given back while the gate opens, closes and a client arrives",
        &QueueConfig::default(),
        |world, mut client| {
            let giving_back = world.spawn(move |_| {
                client.give_back();
                client
            });
            let arriving = world.spawn(World::arrive);
            let closing = world.spawn(|world| world.gate.close());
            world.gate.open();
            join(closing);
            let (mut client, mut newcomer) = (join(giving_back), join(arriving));
            if world.status().open {
                assert!(client.is_admitted() && newcomer.is_admitted());
            }
            world.settle([client, newcomer]);
        },
    );
}
