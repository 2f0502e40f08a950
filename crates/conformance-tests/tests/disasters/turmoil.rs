//! Capacity and the queue's accounts are one: whatever connections do, and in whatever order, the
//! full capacity is there again when they have gone.

use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::time::{advance, sleep};
use ws_queue::{Entry, HoldQueue, Lease, Outcome, QueueConfig, QueueStatus, Ticket};

use super::{held, ms};

const PLACES: usize = 8;

/// What a connection has of the queue, and the connection itself, as long as it lives.
enum Has {
    Ticket(Ticket<()>),
    Lease(Lease<'static, ()>),
}

/// Clients that do whatever clients do, at random.
struct Crowd<'a> {
    queue: &'a HoldQueue<()>,
    dice: fastrand::Rng,
    clients: Vec<(Option<Arc<()>>, Has)>,
}

impl<'a> Crowd<'a> {
    fn new(queue: &'a HoldQueue<()>, seed: u64) -> Self {
        Self {
            queue,
            dice: fastrand::Rng::with_seed(seed),
            clients: Vec::new(),
        }
    }

    fn step(&mut self) {
        if self.clients.is_empty() || self.dice.u8(0..3) == 0 {
            let connection = Arc::new(());
            match self.queue.enter(&connection) {
                Entry::Admitted(lease) => self
                    .clients
                    .push((Some(connection), Has::Lease(lease.into_owned()))),
                Entry::Held(ticket) => self.clients.push((Some(connection), Has::Ticket(ticket))),
                Entry::Refused(_) => {}
            }
            return;
        }
        let (connection, has) = self
            .clients
            .swap_remove(self.dice.usize(..self.clients.len()));
        match (connection, has, self.dice.u8(0..4)) {
            // It leaves, or dies under what it has.
            (_, _, 0) => {}
            (_, has, 1) => self.clients.push((None, has)),
            (connection, Has::Ticket(mut ticket), _) => match (&mut ticket).now_or_never() {
                Some(Outcome::Admitted(lease)) => {
                    self.clients.push((connection, Has::Lease(lease)));
                }
                Some(_) => {}
                None => self.clients.push((connection, Has::Ticket(ticket))),
            },
            (_, Has::Lease(lease), 2) => lease.acknowledge(),
            (Some(connection), Has::Lease(lease), _) => {
                let ticket = lease.give_back(&connection);
                self.clients.push((Some(connection), Has::Ticket(ticket)));
            }
            (None, Has::Lease(lease), _) => drop(lease),
        }
    }
}

fn assert_adds_up(status: QueueStatus) {
    let held = status.size as u64;
    assert_eq!(status.entered, held + status.ended(), "{status:?}");
    assert!(status.size <= PLACES, "{status:?}");
}

/// Everyone has gone: as many as ever can be held, and not one more.
fn assert_full_capacity(queue: &HoldQueue<()>) {
    assert_eq!(queue.status().size, 0, "{:?}", queue.status());
    let connections: Vec<_> = (0..PLACES).map(|_| Arc::new(())).collect();
    let tickets: Vec<_> = connections.iter().map(|it| held(queue, it)).collect();
    assert!(matches!(queue.enter(&connections[0]), Entry::Refused(_)));
    drop(tickets);
    assert_adds_up(queue.status());
}

#[tokio::test(start_paused = true)]
async fn q2_q9_q10_no_turmoil_costs_a_place() {
    let config = QueueConfig::default()
        .max_size(PLACES)
        .max_wait(ms(40))
        .release_in_flight(3);
    let (gate, queue) = ws_queue::gate(&config);
    for seed in 0..300 {
        let mut crowd = Crowd::new(&queue, seed);
        for _ in 0..100 {
            crowd.step();
            match crowd.dice.u8(0..20) {
                0 | 1 => gate.open(),
                2 | 3 => gate.close(),
                // Some expire, by the timer or by whoever comes first.
                4 => sleep(ms(crowd.dice.u64(1..50))).await,
                5 => advance(ms(crowd.dice.u64(1..50))).await,
                _ => {}
            }
            assert_adds_up(queue.status());
        }
        gate.close();
        drop(crowd);
        assert_full_capacity(&queue);
    }
    let status = queue.status();
    let ends = [
        status.admitted,
        status.expired,
        status.abandoned,
        status.refused_full,
    ];
    let lively = ends.iter().all(|it| *it > 100);
    assert!(lively, "a dull turmoil shows nothing: {status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q2_q9_q10_no_turmoil_on_many_threads_costs_a_place() {
    // Nobody expires here: how many do would be up to the machine.
    let config = QueueConfig::default().max_size(PLACES).release_in_flight(3);
    let (gate, queue) = ws_queue::gate(&config);
    let runtime = Handle::current();
    for round in 0..20 {
        thread::scope(|scope| {
            let crowds = [0, 1, 2].map(|thread| {
                let (runtime, queue) = (&runtime, &queue);
                scope.spawn(move || {
                    let _runtime = runtime.enter();
                    let mut crowd = Crowd::new(queue, round * 3 + thread);
                    for _ in 0..1_000 {
                        crowd.step();
                    }
                })
            });
            while !crowds.iter().all(ScopedJoinHandle::is_finished) {
                gate.open();
                assert_adds_up(queue.status());
                gate.close();
                assert_adds_up(queue.status());
            }
        });
        gate.close();
        assert_full_capacity(&queue);
    }
    let status = queue.status();
    let lively = status.admitted > 100 && status.abandoned > 100;
    assert!(lively, "a dull turmoil shows nothing: {status:?}");
}
