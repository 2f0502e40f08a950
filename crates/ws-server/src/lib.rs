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
//! # What it promises
//!
//! - **S1** It binds first: `/livez` is 200 from then on.
//! - **S2** The gate opens on the event, not on a look. **S3** Whoever was held is served for real.
//! - **S4** Two ways to hold: before the 101, or behind it with what the client sends kept in order.
//! - **S5** Refusals are kind: 503 or 1013, with the time to come again, and they arrive.
//! - **S6** No frame before the handshake is complete. **S7** A client that leaves is noticed.
//! - **S8** A startup that fails is told to everyone. **S9** The end is a drain, spread over time.
//! - **S10** No accepted message is lost. **S11** A handler's failure is its own connection's.
//! - **S12** Everything that grows has a [limit](settings::LimitSettings).
//! - **O1** to **O9** Metrics, status, logs, earlier starts and reload, for whoever is on call.
//! - With the feature `proxy`, **X1** to **X7**: in front of another server.
//!
//! # What it never does
//!
//! It never closes a connection with 1011 for anything but a handler that failed, and never sends or
//! reads a frame before the handshake is complete. It installs no logger, reads no file of settings and
//! starts no process: the `ws-server` command does that. Of the process it takes SIGTERM and SIGINT,
//! unless [`ServerBuilder::stop_when`] says when to stop, and the environment, unless
//! [`ServerBuilder::environment`] says where it runs.
//!
//! # Limits
//!
//! All of them are in [`settings`], with their defaults: 50 held for 30 s, 10,000 connections, messages
//! of 1 MiB, 8 s to drain. TLS is for a proxy before it, or a [`Listener`] of your own.
//!
//! # Features
//!
//! | feature | gives | default |
//! | --- | --- | --- |
//! | `probes` | `probe`: looks at other services, as startup steps and monitors | with `cli` |
//! | `proxy` | `ServerBuilder::proxy`: in front of another server; with `probes` | with `cli` |
//! | `settings-load` | `Settings::load`: from file, environment and flags | with `cli` |
//! | `cli` | the `ws-server` command | yes |
//!
//! With `default-features = false` it is the server alone.
//!
//! The example `own_handler` is a chat room behind a startup of its own.

mod accept;
mod admin;
mod admit;
mod answer;
mod builder;
mod conductor;
mod connection;
mod drain;
mod error;
mod frame;
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
mod lent;
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
mod socket;
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
