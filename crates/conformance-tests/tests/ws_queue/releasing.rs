//! Q5, Q7 and Q8: in order, at any size, and any number of times.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, advance, sleep_until};
use ws_queue::{Outcome, QueueConfig, Refusal, Ticket};

use crate::{admitted, assert_adds_up, clients, end, gate, held, lease, refused};

#[tokio::test(start_paused = true)]
async fn q5_the_held_are_admitted_in_order_of_arrival() {
    let (gate, queue) = gate(&QueueConfig::default().release_per_second(10));
    let clients = clients(20);
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let waits: Vec<_> = clients
        .iter()
        .map(|client| {
            let (ticket, order, number) = (held(&queue, client), Arc::clone(&order), **client);
            tokio::spawn(async move {
                let Outcome::Admitted(lease) = ticket.await else {
                    panic!("not admitted")
                };
                order.lock().push(number);
                lease.acknowledge();
            })
        })
        .collect();
    gate.open();
    for wait in waits {
        wait.await.expect("admitted");
    }
    assert_eq!(*order.lock(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn q5_no_newcomer_overtakes_the_held_while_a_release_is_under_way() {
    let (gate, queue) = gate(&QueueConfig::default().release_per_second(1));
    let [first, second, newcomer] = [1, 2, 3].map(Arc::new);
    let t0 = Instant::now();
    let tickets = [held(&queue, &first), held(&queue, &second)];
    gate.open();
    let late = held(&queue, &newcomer);
    let admitted_at = |ticket: Ticket<usize>| async move {
        let Outcome::Admitted(lease) = ticket.await else {
            panic!("not admitted")
        };
        lease.acknowledge();
        t0.elapsed().as_secs()
    };
    let [one, two] = tickets.map(admitted_at);
    assert_eq!(tokio::join!(one, two, admitted_at(late)), (0, 1, 2));
    admitted(&queue, &newcomer).acknowledge();
}

/// The timer may have been set to something later when the release begins.
#[tokio::test(start_paused = true)]
async fn q5_a_release_is_evenly_spaced_from_its_beginning() {
    let (gate, queue) = gate(&QueueConfig::default().release_per_second(50));
    let clients = clients(4);
    let tickets: Vec<_> = clients.iter().map(|client| held(&queue, client)).collect();
    sleep_until(Instant::now() + Duration::from_millis(10)).await;
    let t0 = Instant::now();
    gate.open();
    for (ticket, number) in tickets.into_iter().zip(0..) {
        let Outcome::Admitted(lease) = ticket.await else {
            panic!("not admitted")
        };
        lease.acknowledge();
        assert_eq!(t0.elapsed(), Duration::from_millis(20) * number);
    }
}

#[tokio::test(start_paused = true)]
async fn q5_at_most_so_many_are_in_flight() {
    let (gate, queue) = gate(&QueueConfig::default().release_in_flight(2));
    let clients = clients(3);
    let mut tickets: Vec<_> = clients.iter().map(|client| held(&queue, client)).collect();
    gate.open();
    let mut third = tickets.pop().expect("three");
    let second = lease(tickets.pop().expect("two"));
    let _first = lease(tickets.pop().expect("one"));
    assert!((&mut third).now_or_never().is_none(), "two are in flight");
    second.acknowledge();
    lease(third).acknowledge();
}

#[tokio::test(start_paused = true)]
async fn q5_another_pace_holds_in_the_middle_of_a_release() {
    let (gate, queue) = gate(&QueueConfig::default().release_per_second(1));
    let clients = clients(20);
    let t0 = Instant::now();
    let tickets: Vec<_> = clients.iter().map(|client| held(&queue, client)).collect();
    let admitted = tickets.into_iter().map(|ticket| async move {
        let Outcome::Admitted(lease) = ticket.await else {
            panic!("not admitted")
        };
        lease.acknowledge();
        t0.elapsed().as_millis()
    });
    let admitted: Vec<_> = admitted.map(tokio::spawn).collect();
    gate.open();
    sleep_until(t0 + Duration::from_millis(1500)).await;
    // The next one would be due in half a second; at ten a second it is overdue.
    gate.set_release(10, 0);
    sleep_until(t0 + Duration::from_millis(1950)).await;
    gate.set_release(0, 0);
    let mut at = Vec::new();
    for admitted in admitted {
        at.push(admitted.await.expect("admitted"));
    }
    assert_eq!(at[..7], [0, 1000, 1500, 1600, 1700, 1800, 1900]);
    assert!(at[7..].iter().all(|&at| at == 1950), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn q5_fewer_in_flight_hold_the_next_until_enough_are_acknowledged() {
    let (gate, queue) = gate(&QueueConfig::default().release_in_flight(3));
    let clients = clients(5);
    let tickets: Vec<_> = clients.iter().map(|client| held(&queue, client)).collect();
    let tickets = <[Ticket<usize>; 5]>::try_from(tickets).expect("five");
    gate.open();
    let [first, second, third, mut fourth, mut fifth] = tickets;
    let [first, second, third] = [first, second, third].map(lease);
    gate.set_release(0, 2);
    first.acknowledge();
    assert!((&mut fourth).now_or_never().is_none(), "two are in flight");
    second.acknowledge();
    let fourth = lease(fourth);
    assert!((&mut fifth).now_or_never().is_none(), "two are in flight");
    gate.set_release(0, 3);
    lease(fifth).acknowledge();
    fourth.acknowledge();
    third.acknowledge();
}

/// Cost is measured by the benchmarks; here only that the size changes nothing in what happens.
#[tokio::test(start_paused = true)]
async fn q7_a_hundred_thousand_places_are_entered_left_and_expired() {
    const PLACES: usize = 100_000;
    let (gate, queue) = gate(&QueueConfig::default().max_size(PLACES));
    let clients = clients(PLACES);
    let mut tickets: Vec<_> = clients.iter().map(|client| held(&queue, client)).collect();
    tickets.truncate(PLACES / 2);
    assert_eq!(queue.status().size, PLACES / 2);
    advance(Duration::from_secs(31)).await;
    assert!(
        tickets
            .into_iter()
            .all(|ticket| matches!(end(ticket), Outcome::Expired))
    );
    gate.open();
    admitted(&queue, &clients[0]).acknowledge();
    assert_adds_up(queue.status());
}

#[tokio::test(start_paused = true)]
async fn q8_a_gate_that_closes_again_holds_and_releases_as_before() {
    let (gate, queue) = gate(&QueueConfig::default().max_size(1));
    for turn in 1..=100 {
        let [first, second] = [1, 2].map(Arc::new);
        let ticket = held(&queue, &first);
        assert_eq!(refused(&queue, &second), Refusal::Full);
        gate.open();
        lease(ticket).acknowledge();
        admitted(&queue, &second).acknowledge();
        gate.close();
        let status = queue.status();
        assert_eq!((status.admitted, status.refused_full), (2 * turn, turn));
        assert_adds_up(status);
    }
}

#[tokio::test(start_paused = true)]
async fn q8_whoever_finds_that_all_is_gone_closes_the_gate_and_its_owner_is_told() {
    let (gate, queue) = gate(&QueueConfig::default());
    let client = Arc::new(1);
    gate.open();
    let found_nothing = admitted(&queue, &client);
    assert!(gate.reported_gone().now_or_never().is_none());
    queue.report_gone();
    // Told although nobody was waiting for it then; and once.
    assert!(gate.reported_gone().now_or_never().is_some());
    assert!(gate.reported_gone().now_or_never().is_none());
    assert!(!gate.status().open);
    let ticket = found_nothing.give_back(&client);
    // It is closed already: there is nothing to tell.
    queue.report_gone();
    assert!(gate.reported_gone().now_or_never().is_none());
    gate.open();
    lease(ticket).acknowledge();
}
