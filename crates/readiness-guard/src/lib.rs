//! Waits for readiness at a fixed interval, and says why it is not there yet.
//!
//! May a new connection be served now? A [`ReadinessGuard`] watches a startup
//! ([`startup_phases::PhaseWatch`]) and, beside it, any number of named [`ReadinessCheck`]s. It looks at
//! once and then every 100 ms on a grid that does not drift, so that the same startup always gives the
//! same timing; growing delays would give any timing up to the largest of them. How long it waits
//! follows from the [`Environment`]. The end of a wait is a [`Verdict`].
//!
//! ```
//! use readiness_guard::{Environment, GuardConfig, ReadinessGuard, Vars, Verdict};
//! use startup_phases::{Phase, Sequence, Step};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # async fn start_agents() -> Result<(), std::io::Error> { Ok(()) }
//! let startup = Sequence::builder()
//!     .step(Step::new(Phase::Services, "agents", || start_agents()))
//!     .build()?;
//! let environment = Environment::from_vars(&Vars::from_process());
//! let guard = ReadinessGuard::new(startup.watch(), GuardConfig::for_environment(&environment));
//!
//! let (_started, verdict) = tokio::join!(startup.run(), guard.wait());
//! match verdict {
//!     Verdict::Ready(ready) => println!("serve: ready after {:?}", ready.observation.elapsed),
//!     Verdict::NotReady(why) if why.worth_holding() => println!("hold: {why}"),
//!     Verdict::NotReady(why) => println!("refuse: {why}"),
//! }
//! # assert!(guard.readiness().ready);
//! # Ok(())
//! # }
//! ```
//!
//! What this crate promises, by contract number:
//!
//! * **G1** looks at t0, t0+i, t0+2i …; a tick missed is skipped. **G2** the first is at t0.
//! * **G3** time limits [by environment](GuardConfig::time_limit); an explicit one wins.
//! * **G4** a [bound](GuardConfig::iteration_limit) on the looks, whatever the clock does.
//! * **G5** one [`Verdict`], with one [`Reason`] and what was seen.
//! * **G6** one line on success, one a second on the way, one for each phase reached.
//! * **G7** one guard for all clients; **G8** never ready without having looked, save by
//!   [explicit bypass](GuardConfig::bypass).
//! * **G9** checks, [critical or optional](ReadinessCheck), and readiness that can be
//!   [lost](ReadinessGuard::lost).
//!
//! # What it never does
//!
//! It starts no task, holds no client and opens no gate. Startup is the only thing it knows of; who acts
//! on the verdict is for others. Only [`Environment::detect`] and [`Vars::from_process`] read the process
//! environment, once, for whoever has `main`.
//!
//! # Limits
//!
//! A wait takes 1 s at most in local and test, 3 s in development and staging, 5 s in production, at
//! least 8 s on Cloud Run from `services` on ([`GuardConfig::timeout`] wins). A check has 1 s
//! ([`ReadinessCheck::timeout`]), then it is a no. A wait that has ended begins anew with the next
//! [`wait`](ReadinessGuard::wait): nothing is remembered against anybody.
//!
//! # Needs and features
//!
//! A tokio runtime with time enabled. Feature `serde` (off by default): verdicts and [`Readiness`] implement `Serialize`.

mod check;
mod config;
mod environment;
mod guard;
mod log;
mod readiness;
mod sight;
mod vars;
mod verdict;
mod wait;

pub use check::ReadinessCheck;
pub use config::GuardConfig;
pub use environment::{Environment, Tier, UnknownTier};
pub use guard::ReadinessGuard;
pub use readiness::Readiness;
pub use sight::ReadinessState;
pub use vars::Vars;
pub use verdict::{FailedCheck, NotReady, Observation, Ready, Reason, Verdict};

/// The example of the README runs too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
