//! The orderly end, as the live connections see it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What a live connection is told when the server stops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// The code to close with.
    pub(crate) code: CloseCode,
    /// Until when the handler may go on working on what had been accepted.
    pub(crate) handler_until: Instant,
}

/// Tells every live connection to stop, once.
#[derive(Default)]
pub(crate) struct Drain {
    begun: CancellationToken,
    stop: Arc<OnceLock<Stop>>,
}

impl Drain {
    pub(crate) fn begin(&self, stop: Stop) {
        // Only the first call decides; a second has nothing to add.
        let _ = self.stop.set(stop);
        self.begun.cancel();
    }

    pub(crate) fn watch(&self) -> Stopping {
        Stopping {
            begun: Box::pin(self.begun.clone().cancelled_owned()),
            stop: Arc::clone(&self.stop),
        }
    }
}

/// One connection's view of the drain.
pub(crate) struct Stopping {
    begun: Pin<Box<WaitForCancellationFutureOwned>>,
    stop: Arc<OnceLock<Stop>>,
}

impl Stopping {
    /// Resolves when the connection has to stop; not to be polled again after that.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        ready!(self.begun.as_mut().poll(cx));
        let stop = self.stop.get().expect("set before the token is cancelled");
        Poll::Ready(*stop)
    }
}
