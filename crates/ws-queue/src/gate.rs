//! The half of a gate that opens and closes it.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};

#[cfg(doc)]
use crate::QueueConfig;
use crate::clock::now;
use crate::{HoldQueue, QueueStatus, Refusal};

/// Opens and closes the way for everyone who arrives at the [`HoldQueue`].
///
/// There is one for each queue, and it fails closed: when it is dropped, nobody is left who could
/// open the gate, so everyone held is refused at once as [`Refusal::Failed`], and so is everyone
/// who comes later.
pub struct Gate<C> {
    queue: HoldQueue<C>,
}

impl<C> Gate<C> {
    pub(crate) fn new(queue: HoldQueue<C>) -> Self {
        Self { queue }
    }

    /// Admits everyone who is held, in order of arrival, then lets newcomers pass.
    ///
    /// Where a release is paced, it goes on in the background, and newcomers queue behind it.
    /// Without effect after [`fail`](Self::fail) and [`drain`](Self::drain).
    pub fn open(&self) {
        self.queue.shared.turnstile.open(now());
    }

    /// Holds everyone who comes from now on, and those whom a paced release has not admitted yet.
    pub fn close(&self) {
        self.queue.shared.turnstile.close(now());
    }

    /// Releases at another pace from now on: at most `per_second` a second, evenly spaced, and at
    /// most `in_flight` admitted and not yet acknowledged; 0 for either is no limit, as in
    /// [`QueueConfig::release_per_second`] and [`QueueConfig::release_in_flight`], which it replaces.
    ///
    /// In the middle of a release, too: the next admission is due so long after the last one as the
    /// new pace says, or at once. What has been admitted stays so; over a lower `in_flight` nobody is
    /// admitted until enough have been acknowledged.
    pub fn set_release(&self, per_second: u32, in_flight: usize) {
        self.queue.shared.turnstile.set_release(
            now(),
            NonZeroU32::new(per_second),
            NonZeroUsize::new(in_flight),
        );
    }

    /// Resolves when the gate was closed by somebody who found that what lies behind it has gone
    /// away ([`HoldQueue::report_gone`]). To be awaited while the gate is open.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a report that nobody waits for is kept.
    pub async fn reported_gone(&self) {
        self.queue.shared.gone.notified().await;
    }

    /// Begins to hold, where the queue
    /// [refused at first](crate::QueueConfig::refuse_at_first).
    pub fn hold(&self) {
        self.queue.shared.turnstile.hold(now());
    }

    /// Refuses everyone, now and later: the gate will never open.
    pub fn fail(&self) {
        self.queue.shared.turnstile.end(now(), Refusal::Failed);
    }

    /// Refuses everyone, now and later: the process is ending.
    pub fn drain(&self) {
        self.queue.shared.turnstile.end(now(), Refusal::Draining);
    }

    /// What is held now, and what became of everyone so far.
    #[must_use]
    pub fn status(&self) -> QueueStatus {
        self.queue.status()
    }
}

impl<C> Drop for Gate<C> {
    fn drop(&mut self) {
        self.fail();
    }
}

impl<C> fmt::Debug for Gate<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("status", &self.status())
            .finish()
    }
}
