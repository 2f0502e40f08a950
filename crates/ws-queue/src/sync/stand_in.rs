//! What stands in for the primitives in a model: loom's or shuttle's own, and out of those what
//! they do not have.
//!
//! [`Weak`] is std's and stays outside: no model checker has one. What matters of it, whether the
//! connection was alive when it was looked at, is made visible to loom by [`is_alive`] and [`die`].

use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

#[cfg(loom_models)]
use loom::sync as checked;
#[cfg(shuttle_models)]
use shuttle::sync as checked;

pub(crate) use self::checked::atomic::{AtomicU8, AtomicU64};

/// The checker's mutex, without the poisoning that parking_lot does not have either.
#[derive(Debug)]
pub(crate) struct Mutex<T>(checked::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(checked::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> checked::MutexGuard<'_, T> {
        self.0
            .lock()
            .expect("no thread of a model panics while it holds the lock")
    }
}

/// As the one from `futures`: who registers before a wake is woken by it, and who registers after
/// it sees all that happened before it. (loom's own has the second task wait in a spin.)
#[derive(Debug)]
pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

impl AtomicWaker {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn register(&self, waker: &Waker) {
        let old = self.0.lock().replace(waker.clone());
        drop(old);
    }

    pub(crate) fn wake(&self) {
        let waker = self.0.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// As tokio's, for the one task that waits: told while nobody waits, it keeps it for the next.
#[derive(Debug)]
pub(crate) struct Notify(Mutex<(bool, Option<Waker>)>);

impl Notify {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((false, None)))
    }

    pub(crate) fn notify_one(&self) {
        let waker = {
            let (told, waker) = &mut *self.0.lock();
            *told = true;
            waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) async fn notified(&self) {
        poll_fn(|cx| {
            let (told, waker) = &mut *self.0.lock();
            if mem::take(told) {
                return Poll::Ready(());
            }
            *waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[cfg(loom_models)]
loom::lazy_static! {
    /// What looks at lives and deaths meet at, since they do not meet in what loom can see of
    /// them: loom then tries both orders of any two.
    static ref MEETING: AtomicU64 = AtomicU64::new(0);
}

pub(crate) fn is_alive<C>(connection: &Weak<C>) -> bool {
    meet();
    connection.strong_count() > 0
}

/// The end of a connection in a model.
#[cfg_attr(not(test), expect(dead_code, reason = "models are tests"))]
pub(crate) fn die<C>(connection: Arc<C>) {
    meet();
    drop(connection);
}

/// No other thread runs between this and what follows it, up to the next primitive.
fn meet() {
    #[cfg(loom_models)]
    MEETING.fetch_add(1, super::Ordering::Relaxed);
}
