//! Q9 and Q10: what is counted, and what an admission is until it is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, advance};
use ws_queue::{Outcome, QueueConfig, QueueStatus, Refusal};

use crate::{admitted, assert_adds_up, clients, end, gate, held, lease, refused};

#[tokio::test(start_paused = true)]
async fn q9_q3_those_who_wait_are_told_in_order_and_kept_alive_by_nobody() {
    let (_gate, queue) = gate(&QueueConfig::default());
    let [first, second] = [1, 2].map(Arc::new);
    let tickets = [held(&queue, &first), held(&queue, &second)];
    advance(Duration::from_millis(700)).await;
    drop(second);
    let told = queue.held(50).into_iter().map(|it| {
        let connection = it.connection.upgrade().map(|it| *it);
        (it.position, it.waited.as_millis(), connection)
    });
    let positions = tickets.each_ref().map(ws_queue::Ticket::position);
    assert_eq!(
        told.collect::<Vec<_>>(),
        [(positions[0], 700, Some(1)), (positions[1], 700, None)]
    );
    assert_eq!(queue.held(1).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn q9_every_end_is_counted_on_its_own_and_they_add_up() {
    let config = QueueConfig::default().max_size(2).refuse_at_first(true);
    let (gate, queue) = gate(&config);
    let [early, first, second, third, late] = [1, 2, 3, 4, 5].map(Arc::new);
    assert_eq!(refused(&queue, &early), Refusal::Early);
    gate.hold();
    let ticket = held(&queue, &first);
    drop(held(&queue, &second));
    advance(Duration::from_millis(1400)).await;
    let second_ticket = held(&queue, &second);
    assert_eq!(refused(&queue, &third), Refusal::Full);
    let status = queue.status();
    assert_eq!(status.oldest_age, Duration::from_millis(1400));
    assert!(!status.open);
    assert_adds_up(status);
    gate.open();
    assert!(queue.status().open);
    let open_lease = admitted(&queue, &third);
    assert_eq!(queue.status().admitted, 0, "not acknowledged yet");
    open_lease.acknowledge();
    lease(ticket).acknowledge();
    drop(lease(second_ticket));
    gate.drain();
    assert_eq!(refused(&queue, &late), Refusal::Draining);
    let status = queue.status();
    assert_eq!(
        QueueStatus {
            open: false,
            size: 0,
            max_size: 2,
            oldest_age: Duration::ZERO,
            entered: 7,
            admitted: 2,
            expired: 0,
            abandoned: 2,
            refused_full: 1,
            refused_early: 1,
            refused_failed: 0,
            refused_draining: 1,
        },
        status
    );
}

#[tokio::test(start_paused = true)]
async fn q9_the_status_serializes_as_documented() {
    let (_gate, queue) = gate(&QueueConfig::default());
    let client = Arc::new(1);
    let _ticket = held(&queue, &client);
    drop(held(&queue, &client));
    advance(Duration::from_micros(1_400_600)).await;
    let expected = json!({
        "open": false,
        "size": 1,
        "max_size": 50,
        // Whole milliseconds.
        "oldest_age_seconds": 1.401,
        "entered": 2,
        "admitted": 0,
        "expired": 0,
        "abandoned": 1,
        "refused_full": 0,
        "refused_early": 0,
        "refused_failed": 0,
        "refused_draining": 0,
    });
    assert_eq!(serde_json::to_value(queue.status()).unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn q10_an_admission_counts_once_it_is_acknowledged() {
    let (gate, queue) = gate(&QueueConfig::default());
    let client = Arc::new(1);
    let ticket = held(&queue, &client);
    gate.open();
    let lease = lease(ticket);
    assert_eq!((queue.status().size, queue.status().admitted), (1, 0));
    lease.acknowledge();
    assert_eq!((queue.status().size, queue.status().admitted), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn q10_a_lease_has_the_position_of_its_ticket() {
    let (gate, queue) = gate(&QueueConfig::default());
    let clients = clients(5);
    let tickets: Vec<_> = clients.iter().map(|client| held(&queue, client)).collect();
    gate.open();
    for ticket in tickets {
        let position = ticket.position();
        assert_eq!(lease(ticket).position(), position);
    }
    let [passes, passes_later] = [1, 2].map(Arc::new);
    let [first, second] = [&passes, &passes_later].map(|it| admitted(&queue, it).position());
    assert!(first < second);
}

#[tokio::test(start_paused = true)]
async fn q10_a_lease_that_no_longer_borrows_is_the_same_lease() {
    let (gate, queue) = gate(&QueueConfig::default());
    gate.open();
    let client = Arc::new(1);
    let position = admitted(&queue, &client).position();
    let [served, gone] = [(); 2].map(|()| admitted(&queue, &client).into_owned());
    drop(queue);
    assert_eq!(
        [served.position(), gone.position()],
        [position + 1, position + 2]
    );
    assert_eq!(gate.status().entered, 1, "both are still out");
    served.acknowledge();
    drop(gone);
    let status = gate.status();
    assert_eq!((status.admitted, status.abandoned), (1, 2));
    assert_adds_up(status);
}

#[tokio::test(start_paused = true)]
async fn q10_given_back_it_keeps_its_position_and_its_limit() {
    let (gate, queue) = gate(&QueueConfig::default().release_in_flight(1));
    let [first, second] = [1, 2].map(Arc::new);
    let t0 = Instant::now();
    let one = held(&queue, &first);
    let two = held(&queue, &second);
    gate.open();
    let first_lease = lease(one);
    gate.close();
    advance(Duration::from_secs(10)).await;
    let one = first_lease.give_back(&first);
    assert!(one.position() < two.position());
    gate.open();
    let first_lease = lease(one);
    gate.close();
    let one = first_lease.give_back(&first);
    assert!(matches!(one.await, Outcome::Expired));
    assert_eq!(t0.elapsed(), Duration::from_secs(30));
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn q9_whoever_leaves_behind_the_open_gate_is_counted_too() {
    let (gate, queue) = gate(&QueueConfig::default());
    gate.open();
    for client in clients(3) {
        drop(admitted(&queue, &client));
    }
    let status = queue.status();
    assert_eq!((status.entered, status.abandoned), (3, 3));
    assert_eq!(gate.status(), status);
}

#[tokio::test(start_paused = true)]
async fn q10_one_that_was_held_stays_ahead_of_one_that_passed_the_open_gate_later() {
    let (gate, queue) = gate(&QueueConfig::default());
    let clients = clients(4);
    let tickets: Vec<_> = clients[..3].iter().map(|it| held(&queue, it)).collect();
    gate.open();
    let mut leases: Vec<_> = tickets.into_iter().map(lease).collect();
    leases.push(admitted(&queue, &clients[3]));
    gate.close();
    let back = leases.into_iter().zip(&clients).rev();
    let mut back: Vec<_> = back.map(|(lease, it)| lease.give_back(it)).collect();
    back.reverse();
    assert!(back.is_sorted_by(|before, after| before.position() < after.position()));
    gate.open();
    for ticket in back {
        lease(ticket).acknowledge();
    }
}

#[tokio::test(start_paused = true)]
async fn q10_one_that_passed_the_open_gate_has_a_position_to_go_back_to() {
    let (gate, queue) = gate(&QueueConfig::default().release_per_second(1));
    let [passed, came_later] = [1, 2].map(Arc::new);
    gate.open();
    let passed_lease = admitted(&queue, &passed);
    gate.close();
    let late = held(&queue, &came_later);
    let back = passed_lease.give_back(&passed);
    assert!(back.position() < late.position());
    gate.open();
    lease(back).acknowledge();
    let Outcome::Admitted(later) = late.await else {
        panic!("not admitted")
    };
    later.acknowledge();
    assert_eq!(queue.status().admitted, 2);
}

#[test]
fn q9_a_refusal_says_why_in_one_word() {
    let all = [
        Refusal::Full,
        Refusal::Early,
        Refusal::Failed,
        Refusal::Draining,
    ];
    let words = ["full", "early", "failed", "draining"];
    assert_eq!(all.map(|why| why.to_string()), words);
    assert_eq!(all.map(Refusal::as_str), words);
}

#[tokio::test(start_paused = true)]
async fn q2_q10_given_back_from_the_open_gate_it_is_refused_where_no_place_is_free() {
    let (gate, queue) = gate(&QueueConfig::default().max_size(1));
    let [passed, came_later] = [1, 2].map(Arc::new);
    gate.open();
    let passed_lease = admitted(&queue, &passed);
    gate.close();
    let _late = held(&queue, &came_later);
    let back = passed_lease.give_back(&passed);
    assert!(matches!(end(back), Outcome::Refused(Refusal::Full)));
    assert_eq!(queue.status().refused_full, 1);
}
