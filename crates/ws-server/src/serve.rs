//! The way of one connection, from the accepted socket to its end.
//!
//! Read it from top to bottom: the head is read; an upgrade arrives at the gate, is held if the
//! gate is closed, gets its 101 and is served; anything else is a request for one of our own pages.
//!
//! Each stage is boxed on its own and gone before the next one begins, so that a connection costs
//! what its stage needs: a held one little, and a served one nothing of the hold.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::debug;
use ws_queue::{Entry, Ticket};

use crate::admit::{accept, close, refuse};
use crate::answer::Answer;
use crate::connection::Connection;
use crate::handshake::Pending;
use crate::head::{self, Head, Method};
use crate::hold::{self, Held, Kept};
use crate::http::{self, Port};
use crate::listener::Transport;
use crate::mailbox::Mailbox;
use crate::message::Message;
#[cfg(feature = "proxy")]
use crate::proxy;
use crate::registry::Client;
use crate::request::Request;
use crate::session::Session;
use crate::settings::HoldMode;
use crate::shared::Shared;
use crate::socket::Socket;
use crate::visit::{TRACEPARENT, Visit};

/// `arriving` is kept until the connection has come to the gate, or has turned out not to.
pub(crate) async fn connection<T: Transport>(
    mut stream: T,
    peer: SocketAddr,
    server: Arc<Shared>,
    arriving: TaskTrackerToken,
) {
    let limit = server.limits().handshake_timeout;
    match head::read(&mut stream, limit).await {
        Ok(Head::Plain { read }) => {
            Box::pin(http::serve(
                stream,
                read,
                peer,
                Port::Main,
                server,
                Some(arriving),
            ))
            .await;
        }
        Ok(Head::Upgrade {
            method,
            request,
            early,
        }) => match pending(stream, method, request, early, &server) {
            Ok(pending) => {
                #[cfg(feature = "proxy")]
                if let Some(upstream) = &server.upstream {
                    return Box::pin(proxy::upgrade(pending, peer, upstream, &server, arriving))
                        .await;
                }
                let arrived = Box::pin(arrive(pending, peer, &server, arriving)).await;
                if let Some(admitted) = arrived {
                    let mut session = Box::new(session(admitted, &server));
                    Box::pin(session.run()).await;
                }
            }
            Err((stream, answer)) => turn_down(stream, peer, &answer, &server).await,
        },
        Err(error) => {
            if let Some(answer) = Answer::to_unreadable(error) {
                turn_down(stream, peer, &answer, &server).await;
            }
        }
    }
}

/// Answers a request that could not become a WebSocket at any time.
async fn turn_down<T: Transport>(stream: T, peer: SocketAddr, answer: &Answer, server: &Shared) {
    debug!(%peer, reason = answer.reason(), "handshake failed");
    server.journal.metrics.handshake_failed(answer.reason());
    answer.send(stream).await;
}

/// Whether this request may have a WebSocket at all, at any time.
fn pending<T: Transport>(
    stream: T,
    method: Method,
    request: Request,
    early: Bytes,
    server: &Shared,
) -> Result<Pending<T>, (T, Answer)> {
    let path = &server.settings.server.path;
    if path != "*" && request.path() != path {
        let detail = format!("WebSockets are served at {path}");
        return Err((stream, Answer::new("404 Not Found", "not_found", &detail)));
    }
    let origins = &server.limits().origins;
    if !origins.is_empty()
        && !request
            .header("origin")
            .is_some_and(|it| is_among(origins, it))
    {
        let detail = "this origin may not connect";
        return Err((stream, Answer::new("403 Forbidden", "origin", detail)));
    }
    Pending::new(stream, method, request, early)
}

fn is_among(origins: &[String], origin: &str) -> bool {
    origins
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(origin))
}

/// A client that has its WebSocket and whose turn it is.
struct Admitted<T> {
    socket: Socket<T>,
    request: Request,
    /// What it sent while it was held.
    kept: VecDeque<Message>,
    visit: Visit,
}

/// From the gate to the WebSocket. Whoever does not get that far has had its answer, or has left.
async fn arrive<T: Transport>(
    mut pending: Pending<T>,
    peer: SocketAddr,
    server: &Shared,
    arriving: TaskTrackerToken,
) -> Option<Admitted<T>> {
    let request = pending.request();
    let begun = Visit::begin(server, peer, || request.path(), request.header(TRACEPARENT));
    let mut visit = match begun {
        Ok(visit) => visit,
        Err(one_too_many) => {
            refuse(pending, one_too_many, server).await;
            return None;
        }
    };
    let entry = server.queue.enter(visit.client());
    drop(arriving);
    let held = match entry {
        Entry::Admitted(lease) => Held::Admitted(lease),
        Entry::Refused(why) => Held::Refused(why.into()),
        Entry::Held(ticket) => {
            visit.held(ticket.position());
            match server.settings.queue.hold {
                HoldMode::Upgrade => hold::before_upgrade(&mut pending, ticket).await,
                HoldMode::Frames => {
                    return Box::pin(hold_frames(pending, ticket, visit, server)).await;
                }
            }
        }
    };
    match held {
        Held::Admitted(lease) => {
            // Should the client have left, the lease is dropped, and with that it counts as gone.
            let (socket, request) = accept(pending, server).await?;
            visit.admitted(lease);
            Some(Admitted {
                socket,
                request,
                kept: VecDeque::new(),
                visit,
            })
        }
        Held::Refused(reason) => {
            visit.refused(reason);
            refuse(pending, reason, server).await;
            None
        }
        Held::Left => None,
    }
}

/// Holds a client behind its 101.
async fn hold_frames<T: Transport>(
    pending: Pending<T>,
    ticket: Ticket<Client>,
    mut visit: Visit,
    server: &Shared,
) -> Option<Admitted<T>> {
    let (mut socket, request) = accept(pending, server).await?;
    let mut kept = Kept::new(server.settings.queue.max_held_bytes);
    match hold::after_upgrade(&mut socket, &mut kept, ticket).await {
        Ok(Held::Admitted(lease)) => {
            visit.admitted(lease);
            let kept = kept.into_messages();
            kept.iter().for_each(|it| visit.received(it.len()));
            Some(Admitted {
                socket,
                request,
                kept,
                visit,
            })
        }
        Ok(Held::Refused(reason)) => {
            visit.refused(reason);
            close(socket, reason, server).await;
            None
        }
        Ok(Held::Left) => None,
        Err(end) => {
            visit.closed_while_held(end);
            None
        }
    }
}

/// What serves a client from its first message on. Made before it is waited for, so that nothing of what
/// it is made from takes room in it.
fn session<T: Transport>(admitted: Admitted<T>, server: &Shared) -> Session<T> {
    let Admitted {
        socket,
        request,
        kept,
        visit,
    } = admitted;
    let limits = server.limits();
    let mailbox = Arc::new(Mailbox::new(&limits, kept));
    let client = Arc::clone(visit.client());
    let stopping = server.drain.watch(client.id);
    let connection = Connection::new(client, request, Arc::clone(&mailbox));
    let handler = (server.handlers)(connection);
    Session::new(visit, socket, mailbox, handler, &limits, stopping)
}
