//! The shipped gate, queue, tickets and leases under a model checker.
//!
//! * loom runs a few threads in **every** interleaving, of every effect of weak memory too:
//!   `RUSTFLAGS="--cfg loom_models" cargo test --profile prove -p ws-queue --lib models`.
//! * shuttle runs many threads in some thousand random ones: [`mix`], which says how to run it.
//!
//! Either stands in for the primitives of [`crate::sync`]; all else is the code that ships. Each
//! model asserts what is its own, and ends with [`World::settle`](world::World::settle), which
//! asserts what is true of all: everybody has had one end, and the accounts agree with what
//! everybody was told. A wait that nobody would ever end is a deadlock, which a checker reports.

#[cfg(loom_models)]
mod arriving;
mod client;
#[cfg(loom_models)]
mod dying;
#[cfg(loom_models)]
mod ending;
mod explore;
#[cfg(loom_models)]
mod looking;
#[cfg(shuttle_models)]
mod mix;
#[cfg(shuttle_models)]
mod order;
#[cfg(loom_models)]
mod releasing;
#[cfg(loom_models)]
mod returning;
#[cfg(loom_models)]
mod waking;
mod world;

#[cfg(loom_models)]
use loom::{future::block_on, thread};
#[cfg(shuttle_models)]
use shuttle::{future::block_on, thread};
