//! Keeps a client waiting at the closed gate, in one of two ways, and notices when it leaves.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use ws_queue::{Lease, Outcome, Ticket};

use crate::handshake::Pending;
use crate::listener::Transport;
use crate::message::Message;
use crate::metrics::By;
use crate::refusal::Reason;
use crate::registry::Client;
use crate::session::{goodbye_for, say_goodbye};
use crate::socket::Socket;
use crate::visit::End;

/// How often a client is looked for whose unread bytes hide the event of its leaving (S7).
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// How a hold ended.
pub(crate) enum Held<'queue> {
    Admitted(Lease<'queue, Client>),
    Refused(Reason),
    /// The client has left. Dropping its ticket freed its place.
    Left,
}

impl From<Outcome<Client>> for Held<'_> {
    fn from(outcome: Outcome<Client>) -> Self {
        match outcome {
            Outcome::Admitted(lease) => Self::Admitted(lease),
            Outcome::Expired => Self::Refused(Reason::HoldExpired),
            Outcome::Refused(why) => Self::Refused(why.into()),
            Outcome::Abandoned => Self::Left,
        }
    }
}

/// Holds a client that has no answer to its upgrade yet.
pub(crate) async fn before_upgrade<T: Transport>(
    pending: &mut Pending<T>,
    ticket: Ticket<Client>,
) -> Held<'static> {
    tokio::select! {
        biased;
        outcome = ticket => outcome.into(),
        () = pending.left() => Held::Left,
    }
}

/// Whether a client has left, judged without reading.
#[cfg(feature = "proxy")]
pub(crate) type HasLeft<'a> = dyn Fn() -> bool + Sync + 'a;

/// Holds a request that the HTTP server keeps.
#[cfg(feature = "proxy")]
pub(crate) async fn request(ticket: Ticket<Client>, has_left: &HasLeft<'_>) -> Held<'static> {
    tokio::select! {
        biased;
        outcome = ticket => outcome.into(),
        () = look_for_leaving(has_left) => Held::Left,
    }
}

/// Holds a client that has its WebSocket: its pings are answered, its messages kept in order. The end
/// of the WebSocket, if that comes first; with it the ticket is gone, and the place.
pub(crate) async fn after_upgrade<T: Transport>(
    socket: &mut Socket<T>,
    kept: &mut Kept,
    ticket: Ticket<Client>,
) -> Result<Held<'static>, End> {
    let left = tokio::select! {
        biased;
        outcome = ticket => return Ok(outcome.into()),
        left = kept.fill(socket) => left,
    };
    Err(match left {
        Left::Closing(code) => End::new(code, By::Client),
        Left::Gone(fault) => match fault.as_ref().and_then(goodbye_for) {
            // Who breaks the protocol is told so, held or not.
            Some(goodbye) => {
                let code = goodbye.code;
                say_goodbye(socket, goodbye).await;
                End::new(code, By::Server)
            }
            None => End::lost(By::Client),
        },
    })
}

/// How a client left that has its WebSocket.
enum Left {
    /// It said goodbye, with this code.
    Closing(CloseCode),
    /// It did not; with its fault, if it was one.
    Gone(Option<Error>),
}

/// The messages of a held client.
pub(crate) struct Kept {
    messages: VecDeque<Message>,
    bytes: usize,
    max_bytes: usize,
}

impl Kept {
    /// Once `max_bytes` are kept, nothing more is read, and TCP tells the client to wait.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            messages: VecDeque::new(),
            bytes: 0,
            max_bytes,
        }
    }

    pub(crate) fn into_messages(self) -> VecDeque<Message> {
        self.messages
    }

    /// Resolves when the client has left.
    ///
    /// Cancel safe: each message is kept in the same step in which it is read.
    async fn fill<T: Transport>(&mut self, socket: &mut Socket<T>) -> Left {
        let mut said = None;
        while self.bytes < self.max_bytes {
            let message = match socket.next().await {
                Some(Ok(Frame::Text(text))) => Message::Text(text),
                Some(Ok(Frame::Binary(bytes))) => Message::Binary(bytes),
                // Before the pong is on its way nothing more is read: who reads none could fill
                // the memory with them.
                Some(Ok(Frame::Ping(_))) => match flush(socket).await {
                    Ok(()) => continue,
                    Err(gone) => return Left::Gone(gone),
                },
                // The next read says that there is nothing more, once the answer is written.
                Some(Ok(Frame::Close(frame))) => {
                    said = Some(frame.map_or(CloseCode::Status, |it| it.code));
                    continue;
                }
                Some(Ok(_)) => continue,
                Some(Err(fault)) => return said.map_or(Left::Gone(Some(fault)), Left::Closing),
                None => return said.map_or(Left::Gone(None), Left::Closing),
            };
            self.bytes += message.cost();
            self.messages.push_back(message.detached());
        }
        look_for_leaving(|| socket.stream().peer_has_left()).await;
        Left::Gone(None)
    }
}

/// Writes what the socket has queued, unless the client leaves.
///
/// Cancel safe: what is not written stays queued.
async fn flush<T: Transport>(socket: &mut Socket<T>) -> Result<(), Option<Error>> {
    loop {
        match timeout(LOOK_INTERVAL, socket.flush()).await {
            Ok(flushed) => return flushed.map_err(Some),
            Err(_) if socket.stream().peer_has_left() => return Err(None),
            Err(_) => {}
        }
    }
}

/// Resolves once the client has left, for as long as nothing is being read from it.
pub(crate) async fn look_for_leaving(has_left: impl Fn() -> bool) {
    while !has_left() {
        sleep(LOOK_INTERVAL).await;
    }
}
