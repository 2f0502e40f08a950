//! Passes requests on to the upstream, and its answers back: held until it can answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};
use tokio_util::task::task_tracker::TaskTrackerToken;
use ws_queue::{Entry, Lease, Ticket};

use super::forwarded;
use super::tunnel::Tunnel;
use super::{PassedBody, Unanswered, Upstream};
use crate::admit::refuse;
use crate::answer::{Answer, linger};
use crate::handshake::Pending;
use crate::hold::{self, HasLeft, Held};
use crate::listener::Transport;
use crate::probe::Stream;
use crate::refusal::Reason;
use crate::registry::Client;
use crate::shared::Shared;
use crate::visit::{TRACEPARENT, Visit};

/// What is counted where the upstream answers an upgrade with anything but a 101.
const UPSTREAM_REFUSED: &str = "upstream_refused";

/// A client that asks for a WebSocket: held until the upstream answers, then carried.
pub(crate) async fn upgrade<T: Transport>(
    mut pending: Pending<T>,
    peer: SocketAddr,
    upstream: &Upstream,
    server: &Shared,
    arriving: TaskTrackerToken,
) {
    let asked = pending.request();
    let mut visit = match Visit::begin(server, peer, || asked.path(), asked.header(TRACEPARENT)) {
        Ok(visit) => visit,
        Err(one_too_many) => return refuse(pending, one_too_many, server).await,
    };
    let entry = server.queue.enter(visit.client());
    drop(arriving);
    let mut held = match entry {
        Entry::Admitted(lease) => Held::Admitted(lease),
        Entry::Refused(why) => Held::Refused(why.into()),
        Entry::Held(ticket) => {
            visit.held(ticket.position());
            hold::before_upgrade(&mut pending, ticket).await
        }
    };
    loop {
        let lease = match held {
            Held::Admitted(lease) => lease,
            Held::Refused(reason) => {
                visit.refused(reason);
                return refuse(pending, reason, server).await;
            }
            Held::Left => return,
        };
        let request = match to_upstream(&pending, peer) {
            Ok(request) => request,
            Err(answer) => {
                visit.failed(lease, &answer);
                return pending.answer(&answer).await;
            }
        };
        // Whoever leaves now has dropped its lease, and with that counts as gone.
        let asked = tokio::select! {
            biased;
            asked = ask(upstream, request) => asked,
            () = pending.left() => return,
        };
        match asked {
            Ok(answer) => return pass_back(pending, answer, lease, visit, server).await,
            Err(error) if error.is_not_ready() => {
                let again = give_back(lease, &error, &mut visit, server);
                // Whoever leaves now has dropped its lease, and with that counts as gone.
                let ticket = tokio::select! {
                    biased;
                    ticket = again => ticket,
                    () = pending.left() => return,
                };
                held = hold::before_upgrade(&mut pending, ticket).await;
            }
            Err(error) => {
                let answer = failure(&error);
                visit.upstream_failed(&upstream.shown, &error);
                visit.failed(lease, &answer);
                return pending.answer(&answer).await;
            }
        }
    }
}

/// Returns an admission that led to nothing (Q10).
async fn give_back(
    lease: Lease<'_, Client>,
    error: &Unanswered,
    visit: &mut Visit,
    server: &Shared,
) -> Ticket<Client> {
    visit.given_back(error);
    match error {
        // It is gone for everyone: nobody else needs to find out.
        Unanswered::NotReady(_) => server.queue.report_gone(),
        // It is there, and may serve others. This client comes again after one interval, so that
        // an upstream that drops it each time is asked no more often than that.
        _ => sleep(server.settings.guard.interval).await,
    }
    lease.give_back(visit.client())
}

async fn ask(
    upstream: &Upstream,
    request: Request<PassedBody>,
) -> Result<Response<Incoming>, Unanswered> {
    let at_the_door = upstream.knock().await?;
    upstream.ask(at_the_door, request).await
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
    lease: Lease<'_, Client>,
    mut visit: Visit,
    server: &Shared,
) {
    let (mut client, from_client) = pending.into_parts();
    let limit = server.limits().handshake_timeout;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        forwarded::remove_hop_by_hop(answer.headers_mut());
        let fields = answer.headers_mut();
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
        // In chunks, so that a body that breaks off is not taken for whole.
        let in_chunks =
            !answer.body().is_end_stream() && !answer.headers().contains_key(CONTENT_LENGTH);
        if in_chunks {
            let chunked = HeaderValue::from_static("chunked");
            answer.headers_mut().insert(TRANSFER_ENCODING, chunked);
        }
        if write_head(&mut client, &answer, limit).await.is_ok() {
            visit.answered(lease, answer.status());
            server.journal.metrics.handshake_failed(UPSTREAM_REFUSED);
            // Who has left does not need the rest.
            let _ = write_body(&mut client, answer.into_body(), in_chunks).await;
            linger(&mut client).await;
        }
        return;
    }
    let upgraded = hyper::upgrade::on(&mut answer);
    if write_head(&mut client, &answer, limit).await.is_err() {
        return;
    }
    visit.admitted(lease);
    let Ok(upgraded) = upgraded.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<Box<dyn Stream>>>() else {
        unreachable!("the connection was made of this type")
    };
    let from_upstream = BytesMut::from(&parts.read_buf[..]);
    let upstream = parts.io.into_inner();
    let (client, upstream) = ((client, from_client), (upstream, from_upstream));
    let stopping = server.drain.watch(visit.id());
    Box::pin(Tunnel::new(client, upstream, stopping, visit).run()).await;
}

/// Gives up on a client that does not take it within `limit`: others may wait for this admission.
async fn write_head<T: Transport>(
    client: &mut T,
    answer: &Response<Incoming>,
    limit: Duration,
) -> io::Result<()> {
    let status = answer.status();
    let mut head = format!("HTTP/1.1 {} ", status.as_str()).into_bytes();
    // Set where it is not the usual one.
    head.extend_from_slice(match answer.extensions().get::<ReasonPhrase>() {
        Some(reason) => reason.as_bytes(),
        None => status.canonical_reason().unwrap_or_default().as_bytes(),
    });
    head.extend_from_slice(b"\r\n");
    for (name, value) in answer.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    timeout(limit, async {
        client.write_all(&head).await?;
        client.flush().await
    })
    .await?
}

/// Writes a body, and its end only if it came to one.
async fn write_body<T: Transport>(
    client: &mut T,
    mut body: Incoming,
    in_chunks: bool,
) -> io::Result<()> {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Ok(()) };
        let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) else {
            continue;
        };
        if in_chunks {
            let length = format!("{:x}\r\n", data.len());
            client.write_all(length.as_bytes()).await?;
        }
        client.write_all(data).await?;
        if in_chunks {
            client.write_all(b"\r\n").await?;
        }
    }
    if in_chunks {
        client.write_all(b"0\r\n\r\n").await?;
    }
    client.flush().await
}

fn failure(error: &Unanswered) -> Answer {
    let detail = format!("the application: {error}");
    match error {
        Unanswered::TimedOut(_) => Answer::new("504 Gateway Timeout", "upstream_timeout", &detail),
        _ => Answer::new("502 Bad Gateway", "upstream_failed", &detail),
    }
}

/// Any other request, held in the same way. Called by the HTTP server, which drops this when it sees
/// that the client leaves; what it has read ahead hides that from it, and not from `has_left`.
pub(crate) async fn request(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    has_left: &HasLeft<'_>,
    upstream: &Upstream,
    server: &Shared,
) -> Result<Response<PassedBody>, Answer> {
    let refused = |reason| Answer::refusal(&server.refusal(reason));
    let traceparent = request.headers().get(TRACEPARENT);
    let traceparent = traceparent.and_then(|it| it.to_str().ok());
    let mut visit =
        Visit::begin(server, peer, || request.uri().path(), traceparent).map_err(refused)?;
    forwarded::remove_hop_by_hop(request.headers_mut());
    forwarded::add(request.headers_mut(), peer);
    let can_repeat = request.method().is_idempotent() && request.body().is_end_stream();
    let (head, body) = request.into_parts();
    let mut body = Some(body);
    let mut held = match server.queue.enter(visit.client()) {
        Entry::Admitted(lease) => Held::Admitted(lease),
        Entry::Refused(why) => Held::Refused(why.into()),
        Entry::Held(ticket) => {
            visit.held(ticket.position());
            hold::request(ticket, has_left).await
        }
    };
    loop {
        let lease = match held {
            Held::Admitted(lease) => lease,
            Held::Refused(reason) => {
                visit.refused(reason);
                return Err(refused(reason));
            }
            // Nobody reads this.
            Held::Left => return Err(refused(Reason::HoldExpired)),
        };
        let error = match upstream.knock().await {
            Ok(at_the_door) => {
                let body = match body.take() {
                    Some(body) => body.boxed(),
                    None => Empty::new().map_err(|never| match never {}).boxed(),
                };
                let passed = Request::from_parts(head.clone(), body);
                match upstream.ask(at_the_door, passed).await {
                    Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                        Unanswered::Unasked
                    }
                    Ok(mut answer) => {
                        visit.answered(lease, answer.status());
                        forwarded::remove_hop_by_hop(answer.headers_mut());
                        // It is a connection until the last of its body is written.
                        let body = |body: Incoming| {
                            body.map_frame(move |frame| {
                                let _for_as_long = &visit;
                                frame
                            })
                        };
                        return Ok(answer.map(|it| body(it).boxed()));
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let nothing_sent = matches!(error, Unanswered::NotReady(_));
        if nothing_sent || (can_repeat && error.is_not_ready()) {
            let ticket = give_back(lease, &error, &mut visit, server).await;
            held = hold::request(ticket, has_left).await;
        } else {
            let answer = failure(&error);
            visit.upstream_failed(&upstream.shown, &error);
            visit.answered(lease, answer.status());
            return Err(answer);
        }
    }
}
