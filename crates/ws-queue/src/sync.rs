//! The primitives that this crate synchronises with.
//!
//! Everything that two threads can race for goes through this file and nothing else does, so that
//! a model checker can stand in for the real primitives (`--cfg loom_models`, `--cfg
//! shuttle_models`) and explore the code that ships.

#[cfg(any(loom_models, shuttle_models))]
mod stand_in;

#[cfg(not(any(loom_models, shuttle_models)))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicU8, AtomicU64};

    pub(crate) use futures::task::AtomicWaker;
    pub(crate) use parking_lot::Mutex;
    pub(crate) use tokio::sync::Notify;

    /// Whether somebody still holds what this refers to.
    pub(crate) fn is_alive<C>(connection: &std::sync::Weak<C>) -> bool {
        connection.strong_count() > 0
    }
}

pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(any(loom_models, shuttle_models)))]
pub(crate) use real::*;
#[cfg(any(loom_models, shuttle_models))]
pub(crate) use stand_in::*;
