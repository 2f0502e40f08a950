//! The one timer of a session, set to whatever comes first.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// Far enough never to be reached: what it is set to where nothing is waited for.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// It wakes the task of the session once its time has come.
    is_awaited: bool,
}

impl Alarm {
    pub(super) fn new(due: Option<Instant>) -> Self {
        Self {
            sleep: Box::pin(sleep_until(or_never(due))),
            is_awaited: false,
        }
    }

    pub(super) fn set(&mut self, due: Option<Instant>) {
        self.sleep.as_mut().reset(or_never(due));
        self.is_awaited = false;
    }

    /// Resolves when its time has come; it is to be set again then. Always polled by the same task.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_awaited && !self.sleep.is_elapsed() {
            // To ask costs a fraction of polling it, which would have it wake the same task.
            return Poll::Pending;
        }
        self.is_awaited = true;
        // However much the handler has done in this turn: a timer that was not polled wakes nobody.
        unconstrained(self.sleep.as_mut()).poll_unpin(cx)
    }
}

fn or_never(due: Option<Instant>) -> Instant {
    due.unwrap_or_else(|| Instant::now() + NEVER)
}
