//! Q1 to Q10: the hold queue, through its public interface, in virtual time.

mod accounts;
mod ending;
mod entering;
mod releasing;

use std::sync::Arc;

use futures::FutureExt;
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

fn admitted<'queue>(queue: &'queue HoldQueue<usize>, client: &Client) -> Lease<'queue, usize> {
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

fn lease(ticket: Ticket<usize>) -> Lease<'static, usize> {
    match end(ticket) {
        Outcome::Admitted(lease) => lease,
        other => panic!("should be admitted: {other:?}"),
    }
}

fn clients(count: usize) -> Vec<Client> {
    (0..count).map(Arc::new).collect()
}

fn assert_adds_up(status: QueueStatus) {
    let held = status.size as u64;
    assert_eq!(status.entered, held + status.ended(), "{status:?}");
}
