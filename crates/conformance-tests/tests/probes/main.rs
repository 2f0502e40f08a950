//! Probes: what each kind takes for ready, and what it says otherwise (G8).

mod command;
mod notify;
mod services;
mod web;

use std::time::Duration;

use conformance_tests::servers::PASSWORD;
use ws_server::probe::Probe;

fn probe(address: &str) -> Probe {
    address.parse().expect(address)
}

async fn is_ready(address: &str) {
    probe(address).check().await.expect("ready");
}

async fn is_not_ready(address: &str, why: &str) {
    let seen = seen(&probe(address)).await;
    assert!(seen.contains(why), "{address}: {seen}");
}

/// Looks, sees something other than a ready service, and returns what.
async fn seen(probe: &Probe) -> String {
    let error = probe.check().await.expect_err("not ready").to_string();
    assert!(!error.contains(PASSWORD), "{error}");
    let seen = error
        .strip_prefix(&format!("{probe}: "))
        .expect("the address comes first");
    seen.to_owned()
}

/// What takes this long never happens: the test fails rather than hangs.
async fn happens<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what)
        .await
        .expect("it happens")
}
