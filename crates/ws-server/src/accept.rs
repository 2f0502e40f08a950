//! Accepts connections, each served in a task of its own.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::warn;

use crate::listener::Listener;
use crate::shared::Shared;

/// How long to wait after the system could not accept a connection, most likely for want of
/// descriptors: time for some to be closed.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts, on a shared listener until the server is told to stop, and has each connection served.
/// Once the drain is over all of them are dropped, as they are when this is.
pub(crate) async fn accept<L: Listener, F: Future<Output = ()> + Send + 'static>(
    mut listener: L,
    is_shared_listener: bool,
    server: &Shared,
    serve: impl Fn(L::Stream, SocketAddr) -> F,
) -> Infallible {
    let mut connections = JoinSet::new();
    let mut left_to_others = pin!(server.stopped());
    let mut is_accepting = true;
    let mut drained = pin!(server.drain.over());
    let mut is_over = false;
    let mut was_refused = false;
    loop {
        tokio::select! {
            // Nobody may be accepted any more in the moment in which the server is told to stop.
            biased;
            () = &mut left_to_others, if is_shared_listener && is_accepting => {
                is_accepting = false;
            }
            () = &mut drained, if !is_over => {
                is_over = true;
                connections.abort_all();
            }
            Some(_ended) = connections.join_next() => {}
            accepted = listener.accept(), if is_accepting => match accepted {
                Ok((stream, peer)) => {
                    was_refused = false;
                    connections.spawn(serve(stream, peer));
                }
                Err(error) => {
                    if !was_refused {
                        warn!(%error, "cannot accept a connection, trying on");
                    }
                    was_refused = true;
                    sleep(PAUSE).await;
                }
            }
        }
    }
}
