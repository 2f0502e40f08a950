//! What a look found instead of a ready service.

use std::fmt;
use std::io;
use std::net::SocketAddr;
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
pub(crate) struct Seen {
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
    #[cfg(feature = "proxy")]
    pub(crate) fn into_words(self) -> String {
        self.words
    }

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

    /// What was seen at each of several addresses.
    pub(super) fn at_each(seen: &[(SocketAddr, Self)]) -> Self {
        let words: Vec<String> = seen
            .iter()
            .map(|(address, seen)| format!("{address} {}", seen.words))
            .collect();
        let silence = seen.iter().all(|(_, seen)| seen.kind == Kind::Silence);
        Self {
            kind: if silence { Kind::Silence } else { Kind::Answer },
            ..Self::new(words.join(", "))
        }
    }
}

impl From<io::Error> for Seen {
    /// "connection refused", where the system says "Connection refused (os error 111)".
    fn from(error: io::Error) -> Self {
        let words = error.to_string();
        if error.raw_os_error().is_none() {
            return Self::new(words);
        }
        let plain = words.split(" (os error").next().unwrap_or_default();
        Self::new(plain.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_without_its_number() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(Seen::from(refused).words, "connection refused");
        let other = io::Error::other("invalid peer certificate: UnknownIssuer");
        assert_eq!(
            Seen::from(other).words,
            "invalid peer certificate: UnknownIssuer"
        );
    }

    #[test]
    fn what_a_service_says_is_one_bounded_printable_line() {
        let words = Seen::new(format!("a\r\n\x1b[31m{}", "x".repeat(1000))).words;
        assert!(words.starts_with("a   [31mx"), "{words}");
        assert_eq!(words.chars().count(), MAX_SEEN);
    }

    #[test]
    fn several_addresses_are_silent_only_if_all_are() {
        let at = |seen: &Seen| ("127.0.0.1:1".parse().unwrap(), seen.clone());
        let (silent, refused) = (Seen::silence(Duration::from_secs(1)), Seen::new("refused"));
        let both = Seen::at_each(&[at(&silent), at(&refused)]);
        assert_eq!(
            both.words,
            "127.0.0.1:1 no answer within 1s, 127.0.0.1:1 refused"
        );
        assert_eq!(both.kind, Kind::Answer);
        assert_eq!(
            Seen::at_each(&[at(&silent), at(&silent)]).kind,
            Kind::Silence
        );
    }
}
