//! The values that labels can have.

use crate::refusal::Reason;

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HoldOutcome {
    Admitted,
    Expired,
    Abandoned,
    Refused,
}

impl HoldOutcome {
    pub(super) const ALL: [Self; 4] = [
        Self::Admitted,
        Self::Expired,
        Self::Abandoned,
        Self::Refused,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Expired => "expired",
            Self::Abandoned => "abandoned",
            Self::Refused => "refused",
        }
    }
}

impl From<Reason> for HoldOutcome {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::HoldExpired => Self::Expired,
            _ => Self::Refused,
        }
    }
}

/// Who began to close a connection, or broke it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Client,
    Server,
    #[cfg(feature = "proxy")]
    Upstream,
}

impl By {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            #[cfg(feature = "proxy")]
            Self::Upstream => "upstream",
        }
    }
}

/// Those that RFC 6455 and its registry name, one by one; those that applications choose for
/// themselves by their range, since a client could send each of them once.
pub(super) const CODES: [&str; 17] = [
    "1000",
    "1001",
    "1002",
    "1003",
    "1005",
    "1006",
    "1007",
    "1008",
    "1009",
    "1010",
    "1011",
    "1012",
    "1013",
    "1014",
    "3000-3999",
    "4000-4999",
    "other",
];

pub(crate) fn code_label(code: u16) -> &'static str {
    match code {
        1000..=1003 => CODES[usize::from(code - 1000)],
        1005..=1014 => CODES[usize::from(code - 1001)],
        3000..=3999 => "3000-3999",
        4000..=4999 => "4000-4999",
        _ => "other",
    }
}

/// The reasons in the answers to requests that could not become a WebSocket.
pub(super) const HANDSHAKE_FAILURES: [&str; 11] = [
    "bad_handshake",
    "head_too_large",
    "http_version",
    "malformed_request",
    "not_found",
    "origin",
    "request_timeout",
    "too_many_fields",
    "upstream_failed",
    "upstream_refused",
    "upstream_timeout",
];
