//! What a look found instead of a ready service.

use std::fmt;
use std::io;
use std::time::Duration;

/// The most of a service's own words that goes into an error.
const MAX_SEEN: usize = 300;

/// Why a service is not ready: its address, without secrets, and what was seen.
///
/// ```text
/// postgres://app:***@db.internal/app: the database system is starting up (57P03)
/// ```
///
/// All there is to know is in its [`Display`](fmt::Display), on one line; it has no source.
#[derive(Clone, Debug)]
pub struct ProbeError {
    address: String,
    seen: Seen,
}

/// What was seen, in words.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    words: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Silence,
    Answer,
}

impl ProbeError {
    pub(super) fn new(address: &str, seen: Seen) -> Self {
        Self {
            address: address.to_owned(),
            seen,
        }
    }

    /// Nothing was seen within the time limit, neither an answer nor a refusal.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.seen.kind == Kind::Silence
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.seen.words)
    }
}

impl std::error::Error for ProbeError {}

impl Seen {
    /// Words that may come from the service: kept to one printable line of bounded length, since
    /// they end up in logs and on a terminal.
    pub(super) fn new(words: impl AsRef<str>) -> Self {
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let line: String = words
            .as_ref()
            .trim()
            .chars()
            .map(printable)
            .take(MAX_SEEN)
            .collect();
        Self {
            words: line,
            kind: Kind::Answer,
        }
    }

    /// Nothing within `limit`.
    pub(super) fn silence(limit: Duration) -> Self {
        Self {
            words: format!("no answer within {limit:?}"),
            kind: Kind::Silence,
        }
    }

    pub(super) fn words(&self) -> &str {
        &self.words
    }
}

impl From<io::Error> for Seen {
    fn from(error: io::Error) -> Self {
        // The kind of what the system says reads "connection refused", without the number; a layer
        // above TCP has words of its own.
        match error.raw_os_error() {
            Some(_) if error.kind().to_string() != io::ErrorKind::Other.to_string() => {
                Self::new(error.kind().to_string())
            }
            _ => Self::new(error.to_string()),
        }
    }
}
