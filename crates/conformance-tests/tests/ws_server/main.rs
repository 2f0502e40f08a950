//! S1 to S12: what the library `ws-server` promises, seen by its clients.
//!
//! In memory and in virtual time wherever time matters, through real sockets wherever the network
//! does.

mod closing;
mod crowds;
mod draining;
mod failing;
mod handlers;
mod handshake;
mod history;
mod holding;
mod keeping_alive;
mod leaving;
mod limits;
mod metrics;
mod moved;
mod opening;
mod pages;
mod readiness;
mod refusing;
mod reloading;
mod slow_readers;
mod stopping;
mod watching;

use std::time::Duration;

use conformance_tests::running::{Running, server};
use conformance_tests::startup::by_hand;
use tokio::time::{Instant, timeout};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What takes this long on a real network never happens: the test fails rather than hangs.
async fn happens<T>(what: impl Future<Output = T>) -> T {
    timeout(secs(60), what).await.expect("it happens")
}

/// When something happens, counted from now.
async fn when(what: impl Future) -> Duration {
    let begun = Instant::now();
    what.await;
    begun.elapsed()
}
