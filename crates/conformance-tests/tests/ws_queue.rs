//! Q1 to Q10: the hold queue, through its public interface, in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, advance, sleep_until};
use ws_queue::{Entry, Gate, HoldQueue, Lease, Outcome, QueueConfig, QueueStatus, Refusal, Ticket};

type Client = Arc<usize>;

fn gate(config: &QueueConfig) -> (Gate<usize>, HoldQueue<usize>) {
    ws_queue::gate(config)
}

fn held(queue: &HoldQueue<usize>, client: &Client) -> Ticket<usize> {
    match queue.enter(client) {
        Entry::Held(ticket) => ticket,
        other => panic!("{client} should be held: {other:?}"),
    }
}

fn admitted(queue: &HoldQueue<usize>, client: &Client) -> Lease<usize> {
    match queue.enter(client) {
        Entry::Admitted(lease) => lease,
        other => panic!("{client} should be admitted: {other:?}"),
    }
}

fn refused(queue: &HoldQueue<usize>, client: &Client) -> Refusal {
    match queue.enter(client) {
        Entry::Refused(why) => why,
        other => panic!("{client} should be refused: {other:?}"),
    }
}

/// The end of a wait that must have ended by now.
fn end(ticket: Ticket<usize>) -> Outcome<usize> {
    ticket.now_or_never().expect("the wait has ended")
}

fn lease(ticket: Ticket<usize>) -> Lease<usize> {
    match end(ticket) {
        Outcome::Admitted(lease) => lease,
        other => panic!("should be admitted: {other:?}"),
    }
}

fn clients(count: usize) -> Vec<Client> {
    (0..count).map(Arc::new).collect()
}

fn assert_adds_up(status: QueueStatus) {
    let ends = status.admitted
        + status.expired
        + status.abandoned
        + status.refused_full
        + status.refused_early
        + status.refused_failed
        + status.refused_draining;
    assert_eq!(status.entered, status.size as u64 + ends, "{status:?}");
}

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
            tokio::task::yield_now().await;
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
