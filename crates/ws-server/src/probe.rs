//! Looks at other services: is it there, and does it answer?
//!
//! A [`Probe`] is an address that knows how to look. One [`check`](Probe::check) is one attempt: it
//! polls nothing and repeats nothing, so a startup step or a monitor decides how often (P5, G9).
//! Every attempt starts from nothing: it resolves the name again, connects again, and closes again.
//! Only `notify:` listens, from the first attempt until the probe is dropped.
//!
//! | address | ready means |
//! | --- | --- |
//! | `tcp://HOST:PORT` | it accepts a connection, and that connection does not end in ourselves |
//! | `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`, `https://…` | `GET` is answered with 2xx; redirects are not followed |
//! | `ws://[USER:PASSWORD@]HOST[:PORT][/PATH]`, `wss://…` | the handshake is answered with 101 and the right accept key |
//! | `postgres://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]` | `SELECT 1` is answered |
//! | `redis://[USER:PASSWORD@]HOST[:PORT][/DB]` | `PING` is answered with `PONG`, after `AUTH` and `SELECT` where given |
//! | `nats://[USER:PASSWORD@]HOST[:PORT]` or `nats://TOKEN@…` | `PING` is answered with `PONG`, after `INFO` and `CONNECT` |
//! | `notify:/PATH` | the service said `READY=1` there, as it would to systemd at `$NOTIFY_SOCKET`, and not `STOPPING=1` since |
//! | `exec:COMMAND ARG…` | the command ends with status 0; no shell reads it |
//!
//! `https` and `wss` certificates are verified against the system's roots. There is no TLS to
//! PostgreSQL, Redis or NATS: addresses that ask for it are rejected when they are parsed, never
//! silently weakened.
//!
//! A probe never says ready without an answer from the service itself (G8).
//!
//! ```
//! use ws_server::probe::Probe;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let probe: Probe = format!("tcp://{}", listener.local_addr()?).parse()?;
//! probe.check().await?;
//!
//! let probe: Probe = "postgres://app:secret@db.internal/app".parse()?;
//! assert_eq!(probe.to_string(), "postgres://app:***@db.internal/app");
//! # Ok(())
//! # }
//! ```

mod address;
mod connect;
mod error;
mod exec;
mod http;
mod nats;
mod notify;
mod page;
mod postgres;
mod redis;
mod tcp;
mod tls;
mod ws;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use self::address::ProbeAddressError;
pub use self::error::ProbeError;
pub use self::page::Page;

use self::error::Seen;
pub(crate) use self::http::Resource;
#[cfg(feature = "proxy")]
pub(crate) use self::http::Stream;

/// How long an attempt over the network may take: a TLS and a SCRAM handshake across the world stay
/// below 2 s. What has not answered by then is asked again rather than waited for.
const NETWORK_LIMIT: Duration = Duration::from_secs(3);

/// How long a command may take: an interpreter on a busy core needs seconds to start.
const EXEC_LIMIT: Duration = Duration::from_secs(10);

/// An address, parsed, and how to look at what is there. Cheap to clone.
///
/// [`Display`](fmt::Display) and [`Debug`] show the address without its secrets: a password, a NATS
/// token and a query are `***`, and of a command only the program is shown.
#[derive(Clone)]
pub struct Probe(Arc<Address>);

/// The two faces of an address.
struct Address {
    shown: String,
    target: Target,
}

/// What there is to look at, one variant for each protocol.
enum Target {
    Tcp(tcp::Tcp),
    Http(Resource),
    WebSocket(ws::WebSocket),
    Postgres(Box<postgres::Postgres>),
    Redis(Box<redis::Redis>),
    Nats(nats::Nats),
    Notify(notify::Notify),
    Exec(exec::Exec),
}

impl Probe {
    /// Looks once. The future owns all it needs, so it outlives the probe it came from.
    ///
    /// # Errors
    ///
    /// The service is not ready; the error says what was seen instead. What takes longer than the
    /// [`limit`](Self::limit) is not ready either.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, or kills the command. A name lookup under way
    /// ends on its own in tokio's blocking pool.
    pub fn check(&self) -> impl Future<Output = Result<(), ProbeError>> + Send + use<> {
        let probe = self.clone();
        async move {
            let limit = probe.limit();
            let looked = tokio::time::timeout(limit, probe.0.target.check()).await;
            looked
                .unwrap_or_else(|_| Err(Seen::silence(limit)))
                .map_err(|seen| ProbeError::new(&probe.0.shown, seen))
        }
    }

    /// Gets what an `http` or `https` address names, to be read rather than judged: whatever its
    /// status. Redirects are not followed. The future owns all it needs.
    ///
    /// # Errors
    ///
    /// There is no answer, or its head does not come within the [`limit`](Self::limit); or the
    /// address is of another scheme.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// As with [`check`](Self::check).
    pub fn get(&self) -> impl Future<Output = Result<Page, ProbeError>> + Send + use<> {
        let probe = self.clone();
        async move {
            let limit = probe.limit();
            let got = match &probe.0.target {
                Target::Http(resource) => tokio::time::timeout(limit, resource.get())
                    .await
                    .unwrap_or_else(|_| Err(Seen::silence(limit))),
                _ => Err(Seen::new("only http:// and https:// name pages")),
            };
            got.map(|got| Page::new(&probe.0.shown, got))
                .map_err(|seen| ProbeError::new(&probe.0.shown, seen))
        }
    }

    /// The most one attempt takes: 3 s, and 10 s for `exec:`.
    ///
    /// A TLS and a SCRAM handshake across the world stay below 2 s; a command may be an
    /// interpreter, which needs seconds to start on a busy core. Of the 3 s one address may take 1
    /// s to accept a connection, so that the next address of the same name has its turn.
    #[must_use]
    pub fn limit(&self) -> Duration {
        match self.0.target {
            Target::Exec(_) => EXEC_LIMIT,
            _ => NETWORK_LIMIT,
        }
    }
}

impl Target {
    async fn check(&self) -> Result<(), Seen> {
        match self {
            Self::Tcp(tcp) => tcp.check().await,
            Self::Http(resource) => resource.check().await,
            Self::WebSocket(ws) => ws.check().await,
            Self::Postgres(postgres) => postgres.check().await,
            Self::Redis(redis) => redis.check().await,
            Self::Nats(nats) => nats.check().await,
            Self::Notify(notify) => notify.check().await,
            Self::Exec(exec) => exec.check().await,
        }
    }
}

impl FromStr for Probe {
    type Err = ProbeAddressError;

    fn from_str(address: &str) -> Result<Self, ProbeAddressError> {
        address::parse(address).map(|address| Self(Arc::new(address)))
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.shown)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Probe({self})")
    }
}
