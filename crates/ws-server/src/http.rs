//! Our own pages, behind hyper: health, startup, readiness and status.
//!
//! One request a connection: so an upgrade is always the first request of its connection, read by
//! the head reader and by nobody else.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{cmp, io};

use bytes::{Buf, Bytes};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::answer::linger;
use crate::listener::Transport;
use crate::shared::Shared;
use crate::status::{ReadyStatus, StartupStatus, Status};

/// Answers the request whose beginning was `read` from `stream` already.
pub(crate) async fn serve<T: Transport>(stream: T, read: Bytes, server: Arc<Shared>) {
    let service = service_fn(|request| {
        let response = respond(&request, &server);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        // Answers are ready at once: shutting the sending side behind a request is no leaving.
        .half_close(true)
        .serve_connection(TokioIo::new(Rewound { read, stream }), service)
        .without_shutdown();
    if let Ok(parts) = served.await {
        linger(&mut parts.io.into_inner().stream).await;
    }
}

fn respond(request: &Request<Incoming>, server: &Shared) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let own = path.strip_prefix("/-").unwrap_or(path);
    let answer = match own {
        "/livez" | "/health/live" => text(StatusCode::OK, "ok"),
        "/startupz" | "/health/startup" => {
            let status = StartupStatus::of(server);
            json(ok_or_unavailable(status.is_complete()), &status)
        }
        "/readyz" | "/health/ready" => {
            let status = ReadyStatus::of(server);
            json(ok_or_unavailable(status.ready), &status)
        }
        "/status" => json(StatusCode::OK, &Status::of(server)),
        _ => return elsewhere(path, server),
    };
    match *request.method() {
        Method::GET | Method::HEAD => answer,
        _ => {
            let body = json!({ "reason": "method", "detail": "only GET and HEAD are served here" });
            let mut response = json(StatusCode::METHOD_NOT_ALLOWED, &body);
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
    }
}

/// A path that is none of our pages, in a request that asked for no WebSocket.
fn elsewhere(path: &str, server: &Shared) -> Response<Full<Bytes>> {
    let websockets = &server.settings.server.path;
    if websockets != "*" && path != websockets {
        let detail = format!("nothing is served at {path}");
        let body = json!({ "reason": "not_found", "detail": detail });
        return json(StatusCode::NOT_FOUND, &body);
    }
    let body = json!({ "reason": "upgrade_required", "detail": "this is a WebSocket" });
    let mut response = json(StatusCode::UPGRADE_REQUIRED, &body);
    response
        .headers_mut()
        .insert(UPGRADE, HeaderValue::from_static("websocket"));
    response
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
    stream: T,
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = cmp::min(self.read.len(), buffer.remaining());
        buffer.put_slice(&self.read[..length]);
        self.read.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
