//! Ten clients and two owners of a gate, who do whatever can be done, in random schedules.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle_models" cargo test --profile prove -p ws-queue --lib models -- --nocapture
//! ```
//!
//! `PROVE_SCHEDULES` says how many schedules, of both kinds together, `PROVE_SEED` which ones. What everybody does is chosen
//! at random too, and is part of the schedule. One that fails is printed; with the same code it is
//! run again, and alone, by
//!
//! ```text
//! PROVE_REPLAY=<the schedule> RUSTFLAGS=… cargo test … models::mix -- --nocapture
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};

use super::client::Client;
use super::explore::{Schedules, explore};
use super::order::Order;
use super::thread;
use super::world::{World, join};
use crate::{QueueConfig, Refusal, clock};

const CLIENTS: usize = 10;
const MAX_WAIT: Duration = Duration::from_secs(1);

#[test]
fn everyone_has_one_end_whatever_runs_next() {
    explore(
        "ten clients and two owners, all operations, random schedules",
        Schedules::Random,
        story,
    );
}

#[test]
fn everyone_has_one_end_whoever_comes_first() {
    explore(
        "ten clients and two owners, all operations, schedules by priority (PCT, depth 3)",
        Schedules::Pct { depth: 3 },
        story,
    );
}

fn story() {
    clock::restart();
    let world = World::new(&some_config());
    let order = Order::default();
    let busy = Arc::new(AtomicUsize::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (order, busy) = (order.clone(), Arc::clone(&busy));
            world.spawn(move |world| {
                let client = live(world, &order);
                busy.fetch_sub(1, Ordering::Relaxed);
                client
            })
        })
        .collect();
    let owners: Vec<_> = (0..2)
        .map(|_| {
            let order = order.clone();
            world.spawn(move |world| rule(world, &order))
        })
        .collect();
    // Now and then the end comes while an owner still rules, and does not know of it.
    let early = one_of([true, false]).then(|| conclude(&world));
    owners.into_iter().for_each(join);
    let refusing = match early {
        Some(Some(why)) => Some(why),
        _ => conclude(&world),
    };
    // Time goes on until the last client has its end: its limit is one.
    while busy.load(Ordering::Relaxed) > 0 {
        clock::advance(Duration::from_millis(100));
        world.tick_after(Duration::ZERO);
        thread::yield_now();
    }
    let clients: Vec<Client> = clients.into_iter().map(join).collect();
    order.check(None);
    match refusing {
        None => world.settle(clients),
        Some(why) => world.settle_refusing(why, clients),
    }
}

fn some_config() -> QueueConfig {
    QueueConfig::default()
        .max_wait(MAX_WAIT)
        .max_size(one_of([1, 3, 10]))
        .release_in_flight(one_of([0, 0, 1, 3]))
        .release_per_second(one_of([0, 0, 10]))
        .refuse_at_first(one_of([true, false, false]))
}

/// A client that comes, does a few things, and stays to its end.
fn live(world: &World, order: &Order) -> Client {
    let mut client = world.arrive();
    if client.is_admitted() {
        order.check(client.arrival());
    }
    order.note(&client);
    for _ in 0..one_of([0, 1, 3, 6]) {
        match thread_rng().gen_range(0..8) {
            0 => client.wait(),
            1 => order.leave(&mut client),
            2 if client.is_waiting() => client.die(),
            3 => client.acknowledge(),
            4 if client.is_admitted() => {
                if one_of([true, false]) {
                    world.queue.report_gone();
                }
                client.give_back();
            }
            5 => drop(world.status()),
            6 => order.check(None),
            _ => drop(client.is_waiting()),
        }
    }
    client.see_through();
    client
}

/// Someone who owns the gate, and the timers.
fn rule(world: &World, order: &Order) {
    for _ in 0..6 {
        match thread_rng().gen_range(0..8) {
            0 | 1 => world.gate.open(),
            2 => world.gate.close(),
            3 => world.gate.hold(),
            4 => world.queue.report_gone(),
            5 => drop(world.status()),
            6 => order.check(None),
            _ => {
                clock::advance(Duration::from_millis(thread_rng().gen_range(0..400)));
                world.tick_after(Duration::ZERO);
            }
        }
    }
}

/// The gate opens, or will not any more.
fn conclude(world: &World) -> Option<Refusal> {
    match thread_rng().gen_range(0..6) {
        0 => {
            world.gate.fail();
            Some(Refusal::Failed)
        }
        1 => {
            world.gate.drain();
            Some(Refusal::Draining)
        }
        _ => {
            world.gate.open();
            None
        }
    }
}

fn one_of<T: Copy, const N: usize>(these: [T; N]) -> T {
    these[thread_rng().gen_range(0..N)]
}
