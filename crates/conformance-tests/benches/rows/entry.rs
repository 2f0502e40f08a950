//! The queue alone, without a socket: what arriving, leaving, expiring and being released cost, whatever
//! the number of those who are held.

use std::hint::{black_box, spin_loop};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use conformance_tests::figures::{Figure, Plot, Samples, Table};
use futures::FutureExt;
use tokio::task::yield_now;
use tokio::time::Instant;
use ws_queue::{Entry, Gate, HoldQueue, Outcome, QueueConfig, Ticket};

use crate::{Options, Result, process};

const HELD: [usize; 5] = [50, 1_000, 10_000, 100_000, 1_000_000];
/// Longer than the row takes.
const LONG: Duration = Duration::from_secs(600);
/// Longer than a million take to enter.
const EXPIRY: Duration = Duration::from_millis(1_500);
const CALLS: u32 = 100_000;

type Held = (Arc<u64>, Ticket<u64>);

/// For each number of held one value a sample, in ns.
#[derive(Default)]
struct Costs {
    open: Vec<Samples>,
    open_two: Vec<Samples>,
    come_and_go: Vec<Samples>,
    another_leaves: Vec<Samples>,
    released: Vec<Samples>,
    expired: Vec<Samples>,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (held, samples) = if options.quick {
        (&HELD[..3], 3)
    } else {
        (&HELD[..], 15)
    };
    let busy = options.quiet_machine().await?;
    let mut costs = Costs::default();
    let nobody = open_gate(0, samples)?;
    for &held in held {
        eprintln!("entry: {held} held");
        let (open, open_two) = open_gate(held, samples)?;
        costs.open.push(open);
        costs.open_two.push(open_two);
        let (come_and_go, another_leaves) = closed_gate(held, samples)?;
        costs.come_and_go.push(come_and_go);
        costs.another_leaves.push(another_leaves);
        costs.released.push(released(held, samples.min(5))?);
        costs
            .expired
            .push(expired(held, if options.quick { 1 } else { 3 }).await?);
    }
    let mut table = Table::new("The queue: one call, ns", ["ws-queue"]).note(format!(
        "CPU time of the calling thread. Samples: {samples} of {CALLS} calls each; of a release and of an expiry fewer, each of all who are held, for \
         each of them. Those held beside an open gate are admitted and have not acknowledged it. Before the row the \
         machine was {busy:.0} % busy."
    ));
    let (open, open_two) = nobody;
    table.add(Figure::new("enter an open gate, acknowledge, nobody held", [open]).at_most(20.0));
    table.add(Figure::new("the same, two threads at once", [open_two]));
    let mut plot = Plot::new("One call to the queue", "held", "ns");
    for (name, samples, limit) in [
        ("enter an open gate, acknowledge", &costs.open, Some(20.0)),
        ("the same, two threads at once", &costs.open_two, None),
        ("enter a closed gate, leave", &costs.come_and_go, None),
        ("enter it, any other leaves", &costs.another_leaves, None),
        ("be released, each", &costs.released, None),
        ("expire, each", &costs.expired, None),
    ] {
        for (held, samples) in held.iter().zip(samples) {
            let figure = Figure::new(format!("{name}, {held} held"), [samples.clone()]);
            table.add(match limit {
                Some(limit) => figure.at_most(limit),
                None => figure,
            });
        }
        let points = held.iter().zip(samples);
        plot.add(
            name,
            points.map(|(held, samples)| (*held as f64, samples.median())),
        );
    }
    println!("{table}");
    options.keep("entry.svg", &plot)
}

fn gate(max_wait: Duration, places: usize) -> (Gate<u64>, HoldQueue<u64>) {
    ws_queue::gate(&QueueConfig::default().max_size(places).max_wait(max_wait))
}

fn enter(queue: &HoldQueue<u64>, number: usize) -> Result<Held> {
    let connection = Arc::new(number as u64);
    match queue.enter(&connection) {
        Entry::Held(ticket) => Ok((connection, ticket)),
        other => Err(format!("not held: {other:?}").into()),
    }
}

fn held_at(queue: &HoldQueue<u64>, count: usize) -> Result<Vec<Held>> {
    (0..count).map(|number| enter(queue, number)).collect()
}

fn pass(queue: &HoldQueue<u64>, connection: &Arc<u64>) {
    if let Entry::Admitted(lease) = black_box(queue).enter(black_box(connection)) {
        lease.acknowledge();
    }
}

/// Through an open gate behind which so many have not acknowledged yet, from one thread and from two.
fn open_gate(held: usize, samples: usize) -> Result<(Samples, Samples)> {
    let (gate, queue) = gate(LONG, held);
    let _admitted = held_at(&queue, held)?;
    gate.open();
    let passes = || {
        let connection = Arc::new(0);
        nanoseconds(CALLS, || pass(&queue, &connection))
    };
    let one = (0..samples).map(|_| passes()).collect::<Result<_>>()?;
    let two = (0..samples).map(|_| {
        let start = Barrier::new(2);
        let together = || {
            start.wait();
            passes()
        };
        thread::scope(|scope| {
            let other = scope.spawn(together);
            let here = together();
            let there = other.join().map_err(|_| "a thread that panicked")?;
            Ok(f64::midpoint(here?, there?))
        })
    });
    Ok((one, two.collect::<Result<_>>()?))
}

/// At a closed gate: one comes and goes again; one comes and one of those who were there goes.
fn closed_gate(held: usize, samples: usize) -> Result<(Samples, Samples)> {
    let (_gate, queue) = gate(LONG, held + 1);
    let mut there = held_at(&queue, held)?;
    let connection = Arc::new(0);
    let come_and_go = || nanoseconds(CALLS, || drop(black_box(queue.enter(&connection))));
    let come_and_go = (0..samples).map(|_| come_and_go());
    let come_and_go = come_and_go.collect::<Result<_>>()?;
    let mut dice = fastrand::Rng::with_seed(1);
    let mut failed = None;
    let mut replace = || match enter(&queue, 0) {
        Ok(newcomer) => there[dice.usize(..held)] = newcomer,
        Err(error) => failed = Some(error),
    };
    let another_leaves = (0..samples)
        .map(|_| nanoseconds(CALLS, &mut replace))
        .collect::<Result<_>>()?;
    failed.map_or(Ok((come_and_go, another_leaves)), Err)
}

/// All of them at once: the gate opens, every ticket resolves, every lease is acknowledged.
fn released(held: usize, samples: usize) -> Result<Samples> {
    let mut each = Samples::default();
    for _ in 0..samples {
        let (gate, queue) = gate(LONG, held);
        let there = held_at(&queue, held)?;
        let start = process::thread_run_time()?;
        gate.open();
        for (_connection, ticket) in there {
            match ticket.now_or_never() {
                Some(Outcome::Admitted(lease)) => lease.acknowledge(),
                other => return Err(format!("not admitted: {other:?}").into()),
            }
        }
        each.push(nanoseconds_since(start, held)?);
    }
    Ok(each)
}

/// All of them at once: this thread keeps the timer from looking until everybody's time is over.
async fn expired(held: usize, samples: usize) -> Result<Samples> {
    let mut each = Samples::default();
    for _ in 0..samples {
        let (_gate, queue) = gate(EXPIRY, held);
        // So that the timer has its task before it is kept from it.
        yield_now().await;
        let there = held_at(&queue, held)?;
        let due = Instant::now() + EXPIRY;
        while Instant::now() < due {
            spin_loop();
        }
        let start = process::thread_run_time()?;
        while queue.status().size > 0 {
            yield_now().await;
        }
        each.push(nanoseconds_since(start, held)?);
        drop(there);
    }
    Ok(each)
}

fn nanoseconds(calls: u32, mut call: impl FnMut()) -> Result<f64> {
    let start = process::thread_run_time()?;
    (0..calls).for_each(|_| call());
    nanoseconds_since(start, calls as usize)
}

/// How long this thread has run since then, for each call.
fn nanoseconds_since(start: Duration, calls: usize) -> Result<f64> {
    let ran = process::thread_run_time()?.saturating_sub(start);
    Ok(ran.as_secs_f64() * 1e9 / calls as f64)
}
