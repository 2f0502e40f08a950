//! A WebSocket server that is safe to connect to from its very first millisecond.
//!
//! It binds at once, runs a startup of seven phases, holds every client that comes early in a
//! bounded queue, and admits all of them, in order of arrival, the moment startup is far enough.
//!
//! ```no_run
//! use startup_phases::{Phase, Sequence, Step};
//! use ws_server::{Connection, Server};
//!
//! # async fn load_model() -> std::io::Result<()> { Ok(()) }
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let startup =
//!     Sequence::builder().step(Step::new(Phase::Services, "model", load_model)).build()?;
//! Server::builder()
//!     .startup(startup)
//!     .handler(|mut connection: Connection| async move {
//!         while let Some(message) = connection.recv().await {
//!             connection.send(message).await?;
//!         }
//!         Ok::<_, ws_server::Closed>(())
//!     })
//!     .serve()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it owns
//!
//! The port, the request head and the handshake, the two ways to hold (S4), the answers to those
//! who are turned away (S5), the life of a connection until its close, and the health pages. It
//! joins three crates that each can be used alone: [`startup_phases`] reports how far startup is,
//! [`readiness_guard`] judges whether that is enough, [`ws_queue`] holds who has to wait.
//!
//! # What it never does
//!
//! It never closes a connection with 1011 for anything but a handler that failed, never sends or
//! reads a frame before the handshake is complete, and never reads the environment or installs a
//! logger: the `ws-server` command does that.
//!
//! # Features
//!
//! `cli` (default): the command, with the two that follow. `probes`: [`probe`], looks at other
//! services. `proxy`: in front of another server. `settings-load`: `Settings::load`, from file, environment and flags. Without default
//! features, the server alone.

mod accept;
mod admin;
mod admit;
mod answer;
mod builder;
mod conductor;
mod connection;
mod drain;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod handler;
mod handshake;
mod head;
mod history;
mod hold;
mod http;
mod journal;
mod listener;
mod mailbox;
mod message;
mod metrics;
#[cfg(feature = "probes")]
mod notify;
#[cfg(feature = "probes")]
pub mod probe;
#[cfg(feature = "proxy")]
mod proxy;
mod refusal;
mod registry;
mod reload;
mod request;
mod serve;
mod server;
mod session;
pub mod settings;
mod shared;
mod signal;
mod status;
mod visit;

pub use builder::ServerBuilder;
pub use connection::{Connection, Sender};
pub use error::{Closed, SendNowError, ServeError};
pub use handler::{BoxError, Handler, HandlerResult, echo};
pub use listener::{Listener, Transport, bind, bind_admin};
pub use message::{Message, Utf8Bytes};
#[cfg(feature = "probes")]
pub use notify::{NotifySocket, Said};
#[cfg(feature = "proxy")]
pub use proxy::InvalidUpstream;
pub use reload::Reloader;
pub use request::Request;
pub use server::Server;
pub use status::StatusWatch;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
