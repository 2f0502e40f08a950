//! The work of a handler, whose faults stay with its own connection (S11).

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::handler::BoxError;
use crate::visit::Visit;

pub(super) struct Work {
    /// Taken when it ends.
    handler: Option<BoxFuture<'static, Result<(), BoxError>>>,
}

impl Work {
    pub(super) fn new(handler: BoxFuture<'static, Result<(), BoxError>>) -> Self {
        Self {
            handler: Some(handler),
        }
    }

    /// Lets the handler work. Its end, told once, ends the connection with a code and a reason.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        visit: &Visit,
    ) -> Poll<(CloseCode, &'static str)> {
        let Some(handler) = &mut self.handler else {
            return Poll::Pending;
        };
        let polled = catch_unwind(AssertUnwindSafe(|| handler.poll_unpin(cx)));
        let end = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => (CloseCode::Normal, ""),
            Ok(Poll::Ready(Err(error))) => {
                visit.handler_failed(&error);
                (CloseCode::Error, "handler failed")
            }
            Err(_) => {
                visit.handler_panicked();
                (CloseCode::Error, "handler failed")
            }
        };
        // What is left of it may panic as well while it is dropped.
        let handler = AssertUnwindSafe(self.handler.take());
        let _ = catch_unwind(move || drop(handler));
        Poll::Ready(end)
    }

    /// Lets it work to its end, where that ends nothing any more.
    pub(super) async fn finish(&mut self, visit: &Visit) {
        if self.handler.is_some() {
            poll_fn(|cx| self.poll(cx, visit)).await;
        }
    }
}
