//! A gate, and a bounded queue of weak references before it: connections that come while the gate
//! is closed are held, and admitted in order of arrival when it opens.
//!
//! Made for servers that clients reach before the server is ready. It works for any type of
//! connection and does no I/O of its own.
//!
//! ```
//! use std::sync::Arc;
//! use ws_queue::{Entry, Outcome, QueueConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (gate, queue) = ws_queue::gate(&QueueConfig::default());
//!
//! let connection = Arc::new("a socket");
//! let Entry::Held(ticket) = queue.enter(&connection) else { panic!("the gate is closed") };
//!
//! gate.open();
//! let Outcome::Admitted(lease) = ticket.await else { panic!("the gate is open") };
//! lease.acknowledge(); // the client has its answer
//! assert_eq!(queue.status().admitted, 1);
//! # }
//! ```
//!
//! # What it promises
//!
//! * **Q1** Arriving is one step: a connection is admitted, or it has a place that the next
//!   release serves. No interleaving loses one, admits one twice, or leaves one behind an open
//!   gate.
//! * **Q2** Never more than [`max_size`](QueueConfig::max_size) living places.
//! * **Q3** The queue keeps nobody alive. A dropped ticket frees its place at once; a connection
//!   that died under a ticket that lives on is never admitted.
//! * **Q4** Each held connection ends in exactly one way, the [`Outcome`].
//! * **Q5** First come, first served, also while a release is paced.
//! * **Q6** A place ends at its [`max_wait`](QueueConfig::max_wait) by timer, also when nothing
//!   else happens.
//! * **Q7** Entering through an open gate takes no lock; everything else is O(log n).
//! * **Q8** The gate may close again, any number of times.
//! * **Q9** The accounts of [`QueueStatus`] always add up.
//! * **Q10** An admission is a [`Lease`]: acknowledged, or given back to its old position.
//!
//! # What it never does
//!
//! It never keeps a connection alive, never answers a client, and never decides when to open:
//! that is for whoever owns the [`Gate`]. It logs nothing.
//!
//! # Limits
//!
//! 50 places and 30 s in each, unless [`QueueConfig`] says otherwise; a place costs about 200 bytes. A
//! release is told to everyone at once, unless it is [paced](QueueConfig::release_in_flight). Dead
//! connections whose tickets live are found within one interval, 1,024 at a look.
//!
//! # Needs and features
//!
//! A tokio runtime with time enabled, in which [`gate()`] starts one task for the timers. Feature `serde`
//! (off by default): [`QueueStatus`] implements `Serialize`.
//!
//! The example `gate_in_axum` is a gate before axum's WebSockets.

mod clock;
mod config;
mod driver;
mod gate;
mod lease;
mod outcome;
mod pace;
mod places;
mod queue;
mod slot;
mod status;
mod sync;
mod ticket;
mod turnstile;

#[cfg(all(test, any(loom_models, shuttle_models)))]
mod models;

pub use config::QueueConfig;
pub use gate::Gate;
pub use lease::Lease;
pub use outcome::{Entry, Outcome, Refusal};
pub use queue::{HoldQueue, gate};
pub use status::{QueueStatus, Waiting};
pub use ticket::Ticket;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
