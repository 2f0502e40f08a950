//! A deterministic startup in seven phases: steps, time limits, stop hooks and a report.
//!
//! A [`Sequence`] runs named [`Step`]s through the seven [`Phase`]s, one phase after the other.
//! Any number of [`PhaseWatch`] handles observe it. This crate decides when a phase is reached and
//! when startup is complete; it does not know what waits for that, and it opens no port.
//!
//! ```
//! use std::{error::Error, io, time::Duration};
//! use startup_phases::{Phase, Sequence, Step};
//!
//! # async fn connect_pool() -> io::Result<()> { Ok(()) }
//! # async fn ping_redis() -> io::Result<()> { Ok(()) }
//! # async fn start_agents() -> io::Result<()> { Ok(()) }
//! # async fn stop_agents() -> io::Result<()> { Ok(()) }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn Error>> {
//! let startup = Sequence::builder()
//!     .step(Step::new(Phase::Database, "pool", connect_pool))
//!     .step(Step::polling(Phase::Cache, "redis", ping_redis).optional().timeout(Duration::from_secs(5)))
//!     .step(Step::new(Phase::Services, "agents", start_agents).on_stop(stop_agents))
//!     .build()?;
//! let phases = startup.watch();
//! tokio::spawn(async move {
//!     if phases.reached(Phase::Websocket).await.is_ok() {
//!         println!("clients may come");
//!     }
//! });
//! let started = startup.run().await?;
//! println!("{started}");
//! // ... serve, and in the end:
//! assert!(started.stop().await.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - **P1 order**: no step of a phase starts before every step of the phase before has ended.
//! - **P2 reached means finished**: all critical steps of the phase, and of all before it.
//! - **P3 deterministic**: the history follows from the order in which steps end.
//! - **P4 critical and optional**: one ends startup, the other leaves it degraded.
//! - **P5 bounded**: each step has a time limit; polling is on a fixed [`Grid`]; a panic is a failure.
//! - **P6 failure is loud**: told at once, to everyone, before anything is stopped.
//! - **P7 stop hooks**: in reverse order, each with a time limit.
//! - **P8 unknown is a state**: until the sequence is started.
//! - **P9 report**: every phase and step, as JSON (feature `serde`) or as a timeline.
//! - **P10 losing the reporter is failure**: readiness never comes from a destructor.
//!
//! # What it never does
//!
//! It opens no port, installs no logger, reads no environment, and catches no signal: a future that
//! says when to stop is handed to [`Sequence::run_until`]. It retries nothing by itself; a step that
//! should be tried again is made with [`Step::polling`].
//!
//! # Limits
//!
//! A step has 60 s ([`Step::timeout`]), its stop hook 5 s ([`Step::stop_timeout`]), and a polling
//! step is tried every 100 ms ([`Step::interval`]). A step is ended where it awaits: what blocks its
//! thread belongs in [`tokio::task::spawn_blocking`]. The history is kept whole, for it is
//! bounded by the number of steps: no observer misses anything.
//!
//! # Needs and features
//!
//! A tokio runtime with time enabled, for [`Sequence::run`] and [`Started::stop`]; watching needs
//! none. Steps are logged with `tracing`. Feature `serde` (off by default): [`Report`] and its parts,
//! [`Failure`] among them, implement `Serialize`.
//!
//! The example `phases_in_axum` is a service that says at `/readyz` how far it is.

mod builder;
mod driver;
mod error;
mod grid;
#[cfg(feature = "serde")]
mod json;
mod machine;
mod phase;
mod report;
mod run;
mod sequence;
mod state;
mod step;
mod stop;
mod sync;
mod timeline;
mod watch;

#[cfg(all(test, loom_models))]
mod models;

pub use builder::SequenceBuilder;
pub use error::{BuildError, Problem, StartupError};
pub use grid::Grid;
pub use phase::{Phase, UnknownPhase};
pub use report::{Degraded, PhaseReport, PhaseState, Report, StepReport, StepState};
pub use sequence::{Sequence, Started};
pub use state::{Event, Failure, State, Transition};
pub use step::Step;
pub use stop::{StopReport, StoppedStep};
pub use watch::PhaseWatch;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
