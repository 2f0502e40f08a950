//! Arrivals in the very moment of a release, on real threads: nobody is left behind the open gate.

use std::sync::{Arc, Barrier};
use std::thread;

use futures::FutureExt;
use tokio::runtime::Handle;
use ws_queue::{Entry, Gate, HoldQueue, Lease, Outcome, QueueConfig, Ticket};

use super::held;

const ROUNDS: usize = 3_000;
const ARRIVING: usize = 3;

/// Has some arrive, each on a thread of its own, at the very moment in which this thread makes the
/// `release`; what they found.
fn arrive_during(queue: &HoldQueue<()>, release: impl FnOnce()) -> Vec<(Arc<()>, Entry<'_, ()>)> {
    let runtime = Handle::current();
    let together = Barrier::new(ARRIVING + 1);
    let arrive = || {
        let _runtime = runtime.enter();
        let connection = Arc::new(());
        together.wait();
        let entry = queue.enter(&connection);
        (connection, entry)
    };
    thread::scope(|scope| {
        let arriving = [(); ARRIVING].map(|()| scope.spawn(arrive));
        together.wait();
        release();
        let arrived = arriving.map(|it| it.join().expect("arriving does not panic"));
        arrived.into()
    })
}

/// The wait has ended by now, without a timer and without another event, and it ended well.
fn admitted(ticket: Ticket<()>) -> Lease<'static, ()> {
    match ticket.now_or_never() {
        Some(Outcome::Admitted(lease)) => lease,
        Some(other) => panic!("{other:?}"),
        None => panic!("held behind an open gate"),
    }
}

/// The gap between "not ready?" and "queue it".
#[tokio::test(flavor = "multi_thread")]
async fn q1_nobody_falls_between_the_look_at_the_gate_and_the_place_behind_it() {
    let (gate, queue) = ws_queue::gate(&QueueConfig::default());
    for _ in 0..ROUNDS {
        gate.close();
        for (_connection, entry) in arrive_during(&queue, || gate.open()) {
            match entry {
                Entry::Admitted(lease) => lease.acknowledge(),
                Entry::Held(ticket) => admitted(ticket).acknowledge(),
                Entry::Refused(why) => panic!("{why}"),
            }
        }
    }
    assert_all_were_served(&gate);
    println!("explored: arrivals while the gate opens, on threads: {ROUNDS} rounds");
}

/// HAProxy's: the last one of a release is served while others arrive.
#[tokio::test(flavor = "multi_thread")]
async fn q1_q5_a_release_that_ends_misses_nobody_who_arrives_meanwhile() {
    let (gate, queue) = ws_queue::gate(&QueueConfig::default().release_in_flight(1));
    let connections = [Arc::new(()), Arc::new(())];
    for _ in 0..ROUNDS {
        gate.close();
        let [first, last] = [0, 1].map(|number| held(&queue, &connections[number]));
        gate.open();
        // The last waits until the first is served.
        let first = admitted(first);
        let arrived = arrive_during(&queue, || first.acknowledge());
        admitted(last).acknowledge();
        // Those who were held behind it come out one after the other.
        let mut tickets = Vec::new();
        for (connection, entry) in arrived {
            match entry {
                Entry::Admitted(lease) => lease.acknowledge(),
                Entry::Held(ticket) => tickets.push((ticket.position(), connection, ticket)),
                Entry::Refused(why) => panic!("{why}"),
            }
        }
        tickets.sort_by_key(|(position, ..)| *position);
        for (_, _connection, ticket) in tickets {
            admitted(ticket).acknowledge();
        }
    }
    assert_all_were_served(&gate);
    println!("explored: arrivals while a release ends, on threads: {ROUNDS} rounds");
}

fn assert_all_were_served(gate: &Gate<()>) {
    let status = gate.status();
    let ends = (status.size, status.entered);
    assert_eq!(ends, (0, status.admitted), "{status:?}");
}
