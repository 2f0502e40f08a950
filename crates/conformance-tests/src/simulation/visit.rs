//! What one client saw and did on one connection: all that the judgement knows of it.

use super::scenario::How;
use super::story::Moment;

/// One connection of one client.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) name: Name,
    /// A page's path, where it did not ask for a WebSocket.
    pub(super) page: Option<&'static str>,
    pub(super) connected: Moment,
    /// When the server had read the last byte of the request's head.
    pub(super) arrived: Option<Moment>,
    /// When the server wrote the first byte of its answer.
    pub(super) answered: Option<Moment>,
    pub(super) answer: Option<Answer>,
    pub(super) said: Vec<Said>,
    /// When each of its messages came back; always the first of those it said.
    pub(super) heard: Vec<Moment>,
    /// The close frame that it heard.
    pub(super) closed: Option<Closed>,
    /// It has said goodbye, of its own accord or in answer.
    pub(super) said_goodbye: Option<Moment>,
    pub(super) left: Option<(How, Moment)>,
    pub(super) stalled: bool,
    /// What may not happen to anybody, whatever the deployment.
    pub(super) outrages: Vec<String>,
    /// How many bytes of a frame or a head had come when the connection ended in an orderly way.
    pub(super) cut: usize,
    pub(super) end: End,
    pub(super) ended: Moment,
}

/// The numbers from here on are of those who are no clients: they look at the status.
pub(super) const FIRST_LOOKER: usize = 1_000_000;

/// Whose, and the how-manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    pub(super) client: usize,
    pub(super) attempt: u32,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.attempt {
            _ if self.client >= FIRST_LOOKER => write!(f, "look {}", self.client - FIRST_LOOKER),
            0 => write!(f, "client {}", self.client),
            attempt => write!(f, "client {}.{attempt}", self.client),
        }
    }
}

impl Name {
    /// As it stands in the query of a request.
    pub(super) fn query(self) -> String {
        format!("{}.{}", self.client, self.attempt)
    }

    pub(super) fn from_query(query: &str) -> Option<Self> {
        let (client, attempt) = query.split_once('.')?;
        Some(Self {
            client: client.parse().ok()?,
            attempt: attempt.parse().ok()?,
        })
    }
}

/// The answer to its request.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<u64>,
    /// Behind a status other than 101.
    pub(super) body: String,
    pub(super) complete: Option<Moment>,
}

impl Answer {
    /// Why a request was refused, in one word.
    pub(super) fn reason(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        body["reason"].as_str().map(str::to_owned)
    }

    pub(super) fn retry_after_ms(&self) -> Option<u64> {
        let body: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        body["retry_after_ms"].as_u64()
    }
}

/// A message it said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
    /// When the server had read the last byte of it.
    pub(super) read: Option<Moment>,
}

#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) at: Moment,
    /// How many of its messages the server had read by then.
    pub(super) heard: usize,
}

/// How a connection ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody listens any more.
    NobodyThere,
    /// The server ended it in an orderly way.
    Orderly,
    /// The server broke it off.
    Reset,
    /// The client left it.
    Left,
    /// It said goodbye and nothing came back.
    Ignored,
}

impl Visit {
    pub(super) fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    /// It got a 101.
    pub(super) fn is_open(&self) -> bool {
        self.status() == Some(101)
    }

    pub(super) fn code(&self) -> Option<u16> {
        self.closed.as_ref().map(|closed| closed.code)
    }

    /// Why it was refused, where it was told.
    pub(super) fn refusal(&self) -> Option<String> {
        let answer = self.answer.as_ref()?;
        // A page says why it says no, and is no refusal.
        let asks = self.page.is_none_or(|page| page == "/application");
        (asks && answer.status == 503).then(|| answer.reason())?
    }
}
