//! Q1 to Q3: arriving is one step, there is an end to the places, and nobody is kept alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::advance;
use ws_queue::{Entry, Outcome, QueueConfig, Refusal};

use crate::{admitted, assert_adds_up, clients, end, gate, held, lease, refused};

#[tokio::test(start_paused = true)]
async fn q1_a_connection_held_before_the_opening_is_admitted_by_it() {
    let (gate, queue) = gate(&QueueConfig::default());
    let client = Arc::new(1);
    let ticket = held(&queue, &client);
    gate.open();
    lease(ticket).acknowledge();
    assert_eq!(queue.status().admitted, 1);
}

#[tokio::test(start_paused = true)]
async fn q1_a_connection_that_comes_after_the_opening_is_admitted_at_once() {
    let (gate, queue) = gate(&QueueConfig::default());
    gate.open();
    admitted(&queue, &Arc::new(1)).acknowledge();
    assert_eq!(queue.status().admitted, 1);
}

/// The trap: "not ready?" and "queue it" as two steps lose whoever comes between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn q1_no_arrival_is_lost_while_the_gate_opens_and_closes() {
    const ARRIVALS: usize = 20_000;
    let (gate, queue) = gate(&QueueConfig::default().max_size(ARRIVALS));
    let served = Arc::new(AtomicUsize::new(0));
    let arrive = |n: usize| {
        let (queue, served) = (queue.clone(), Arc::clone(&served));
        tokio::spawn(async move {
            let client = Arc::new(n);
            let lease = match queue.enter(&client) {
                Entry::Admitted(lease) => lease,
                Entry::Held(ticket) => match ticket.await {
                    Outcome::Admitted(lease) => lease,
                    other => panic!("{other:?}"),
                },
                Entry::Refused(why) => panic!("{why}"),
            };
            lease.acknowledge();
            served.fetch_add(1, Ordering::Relaxed);
        })
    };
    let mut arrivals = Vec::new();
    for n in 0..ARRIVALS {
        arrivals.push(arrive(n));
        match n % 64 {
            20 => gate.open(),
            50 => gate.close(),
            _ => {}
        }
        if n % 128 == 0 {
            assert_adds_up(queue.status());
            yield_now().await;
        }
    }
    gate.open();
    for arrival in arrivals {
        arrival.await.expect("nobody is refused");
    }
    assert_eq!(served.load(Ordering::Relaxed), ARRIVALS);
    assert_eq!(queue.status().admitted, ARRIVALS as u64);
    assert_eq!(queue.status().size, 0);
}

#[tokio::test(start_paused = true)]
async fn q2_the_newcomer_over_the_limit_is_refused_at_once() {
    let (_gate, queue) = gate(&QueueConfig::default());
    let clients = clients(51);
    let _tickets: Vec<_> = clients[..50]
        .iter()
        .map(|client| held(&queue, client))
        .collect();
    assert_eq!(refused(&queue, &clients[50]), Refusal::Full);
    let status = queue.status();
    assert_eq!(
        (status.size, status.max_size, status.refused_full),
        (50, 50, 1)
    );
}

/// The trap: capacity checked before the dead are swept refuses the living.
#[tokio::test(start_paused = true)]
async fn q2_q3_the_places_of_the_dead_are_reclaimed_before_a_newcomer_is_refused() {
    let (_gate, queue) = gate(&QueueConfig::default().max_size(2));
    let [first, second, third, fourth] = [1, 2, 3, 4].map(Arc::new);
    let _ticket = held(&queue, &first);
    let dying = held(&queue, &second);
    drop(second);
    let _third = held(&queue, &third);
    assert!(matches!(end(dying), Outcome::Abandoned));
    assert_eq!(refused(&queue, &fourth), Refusal::Full);
}

#[tokio::test(start_paused = true)]
async fn q2_an_expired_place_does_not_count_against_a_newcomer() {
    let (_gate, queue) = gate(&QueueConfig::default().max_size(1));
    let [first, second] = [1, 2].map(Arc::new);
    let _expired = held(&queue, &first);
    advance(Duration::from_secs(30)).await;
    let _ticket = held(&queue, &second);
}

#[tokio::test(start_paused = true)]
async fn q3_the_queue_keeps_no_connection_alive() {
    let (_gate, queue) = gate(&QueueConfig::default());
    let client = Arc::new(1);
    let weak = Arc::downgrade(&client);
    let _ticket = held(&queue, &client);
    assert_eq!(Arc::strong_count(&client), 1);
    drop(client);
    assert!(weak.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn q3_dropping_the_ticket_frees_the_place_at_once() {
    let (_gate, queue) = gate(&QueueConfig::default().max_size(1));
    let [first, second] = [1, 2].map(Arc::new);
    drop(held(&queue, &first));
    assert_eq!(queue.status().size, 0);
    let _ticket = held(&queue, &second);
    assert_eq!(queue.status().abandoned, 1);
}

#[tokio::test(start_paused = true)]
async fn q3_a_connection_that_died_under_its_ticket_is_never_admitted() {
    let (gate, queue) = gate(&QueueConfig::default());
    let [dead_before, dies_after] = [1, 2].map(Arc::new);
    let before = held(&queue, &dead_before);
    let after = held(&queue, &dies_after);
    drop(dead_before);
    gate.open();
    drop(dies_after);
    assert!(matches!(end(before), Outcome::Abandoned));
    assert!(
        matches!(end(after), Outcome::Abandoned),
        "it died before it was told"
    );
    let status = queue.status();
    assert_eq!((status.admitted, status.abandoned, status.size), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn q3_the_task_behind_a_queue_ends_with_the_last_who_knows_it() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let (gate, queue) = gate(&QueueConfig::default());
    let ticket = held(&queue, &Arc::new(1));
    yield_now().await;
    drop((gate, queue));
    yield_now().await;
    assert_eq!(tasks(), 1);
    drop(ticket);
    yield_now().await;
    assert_eq!(tasks(), 0);
}
