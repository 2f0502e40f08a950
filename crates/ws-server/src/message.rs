//! What handlers receive and send.

use bytes::Bytes;
use tokio_tungstenite::tungstenite;
pub use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A message of a client, or to one. Control frames (ping, pong, close) are the server's affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text, known to be UTF-8.
    Text(Utf8Bytes),
    /// Anything else.
    Binary(Bytes),
}

impl Message {
    /// The length of the payload in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it costs to keep: the payload and what surrounds it, so that many empty messages find
    /// an end where a few full ones do.
    pub(crate) fn cost(&self) -> usize {
        self.len() + size_of::<Self>()
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// A copy that owns exactly its payload, and not the read buffer that the payload lay in.
    pub(crate) fn detached(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Utf8Bytes::from(text.as_str())),
            Self::Binary(bytes) => Self::Binary(Bytes::copy_from_slice(&bytes)),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<Message> for tungstenite::Message {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(bytes) => Self::Binary(bytes),
        }
    }
}
