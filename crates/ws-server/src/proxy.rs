//! In front of another server: admission means that it has answered.
//!
//! A client's request for a WebSocket goes on to the upstream as it is, key, subprotocols,
//! extensions and cookies, and the upstream's own answer comes back, so that whatever the two agree
//! on works untouched. Other requests go the same way. An upstream that refuses or drops a
//! connection before it has answered is one that is not ready: the client is held, not failed.

mod forwarded;
pub(crate) mod frames;
mod pass;
mod tunnel;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use readiness_guard::ReadinessCheck;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::debug;
use url::Url;

pub(crate) use self::pass::{request, upgrade};
use crate::probe::{Resource, Stream};
use crate::settings::ProxySettings;

/// What goes to the upstream, and what comes back through hyper.
pub(crate) type PassedBody = BoxBody<Bytes, hyper::Error>;

/// A way to the upstream that is not an address: a new connection each time it is called.
pub(crate) type Connector =
    Box<dyn Fn() -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync>;

/// How many connections any server can be counted on to keep before it accepts them: Python's keeps 100,
/// others 128 and more. Beyond, the system asks again after a second.
const AT_THE_DOOR: usize = 64;

/// After which time without an answer a connection has been accepted: all there is to do before is to
/// turn to it.
const ACCEPTED_WITHIN: Duration = Duration::from_millis(100);

/// Where admitted clients are passed on to.
pub(crate) struct Upstream {
    shown: String,
    resource: Resource,
    /// Instead of connecting to the address.
    connector: Option<Connector>,
    connect_timeout: Duration,
    response_timeout: Duration,
    door: Arc<Semaphore>,
}

/// A connection that the upstream may not have accepted yet.
pub(crate) struct AtTheDoor {
    stream: Box<dyn Stream>,
    place: OwnedSemaphorePermit,
}

/// Why the upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// Not a byte went out.
    #[error("cannot connect: {0}")]
    NotReady(String),
    #[error("it dropped the connection before it answered")]
    Dropped,
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("its answer is not HTTP: {0}")]
    Broken(hyper::Error),
    #[error("it changed to another protocol, which nobody had asked for")]
    Unasked,
}

impl Unanswered {
    /// Whether the upstream is not there, as opposed to being there and at fault.
    pub(crate) fn is_not_ready(&self) -> bool {
        matches!(self, Self::NotReady(_) | Self::Dropped)
    }
}

/// An address that names no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is no upstream: {wrong}")]
pub struct InvalidUpstream {
    address: String,
    wrong: String,
}

impl Upstream {
    /// An upstream at `ws://`, `wss://`, `http://` or `https://` HOST:PORT.
    pub(crate) fn new(settings: &ProxySettings) -> Result<Self, InvalidUpstream> {
        let address = settings.upstream.clone();
        Self::parse(settings).map_err(|wrong| InvalidUpstream { address, wrong })
    }

    fn parse(settings: &ProxySettings) -> Result<Self, String> {
        let shown = settings.upstream.clone();
        let url = Url::parse(&shown).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "ws" | "wss" | "http" | "https") {
            return Err(format!(
                "unknown scheme `{}`: write ws://HOST:PORT or wss://HOST:PORT",
                url.scheme()
            ));
        }
        if url.path() != "/" || url.query().is_some() {
            return Err("a path has no meaning here: clients' own paths are passed on".to_owned());
        }
        Ok(Self {
            resource: Resource::parse(&url)?,
            connector: None,
            shown,
            connect_timeout: settings.connect_timeout,
            response_timeout: settings.response_timeout,
            door: Arc::new(Semaphore::new(AT_THE_DOOR)),
        })
    }

    pub(crate) fn through(mut self, connector: Option<Connector>) -> Self {
        self.connector = connector;
        self
    }

    /// Looks whether it accepts connections: what the gate stands on (Q8).
    pub(crate) fn monitor(self: &Arc<Self>) -> ReadinessCheck {
        let upstream = Arc::clone(self);
        ReadinessCheck::new("upstream", move || {
            let upstream = Arc::clone(&upstream);
            async move { upstream.connect().await.map(drop) }
        })
        .after_startup()
        .timeout(self.connect_timeout)
    }

    /// Connects for a request, in the order in which it is called.
    async fn knock(&self) -> Result<AtTheDoor, Unanswered> {
        let place = Arc::clone(&self.door).acquire_owned().await;
        let place = place.expect("a door is never closed");
        let stream = self.connect().await?;
        Ok(AtTheDoor { stream, place })
    }

    /// Connects; names are resolved anew each time.
    async fn connect(&self) -> Result<Box<dyn Stream>, Unanswered> {
        let limit = self.connect_timeout;
        let not_ready = Unanswered::NotReady;
        let connected = async {
            match &self.connector {
                Some(connect) => connect()
                    .await
                    .map_err(|error| not_ready(error.to_string())),
                None => {
                    let opened = self.resource.open().await;
                    opened.map_err(|seen| not_ready(seen.into_words()))
                }
            }
        };
        let in_time = timeout(limit, connected).await;
        in_time.unwrap_or_else(|_| Err(not_ready(format!("no connection within {limit:?}"))))
    }

    /// Sends a request over a new connection and gives its answer. A 101 can be upgraded. The time
    /// for the answer begins anew whenever more of the request is sent.
    async fn ask(
        &self,
        AtTheDoor { stream, place }: AtTheDoor,
        request: Request<PassedBody>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let mut make_way = pin!(async {
            sleep(ACCEPTED_WITHIN).await;
            drop(place);
            pending::<Infallible>().await
        });
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|_| Unanswered::Dropped)?;
        let progress = Arc::new(Notify::new());
        let request = request.map(|body| {
            let progress = Arc::clone(&progress);
            let told = body.map_frame(move |frame| {
                progress.notify_one();
                frame
            });
            told.boxed()
        });
        // It ends with the exchange, or when nobody waits for the answer any more.
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                debug!(%error, "upstream connection");
            }
        });
        let mut answer = pin!(sender.send_request(request));
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut answer => break answer,
                never = &mut make_way => match never {},
                () = progress.notified() => {}
                () = sleep(self.response_timeout) => {
                    return Err(Unanswered::TimedOut(self.response_timeout));
                }
            }
        };
        answer.map_err(|error| {
            if error.is_parse() {
                Unanswered::Broken(error)
            } else {
                Unanswered::Dropped
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::Empty;
    use parking_lot::Mutex;
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_stand_at_the_door_than_any_backlog_keeps() {
        let settings = ProxySettings {
            upstream: "ws://app:1".to_owned(),
            ..ProxySettings::default()
        };
        let connected = Arc::new(AtomicUsize::new(0));
        let (count, silent) = (Arc::clone(&connected), Mutex::new(Vec::new()));
        let connector: Connector = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            let (ours, theirs) = duplex(1024);
            silent.lock().push(theirs);
            Box::pin(async { Ok(Box::new(ours) as Box<dyn Stream>) })
        });
        let upstream = Arc::new(Upstream::new(&settings).unwrap().through(Some(connector)));
        for _ in 0..3 * AT_THE_DOOR {
            let upstream = Arc::clone(&upstream);
            tokio::spawn(async move {
                let at_the_door = upstream.knock().await?;
                let nothing = Empty::new().map_err(|never| match never {}).boxed();
                upstream.ask(at_the_door, Request::new(nothing)).await
            });
        }
        sleep(ACCEPTED_WITHIN / 2).await;
        for crowd in 1..=3 {
            assert_eq!(connected.load(Ordering::Relaxed), crowd * AT_THE_DOOR);
            sleep(ACCEPTED_WITHIN).await;
        }
    }
}
