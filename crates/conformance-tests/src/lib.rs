//! What the conformance tests and the benchmarks share.

use std::time::Duration;

pub mod binary;
pub mod browser;
pub mod client;
pub mod clients;
pub mod examples;
pub mod figures;
pub mod log;
pub mod network;
pub mod running;
pub mod servers;
pub mod simulation;
pub mod situations;
pub mod startup;
pub mod wire;

/// How long anything may take that happens at all, on a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits for something, so that a test whose event never comes fails instead of hanging.
///
/// # Panics
///
/// It does not happen within 60 s; the panic says that `what` did not.
pub async fn happens<T>(what: &str, event: impl Future<Output = T>) -> T {
    let in_time = tokio::time::timeout(LIMIT, event).await;
    in_time.unwrap_or_else(|_| panic!("it never happens: {what}"))
}

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
