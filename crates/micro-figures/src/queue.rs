//! The calls of a hold queue.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::Runtime;
use ws_queue::{Entry, Gate, HoldQueue, Outcome, QueueConfig, Ticket};

use crate::Call;

/// As many as a large instance holds.
const HELD: usize = 10_000;
/// As many as are let in at once.
const RELEASED: usize = 1_000;
/// Longer than any run takes, under whatever counts.
const LONG: Duration = Duration::from_secs(86_400);

/// Enters an open gate, acknowledges.
pub(crate) fn enter_open(_: &'static Runtime) -> Call {
    let (gate, queue) = gate(0);
    gate.open();
    let connection = Arc::new(0);
    Box::new(move || {
        let _keeps_it_open = &gate;
        let Entry::Admitted(lease) = black_box(&queue).enter(black_box(&connection)) else {
            panic!("the gate is open")
        };
        lease.acknowledge();
    })
}

/// Takes the last place behind all those that are held, and leaves.
pub(crate) fn enter_closed(_: &'static Runtime) -> Call {
    let (gate, queue) = gate(HELD + 1);
    let held: Vec<_> = (0..HELD).map(|number| hold(&queue, number)).collect();
    let connection = Arc::new(HELD);
    Box::new(move || {
        let _keep = (&gate, &held);
        drop(black_box(&queue).enter(black_box(&connection)));
    })
}

/// Lets one in after the other: what a release costs each of those who were held, the opening included.
pub(crate) fn release(_: &'static Runtime) -> Call {
    let (gate, queue) = gate(RELEASED);
    let held = (0..RELEASED).map(|number| hold(&queue, number));
    let mut held = held.collect::<Vec<_>>().into_iter();
    let mut is_open = false;
    Box::new(move || {
        if !is_open {
            gate.open();
            is_open = true;
        }
        let (_connection, ticket) = held.next().expect("no more calls than are held");
        let Some(Outcome::Admitted(lease)) = ticket.now_or_never() else {
            panic!("the gate is open")
        };
        lease.acknowledge();
    })
}

fn gate(places: usize) -> (Gate<usize>, HoldQueue<usize>) {
    ws_queue::gate(&QueueConfig::default().max_size(places).max_wait(LONG))
}

fn hold(queue: &HoldQueue<usize>, number: usize) -> (Arc<usize>, Ticket<usize>) {
    let connection = Arc::new(number);
    match queue.enter(&connection) {
        Entry::Held(ticket) => (connection, ticket),
        other => panic!("the gate is closed, and there is room: {other:?}"),
    }
}
