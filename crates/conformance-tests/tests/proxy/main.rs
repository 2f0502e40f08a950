//! X1 to X7: `ws-server` in front of another server, seen from both sides.
//!
//! Sockets are real, and the upstream is made by hand ([`upstream`]) to do what no good server does;
//! the real ones are in [`applications`].

mod answers;
mod applications;
mod carrying;
mod closing;
mod command;
mod holding;
mod reaching;
mod readiness;
mod requests;
mod saying;
mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use conformance_tests::running::{Running, server};
use conformance_tests::servers::Port;
use ws_server::settings::{HandlerKind, Settings};

/// A server in front of whatever listens on `port`.
async fn in_front_of(port: &Port, change: impl FnOnce(&mut Settings)) -> Running<SocketAddr> {
    let mut settings = Settings::default();
    settings.server.handler = HandlerKind::Proxy;
    settings.server.path = "*".to_owned();
    settings.proxy.upstream = format!("ws://{}", port.address());
    change(&mut settings);
    let proxy = settings.proxy.clone();
    let builder = server(|it| *it = settings).proxy(&proxy);
    Running::on_tcp(builder.expect("an address")).await
}

/// With nothing changed.
fn as_it_is(_: &mut Settings) {}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
