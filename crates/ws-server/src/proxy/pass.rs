//! Passes requests on to the upstream, and its answers back: held until it can answer.

use std::net::SocketAddr;

use bytes::BytesMut;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use tracing::{debug, warn};
use ws_queue::{Entry, Lease, Ticket};

use super::forwarded;
use super::tunnel::Tunnel;
use super::{PassedBody, Unanswered, Upstream};
use crate::answer::{Answer, linger};
use crate::handshake::Pending;
use crate::hold::{self, Held};
use crate::listener::Transport;
use crate::probe::Stream;
use crate::refusal::Reason;
use crate::registry::{Client, Registered};
use crate::serve::refuse;
use crate::shared::Shared;

/// A client that asks for a WebSocket: held until the upstream answers, then carried.
pub(crate) async fn upgrade<T: Transport>(
    mut pending: Pending<T>,
    peer: SocketAddr,
    upstream: &Upstream,
    server: &Shared,
) {
    let Some(registered) = server.registry.register(peer) else {
        return refuse(pending, Reason::ConnectionLimit, server).await;
    };
    let id = registered.client().id;
    let mut held = match server.queue.enter(registered.client()) {
        Entry::Admitted(lease) => Held::Admitted(lease),
        Entry::Refused(why) => Held::Refused(why.into()),
        Entry::Held(ticket) => {
            debug!(id, %peer, position = ticket.position(), "held");
            hold::before_upgrade(&mut pending, ticket).await
        }
    };
    loop {
        let lease = match held {
            Held::Admitted(lease) => lease,
            Held::Refused(reason) => return refuse(pending, reason, server).await,
            Held::Left => return debug!(id, "left while held"),
        };
        let request = match to_upstream(&pending, peer) {
            Ok(request) => request,
            Err(answer) => return pending.answer(&answer).await,
        };
        // Whoever leaves now has dropped its lease, and with that counts as gone.
        let asked = tokio::select! {
            biased;
            asked = ask(upstream, request) => asked,
            () = pending.left() => return debug!(id, "left while the upstream was asked"),
        };
        match asked {
            Ok(answer) => return pass_back(pending, answer, lease, registered, server).await,
            Err(error) if error.is_not_ready() => {
                debug!(id, %error, "given back");
                let again = give_back(lease, &error, &registered, server);
                // Whoever leaves now has dropped its lease, and with that counts as gone.
                let ticket = tokio::select! {
                    biased;
                    ticket = again => ticket,
                    () = pending.left() => return debug!(id, "left while held"),
                };
                held = hold::before_upgrade(&mut pending, ticket).await;
            }
            Err(error) => {
                warn!(id, upstream = upstream.shown, %error, "upstream failed");
                lease.acknowledge();
                return pending.answer(&failure(&error)).await;
            }
        }
    }
}

/// Returns an admission that led to nothing (Q10).
async fn give_back(
    lease: Lease<Client>,
    error: &Unanswered,
    registered: &Registered,
    server: &Shared,
) -> Ticket<Client> {
    match error {
        // It is gone for everyone: nobody else needs to find out.
        Unanswered::NotReady(_) => server.queue.report_gone(),
        // It is there, and may serve others. This client comes again after one interval, so that
        // an upstream that drops it each time is asked no more often than that.
        _ => sleep(server.settings.guard.interval).await,
    }
    lease.give_back(registered.client())
}

async fn ask(
    upstream: &Upstream,
    request: Request<PassedBody>,
) -> Result<Response<Incoming>, Unanswered> {
    let stream = upstream.connect().await?;
    upstream.ask(stream, request).await
}

/// The client's request as the upstream gets it.
fn to_upstream<T: Transport>(
    pending: &Pending<T>,
    peer: SocketAddr,
) -> Result<Request<PassedBody>, Answer> {
    let bad = |detail: String| Answer::new("400 Bad Request", "malformed_request", &detail);
    let request = pending.request();
    let uri = Uri::try_from(request.target()).map_err(|error| bad(error.to_string()))?;
    let mut passed = Request::new(Empty::new().map_err(|never| match never {}).boxed());
    *passed.uri_mut() = uri;
    for (name, value) in request.fields() {
        let name = HeaderName::from_bytes(name).map_err(|error| bad(error.to_string()))?;
        let value = HeaderValue::from_bytes(value).map_err(|error| bad(error.to_string()))?;
        passed.headers_mut().append(name, value);
    }
    forwarded::add(passed.headers_mut(), peer);
    Ok(passed)
}

/// Gives the client the upstream's answer, and carries what follows a 101.
async fn pass_back<T: Transport>(
    pending: Pending<T>,
    mut answer: Response<Incoming>,
    lease: Lease<Client>,
    registered: Registered,
    server: &Shared,
) {
    let (mut client, from_client) = pending.into_parts();
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        forwarded::remove_hop_by_hop(answer.headers_mut());
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
        if write_head(&mut client, &answer).await.is_ok() {
            lease.acknowledge();
            write_body(&mut client, answer.into_body()).await;
            linger(&mut client).await;
        }
        return;
    }
    let upgraded = hyper::upgrade::on(&mut answer);
    if write_head(&mut client, &answer).await.is_err() {
        return;
    }
    lease.acknowledge();
    registered.go_live();
    let Ok(upgraded) = upgraded.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<Box<dyn Stream>>>() else {
        unreachable!("the connection was made of this type")
    };
    let from_upstream = BytesMut::from(&parts.read_buf[..]);
    let upstream = parts.io.into_inner();
    let (client, upstream) = ((client, from_client), (upstream, from_upstream));
    let tunnel = Tunnel::new(client, upstream, server.drain.watch());
    Box::pin(tunnel.run()).await;
    debug!(id = registered.client().id, "ended");
}

async fn write_head<T: Transport>(
    client: &mut T,
    answer: &Response<Incoming>,
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {}\r\n", answer.status()).into_bytes();
    for (name, value) in answer.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    client.write_all(&head).await?;
    client.flush().await
}

/// Writes a body that ends with its connection, or where its length says so.
async fn write_body<T: Transport>(client: &mut T, mut body: Incoming) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref()
            && client.write_all(data).await.is_err()
        {
            return;
        }
    }
}

fn failure(error: &Unanswered) -> Answer {
    let detail = format!("the application: {error}");
    match error {
        Unanswered::TimedOut(_) => Answer::new("504 Gateway Timeout", "upstream_timeout", &detail),
        _ => Answer::new("502 Bad Gateway", "upstream_failed", &detail),
    }
}

/// Any other request, held in the same way. Called by the HTTP server, which drops this when the
/// client leaves.
pub(crate) async fn request(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    upstream: &Upstream,
    server: &Shared,
) -> Result<Response<PassedBody>, Answer> {
    let refused = |reason| Answer::refusal(&server.retry_after.refuse(reason));
    let Some(registered) = server.registry.register(peer) else {
        return Err(refused(Reason::ConnectionLimit));
    };
    forwarded::remove_hop_by_hop(request.headers_mut());
    forwarded::add(request.headers_mut(), peer);
    let can_repeat = request.method().is_idempotent() && request.body().is_end_stream();
    let (head, body) = request.into_parts();
    let mut body = Some(body);
    let mut held = match server.queue.enter(registered.client()) {
        Entry::Admitted(lease) => Held::Admitted(lease),
        Entry::Refused(why) => Held::Refused(why.into()),
        Entry::Held(ticket) => hold::request(ticket).await,
    };
    loop {
        let lease = match held {
            Held::Admitted(lease) => lease,
            Held::Refused(reason) => return Err(refused(reason)),
            Held::Left => return Err(refused(Reason::HoldExpired)),
        };
        let error = match upstream.connect().await {
            Ok(stream) => {
                let body = match body.take() {
                    Some(body) => body.boxed(),
                    None => Empty::new().map_err(|never| match never {}).boxed(),
                };
                let passed = Request::from_parts(head.clone(), body);
                match upstream.ask(stream, passed).await {
                    Ok(mut answer) => {
                        lease.acknowledge();
                        forwarded::remove_hop_by_hop(answer.headers_mut());
                        return Ok(answer.map(BodyExt::boxed));
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let nothing_sent = matches!(error, Unanswered::NotReady(_));
        if nothing_sent || (can_repeat && error.is_not_ready()) {
            debug!(id = registered.client().id, %error, "given back");
            let ticket = give_back(lease, &error, &registered, server).await;
            held = hold::request(ticket).await;
        } else {
            warn!(id = registered.client().id, %error, "upstream failed");
            lease.acknowledge();
            return Err(failure(&error));
        }
    }
}
