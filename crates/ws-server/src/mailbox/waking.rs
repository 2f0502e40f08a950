//! Who sleeps, and who is woken.

use std::task::{Context, Waker};

/// Whoever waits for a change, if it does.
#[derive(Default)]
pub(super) struct Sleeper {
    /// Kept while it is awake, since it is usually the same the next time.
    waker: Option<Waker>,
    sleeps: bool,
}

impl Sleeper {
    pub(super) fn sleep(&mut self, cx: &Context<'_>) {
        self.sleeps = true;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// The waker, where it sleeps: it does so no more.
    pub(super) fn awake(&mut self) -> Option<Waker> {
        std::mem::take(&mut self.sleeps)
            .then(|| self.waker.clone())
            .flatten()
    }

    /// It is at work, and need not be woken.
    pub(super) fn rise(&mut self) {
        self.sleeps = false;
    }

    /// Whether it sleeps as the task that is running right now.
    pub(super) fn is(&self, cx: &Context<'_>) -> bool {
        let waker = self.waker.as_ref();
        waker.is_some_and(|waker| waker.will_wake(cx.waker()))
    }
}

/// Whom a change gives something to do: woken once the lock is released, since whoever wakes up may
/// want to take it at once.
#[derive(Default)]
pub(super) struct Woken {
    pub(super) receiver: Option<Waker>,
    pub(super) session: Option<Waker>,
    pub(super) senders: Vec<Waker>,
}

impl Woken {
    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_none() && self.session.is_none() && self.senders.is_empty()
    }

    pub(super) fn wake(self) {
        let both = self.receiver.into_iter().chain(self.session);
        both.chain(self.senders).for_each(Waker::wake);
    }
}
