//! The primitives that the turnstile and the slots synchronise with.
//!
//! Everything that two threads can race for goes through this file and nothing else does, so that
//! a model checker can stand in for the real primitives (`--cfg ws_queue_loom`) and explore the
//! code that ships. Weak references and timers stay outside: they take no part in the protocol.

#[cfg(not(ws_queue_loom))]
mod primitives {
    pub(crate) use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

    pub(crate) use futures::task::AtomicWaker;
    pub(crate) use parking_lot::Mutex;
}

#[cfg(ws_queue_loom)]
mod primitives {
    pub(crate) use std::sync::atomic::Ordering;
    use std::task::Waker;

    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU64};

    /// loom's mutex, without the poisoning that parking_lot does not have either.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0
                .lock()
                .expect("no thread of a model panics while it holds the lock")
        }
    }

    /// loom's waker, with the signature of the one from `futures`.
    #[derive(Debug)]
    pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            Self(loom::future::AtomicWaker::new())
        }

        pub(crate) fn register(&self, waker: &Waker) {
            self.0.register(waker.clone());
        }

        pub(crate) fn wake(&self) {
            self.0.wake();
        }
    }
}

pub(crate) use primitives::*;
