//! A served connection, as its handler sees it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::error::{Closed, SendNowError};
use crate::mailbox::{Batch, Mailbox};
use crate::message::{Message, Utf8Bytes};
use crate::registry::Client;
use crate::request::Request;

/// A connection whose client has been admitted and has its WebSocket.
///
/// Dropping it does not end the connection; the end of the handler does.
pub struct Connection {
    client: Arc<Client>,
    request: Request,
    mailbox: Arc<Mailbox>,
    /// What has come and was not asked for yet.
    unread: Batch,
}

impl Connection {
    pub(crate) fn new(client: Arc<Client>, request: Request, mailbox: Arc<Mailbox>) -> Self {
        Self {
            client,
            request,
            mailbox,
            unread: Batch::default(),
        }
    }

    /// The next message, in the order in which the client sent them; `None` once the connection
    /// has ended and every message that had been accepted before was taken.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no message is lost.
    pub async fn recv(&mut self) -> Option<Message> {
        if self.unread.is_empty() {
            self.mailbox.recv(&mut self.unread).await;
            return self.unread.pop();
        }
        let message = self.unread.pop();
        if self.unread.is_empty() {
            self.mailbox.all_read();
        }
        message
    }

    /// Queues a message for the client, waiting while more than `limits.send_buffer` bytes wait
    /// behind the one being written.
    ///
    /// # Errors
    ///
    /// [`Closed`] once the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolves, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Closed> {
        self.mailbox.send(message.into()).await
    }

    /// A second hand to send with, for other tasks.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender {
            mailbox: Arc::clone(&self.mailbox),
        }
    }

    /// Ends the connection with this close code and reason once everything sent before is
    /// written. Of the reason, 123 bytes are sent at most.
    ///
    /// A code that may not be sent (1005, 1006, 1015, or outside 1000 to 4999) counts as 1000.
    pub fn close(&self, code: u16, reason: &str) {
        let code = CloseCode::from(code);
        let code = if code.is_allowed() {
            code
        } else {
            CloseCode::Normal
        };
        let end = (0..=reason.len().min(123)).rfind(|&at| reason.is_char_boundary(at));
        self.mailbox
            .close(code, Utf8Bytes::from(&reason[..end.unwrap_or(0)]));
    }

    /// The request that asked for this connection.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The address of the client, or of the proxy before it.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.client.peer
    }

    /// The number of this connection in the server's logs, unique in the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.client.id
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id())
            .field("peer", &self.peer())
            .finish_non_exhaustive()
    }
}

/// Sends to a connection from anywhere; cheap to clone.
#[derive(Clone)]
pub struct Sender {
    mailbox: Arc<Mailbox>,
}

impl Sender {
    /// The same as [`Connection::send`].
    ///
    /// # Errors
    ///
    /// [`Closed`] once the connection has ended.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Closed> {
        self.mailbox.send(message.into()).await
    }

    /// Queues a message without waiting: for one who sends to many and must not wait for the
    /// slowest.
    ///
    /// # Errors
    ///
    /// [`SendNowError::Full`] where more than `limits.send_buffer` bytes wait already: the client
    /// reads too slowly. Then its connection is closed with 1008, or only this message is
    /// dropped, as `limits.slow_reader` says. [`SendNowError::Closed`] once the connection has
    /// ended.
    pub fn send_now(&self, message: impl Into<Message>) -> Result<(), SendNowError> {
        self.mailbox.send_now(message.into())
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
