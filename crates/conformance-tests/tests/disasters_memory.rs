//! Knative's, issue 13583: short-lived clients arrive forever while nothing is ready, and memory
//! grows without end. Against it stand Q3 and S7.
//!
//! In a process of its own, since it is the process that is measured: what is resident before and
//! after. The bounds are generous to the allocator, which keeps and splits what it was given, and
//! far below what anything left behind by each client would come to.

use std::fs;
use std::sync::Arc;

use conformance_tests::running::{Running, number};
use ws_queue::{Entry, HoldQueue, QueueConfig};

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        * 1024
}

/// How much more is resident after `clients` came and went than before, for each of them.
async fn growth_for_each(clients: u64, come_and_go: impl AsyncFn(u64)) -> u64 {
    // What is there once for everybody is there after these.
    come_and_go(clients / 10).await;
    let before = resident();
    come_and_go(clients).await;
    resident().saturating_sub(before) / clients
}

fn comes_and_goes(queue: &HoldQueue<[u8; 100]>, dies_first: bool) {
    let connection = Arc::new([0; 100]);
    let Entry::Held(ticket) = queue.enter(&connection) else {
        panic!("the gate is closed and there is room")
    };
    if dies_first {
        drop(connection);
    }
    drop(ticket);
}

#[tokio::test(start_paused = true)]
async fn q3_s7_short_lived_clients_at_a_closed_gate_leave_nothing_behind() {
    at_the_queue().await;
    at_the_server().await;
}

async fn at_the_queue() {
    let (gate, queue) = ws_queue::gate(&QueueConfig::default());
    let stays = Arc::new([0; 100]);
    let Entry::Held(staying) = queue.enter(&stays) else {
        panic!("the gate is closed")
    };
    let growth = growth_for_each(1_000_000, async |arrivals| {
        for number in 0..arrivals {
            comes_and_goes(&queue, number % 2 == 0);
        }
    });
    let growth = growth.await;
    assert!(growth < 4, "{growth} bytes for each; a place is some 200");
    assert_eq!((gate.status().size, Arc::strong_count(&stays)), (1, 1));
    drop(staying);
    let status = gate.status();
    let ends = (status.size, status.entered);
    assert_eq!(ends, (0, status.abandoned), "{status:?}");
}

async fn at_the_server() {
    const AT_ONCE: u64 = 50;
    let (server, _hand) = Running::early(|_| {});
    let growth = growth_for_each(20_000, async |clients| {
        for _ in 0..clients / AT_ONCE {
            let mut held = Vec::new();
            for _ in 0..AT_ONCE {
                held.push(server.dial().await);
            }
            server.holds(AT_ONCE).await;
            drop(held);
            server.holds(0).await;
        }
    });
    let growth = growth.await;
    assert!(
        growth < 32,
        "{growth} bytes for each; one that is held is some 6,000"
    );
    let status = server.status().await;
    let left = ["/queue/size", "/connections/live"].map(|it| number(&status, it));
    assert_eq!(left, [0, 0], "{status:#}");
}
