//! The primitives that the driver and its observers synchronise with.
//!
//! Everything that two threads can race for goes through this file and nothing else does, so that
//! a model checker can stand in for the real primitives (`--cfg loom_models`) and explore the code
//! that ships.

#[cfg(loom_models)]
mod stand_in;

#[cfg(not(loom_models))]
mod real {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use tokio::sync::watch;
}

#[cfg(not(loom_models))]
pub(crate) use real::*;
#[cfg(loom_models)]
pub(crate) use stand_in::*;
