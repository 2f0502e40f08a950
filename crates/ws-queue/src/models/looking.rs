//! The accounts add up at every look (Q9), whatever happens beside it.

use super::client::Client;
use super::explore::explore;
use super::world::{MAX_WAIT, World, join};
use crate::{QueueConfig, QueueStatus};

/// Looks twice beside `change`, which nobody but one client has part in.
fn look_beside(
    what: &str,
    prepare: impl Fn(&World) -> Client + Send + Sync + 'static,
    change: impl Fn(&World, Client) -> Client + Copy + Send + Sync + 'static,
) {
    let config = QueueConfig::default().max_wait(MAX_WAIT);
    explore(&format!("two looks while {what}"), config, move |world| {
        let client = prepare(world);
        let before = world.status();
        let changing = world.spawn(move |world| change(world, client));
        let (early, late) = (world.status(), world.status());
        let client = join(changing);
        let after = world.status();
        for (one, next) in [(before, early), (early, late), (late, after)] {
            assert!(has_grown(&one, &next), "{one:?} then {next:?}");
        }
        world.settle([client]);
    });
}

/// Nobody is ever taken out of the accounts again.
fn has_grown(one: &QueueStatus, next: &QueueStatus) -> bool {
    let totals = |it: &QueueStatus| {
        [
            it.entered,
            it.admitted,
            it.expired,
            it.abandoned,
            it.refused_full,
            it.refused_early,
            it.refused_failed,
            it.refused_draining,
        ]
    };
    totals(one)
        .iter()
        .zip(totals(next))
        .all(|(&one, next)| one <= next)
}

fn released(world: &World) -> Client {
    let mut client = world.hold();
    world.gate.open();
    assert!(client.is_admitted());
    client
}

fn passed(world: &World) -> Client {
    world.gate.open();
    world.admit()
}

#[test]
fn the_accounts_add_up_beside_an_arrival() {
    // The first has left when the second comes.
    let change = |world: &World, mut client: Client| {
        client.leave();
        let mut next = world.arrive();
        assert!(next.is_waiting());
        next.leave();
        client
    };
    let config = QueueConfig::default();
    explore(
        "two looks while one leaves and one arrives",
        config,
        move |world| {
            let client = world.hold();
            let changing = world.spawn(move |world| {
                change(world, client);
            });
            let (early, late) = (world.status(), world.status());
            assert!(has_grown(&early, &late));
            assert!(1 <= early.entered && late.entered <= 2);
            join(changing);
            assert_eq!((world.status().entered, world.status().abandoned), (2, 2));
        },
    );
}

#[test]
fn the_accounts_add_up_beside_a_release() {
    look_beside("the gate opens", World::hold, |world, client| {
        world.gate.open();
        client
    });
}

#[test]
fn the_accounts_add_up_beside_an_acknowledgement() {
    let acknowledge = |_: &World, mut client: Client| {
        client.acknowledge();
        client
    };
    look_beside(
        "a client admitted from its place is served",
        released,
        acknowledge,
    );
    look_beside(
        "a client that passed the gate is served",
        passed,
        acknowledge,
    );
}

#[test]
fn the_accounts_add_up_beside_one_who_leaves() {
    let leave = |_: &World, mut client: Client| {
        client.leave();
        client
    };
    look_beside("a held client leaves", World::hold, leave);
    look_beside("a client admitted from its place leaves", released, leave);
    look_beside("a client that passed the gate leaves", passed, leave);
}

#[test]
fn the_accounts_add_up_beside_an_admission_given_back() {
    let give_back = |world: &World, mut client: Client| {
        world.gate.close();
        client.give_back();
        client
    };
    look_beside(
        "an admission from a place is given back",
        released,
        give_back,
    );
    look_beside(
        "an admission of the open gate is given back",
        passed,
        give_back,
    );
}

#[test]
fn the_accounts_add_up_beside_an_end() {
    look_beside("a held client expires", World::hold, |world, client| {
        world.tick_after(MAX_WAIT);
        client
    });
}
