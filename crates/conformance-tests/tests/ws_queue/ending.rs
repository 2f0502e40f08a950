//! Q4 and Q6: how a wait ends, and when.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, advance, sleep_until};
use ws_queue::{Outcome, QueueConfig, Refusal};

use crate::{assert_adds_up, clients, end, gate, held, lease, refused};

#[tokio::test(start_paused = true)]
async fn q4_each_held_connection_ends_in_exactly_one_way() {
    let config = QueueConfig::default()
        .max_wait(Duration::from_secs(1))
        .release_in_flight(1);
    let (gate, queue) = gate(&config);
    let [expires, dies, serves, waits] = [1, 2, 3, 4].map(Arc::new);
    let expired = held(&queue, &expires);
    advance(Duration::from_millis(500)).await;
    let abandoned = held(&queue, &dies);
    let served = held(&queue, &serves);
    let refused = held(&queue, &waits);
    drop(dies);
    assert!(matches!(expired.await, Outcome::Expired));
    gate.open();
    let lease = lease(served);
    gate.fail();
    lease.acknowledge();
    assert!(matches!(abandoned.await, Outcome::Abandoned));
    assert!(matches!(end(refused), Outcome::Refused(Refusal::Failed)));
    let status = queue.status();
    assert_eq!(
        (
            status.admitted,
            status.expired,
            status.abandoned,
            status.refused_failed,
            status.size
        ),
        (1, 1, 1, 1, 0)
    );
    assert_adds_up(status);
}

/// The trap: after a failed startup the held were left to time out.
#[tokio::test(start_paused = true)]
async fn q4_everyone_held_is_told_of_a_failure_at_once() {
    let (gate, queue) = gate(&QueueConfig::default());
    let clients = clients(10);
    let tickets: Vec<_> = clients.iter().map(|client| held(&queue, client)).collect();
    gate.fail();
    for ticket in tickets {
        assert!(matches!(end(ticket), Outcome::Refused(Refusal::Failed)));
    }
    assert_eq!(refused(&queue, &clients[0]), Refusal::Failed);
}

#[tokio::test(start_paused = true)]
async fn q4_a_gate_that_is_lost_fails_closed() {
    let (gate, queue) = gate(&QueueConfig::default());
    let client = Arc::new(1);
    let ticket = held(&queue, &client);
    drop(gate);
    assert!(matches!(end(ticket), Outcome::Refused(Refusal::Failed)));
    assert_eq!(refused(&queue, &client), Refusal::Failed);
}

#[tokio::test(start_paused = true)]
async fn q4_death_under_a_living_ticket_is_told_within_one_interval() {
    let (_gate, queue) = gate(&QueueConfig::default());
    let client = Arc::new(1);
    let ticket = held(&queue, &client);
    drop(client);
    let t0 = Instant::now();
    assert!(matches!(ticket.await, Outcome::Abandoned));
    assert!(
        t0.elapsed() <= Duration::from_millis(100),
        "{:?}",
        t0.elapsed()
    );
}

/// The trap: expired entries were removed only when the next client came.
#[tokio::test(start_paused = true)]
async fn q6_a_place_ends_at_its_limit_when_nothing_else_happens() {
    let (_gate, queue) = gate(&QueueConfig::default());
    let client = Arc::new(1);
    let t0 = Instant::now();
    let ticket = held(&queue, &client);
    // Nobody polls the ticket; the place ends all the same.
    sleep_until(t0 + Duration::from_millis(29_999)).await;
    assert_eq!(queue.status().size, 1);
    sleep_until(t0 + Duration::from_millis(30_100)).await;
    let status = queue.status();
    assert_eq!((status.size, status.expired), (0, 1));
    assert!(matches!(end(ticket), Outcome::Expired));
}

#[tokio::test(start_paused = true)]
async fn q6_each_place_has_a_limit_of_its_own() {
    let (_gate, queue) = gate(&QueueConfig::default().max_wait(Duration::from_secs(2)));
    let [first, second] = [1, 2].map(Arc::new);
    let t0 = Instant::now();
    let one = held(&queue, &first);
    advance(Duration::from_secs(1)).await;
    let two = held(&queue, &second);
    assert!(matches!(one.await, Outcome::Expired));
    assert_eq!(t0.elapsed(), Duration::from_secs(2));
    assert!(matches!(two.await, Outcome::Expired));
    assert_eq!(t0.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn q4_everyone_held_is_told_of_a_drain_at_once() {
    let (gate, queue) = gate(&QueueConfig::default());
    let clients = clients(10);
    let tickets: Vec<_> = clients.iter().map(|client| held(&queue, client)).collect();
    gate.drain();
    for ticket in tickets {
        assert!(matches!(end(ticket), Outcome::Refused(Refusal::Draining)));
    }
    assert_eq!(refused(&queue, &clients[0]), Refusal::Draining);
}
