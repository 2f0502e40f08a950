//! The operators' pages: the page, its events, the port of their own, and the page in a browser.

mod admin;
mod browser;
mod events;
mod losing;
mod page;

use std::time::Duration;

use tokio::time::Instant;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// When something happens, counted from now.
async fn when(what: impl Future) -> Duration {
    let begun = Instant::now();
    what.await;
    begun.elapsed()
}
