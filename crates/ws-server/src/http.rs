//! Our own pages, behind hyper: health, startup, readiness, and the operators' pages.
//!
//! One request a connection: so an upgrade is always the first request of its connection, read by
//! the head reader and by nobody else.

pub(crate) mod events;
mod page;
mod stall;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{cmp, io};

use bytes::{Buf, Bytes};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::stall::{Limit, Limited};
use crate::answer::{Answer, linger};
use crate::listener::Transport;
use crate::metrics;
#[cfg(feature = "proxy")]
use crate::proxy;
use crate::shared::Shared;
use crate::status::{self, Peers, ReadyStatus, StartupStatus, Status};

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// Where the clients come.
    Main,
    /// The operators' own (`admin.listen`).
    Admin,
}

/// Whether a client has left, judged without reading.
type HasLeft = Arc<dyn Fn() -> bool + Send + Sync>;

/// Who asks.
struct Visitor {
    #[cfg(feature = "proxy")]
    peer: SocketAddr,
    port: Port,
    has_left: HasLeft,
    /// How long it may leave unread what is written to it.
    limit: Limit,
    /// Kept while the end of the server waits for this answer.
    arriving: Mutex<Option<TaskTrackerToken>>,
    server: Arc<Shared>,
}

impl Visitor {
    /// Addresses of clients are nobody's business where anybody may ask.
    fn peers(&self) -> Peers {
        match self.port {
            Port::Main => Peers::Hidden,
            Port::Admin => Peers::Shown,
        }
    }
}

/// Answers the request whose beginning was `read` from `stream` already.
pub(crate) async fn serve<T: Transport>(
    stream: T,
    read: Bytes,
    peer: SocketAddr,
    port: Port,
    server: Arc<Shared>,
    arriving: Option<TaskTrackerToken>,
) {
    // Shared with whoever holds the request, and has to see that its client leaves.
    let stream = Arc::new(Mutex::new(stream));
    let seen = Arc::clone(&stream);
    let limit = Limit::default();
    // Pages are ready at once: shutting the sending side behind a request is no leaving. Who does
    // so while the application is asked has left.
    let half_close = port == Port::Admin || !server.passes_on();
    #[cfg(not(feature = "proxy"))]
    let _ = peer;
    let visitor = &Visitor {
        #[cfg(feature = "proxy")]
        peer,
        port,
        has_left: Arc::new(move || seen.lock().peer_has_left()),
        limit: limit.clone(),
        arriving: Mutex::new(arriving),
        server,
    };
    let service =
        service_fn(|request| async move { Ok::<_, Infallible>(respond(request, visitor).await) });
    let unread = Rewound {
        read,
        stream: Arc::clone(&stream),
    };
    let served = http1::Builder::new()
        .keep_alive(false)
        .half_close(half_close)
        .serve_connection(TokioIo::new(Limited::new(unread, limit)), service);
    // With its own shutdown, before which it writes what a slow client has left to be written.
    if served.await.is_ok() {
        let read = Bytes::new();
        linger(&mut Rewound { read, stream }).await;
    }
}

async fn respond(request: Request<Incoming>, visitor: &Visitor) -> Response<Body> {
    let path = request.uri().path();
    let own = path.strip_prefix("/-").filter(|own| own.starts_with('/'));
    #[cfg(feature = "proxy")]
    if let Some(upstream) = &visitor.server.upstream
        && visitor.port == Port::Main
        && own.is_none()
        && !is_health(path)
    {
        let (peer, has_left) = (visitor.peer, &*visitor.has_left);
        let server = &visitor.server;
        return match proxy::request(request, peer, has_left, upstream, server).await {
            Ok(answer) => answer.map(BodyExt::boxed_unsync),
            Err(answer) => boxed(answer.into_response()),
        };
    }
    visitor.limit.set();
    let page = page(own.unwrap_or(path), visitor);
    match (page, request.method()) {
        (Some(page), &Method::GET | &Method::HEAD) => page,
        (Some(_), _) => {
            let detail = "only GET and HEAD are served here";
            let answer = Answer::new("405 Method Not Allowed", "method", detail);
            boxed(answer.with("allow", "GET, HEAD").into_response())
        }
        (None, _) => boxed(elsewhere(path, visitor).into_response()),
    }
}

/// Ours at their own paths even where all others are the application's.
#[cfg(feature = "proxy")]
fn is_health(path: &str) -> bool {
    matches!(
        path,
        "/livez" | "/startupz" | "/readyz" | "/health/live" | "/health/startup" | "/health/ready"
    )
}

/// The operators' pages, which have a port of their own where one was asked for.
fn is_for_operators(path: &str) -> bool {
    matches!(path, "/" | "/status" | "/status/events" | "/metrics")
}

fn page(path: &str, visitor: &Visitor) -> Option<Response<Body>> {
    let server = &*visitor.server;
    if is_for_operators(path) && visitor.port == Port::Main && server.has_admin_port {
        let detail = "this is answered on a port of its own: see admin.listen in the settings";
        let answer = Answer::new("404 Not Found", "admin_port", detail);
        return Some(boxed(answer.into_response()));
    }
    Some(boxed(match path {
        "/livez" | "/health/live" => text(StatusCode::OK, "ok"),
        "/startupz" | "/health/startup" => {
            let status = StartupStatus::of(server);
            json(ok_or_unavailable(status.is_complete()), &status)
        }
        "/readyz" | "/health/ready" => {
            let status = ReadyStatus::of(server);
            json(ok_or_unavailable(status.ready), &status)
        }
        "/" => page::answer(),
        "/status" => json(StatusCode::OK, &Status::of(server, visitor.peers())),
        "/status/events" => return Some(events::answer(visitor)),
        "/metrics" => response(
            StatusCode::OK,
            metrics::CONTENT_TYPE,
            status::metrics(server).into(),
        ),
        _ => return None,
    }))
}

/// A path that is none of our pages, in a request that asked for no WebSocket.
fn elsewhere(path: &str, visitor: &Visitor) -> Answer {
    let websockets = &visitor.server.settings.server.path;
    // Behind the beginnings that are ours there is nothing of anybody else's.
    let ours = path.starts_with("/-/") || path.starts_with("/health/");
    if ours || visitor.port == Port::Admin || (websockets != "*" && path != websockets) {
        let detail = format!("nothing is served at {path}");
        return Answer::new("404 Not Found", "not_found", &detail);
    }
    Answer::new(
        "426 Upgrade Required",
        "upgrade_required",
        "this is a WebSocket",
    )
    .with("upgrade", "websocket")
}

fn boxed(response: Response<Full<Bytes>>) -> Response<Body> {
    response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

fn ok_or_unavailable(ok: bool) -> StatusCode {
    if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(body).expect("our own types serialise");
    response(status, "application/json", body.into())
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", body.into())
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // What is true now may not be true in a moment.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A stream whose first bytes have been read before.
struct Rewound<T> {
    read: Bytes,
    stream: Arc<Mutex<T>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut *self.stream.lock()).poll_read(cx, buffer);
        }
        let length = cmp::min(self.read.len(), buffer.remaining());
        buffer.put_slice(&self.read[..length]);
        self.read.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream.lock()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_shutdown(cx)
    }
}
