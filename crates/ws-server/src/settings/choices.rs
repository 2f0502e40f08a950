//! The settings that are one of a few words.

/// What is done with a connection once it is admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandlerKind {
    /// `echo`: every message goes back to its sender.
    #[default]
    Echo,
    /// `proxy`: the connection is passed on to the upstream.
    Proxy,
}

/// How a client is held while the gate is closed (S4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HoldMode {
    /// `upgrade`: the HTTP upgrade is answered at admission; the client sees a slow connect, nothing else.
    /// The default, since every client copes with it and it costs the least memory.
    #[default]
    Upgrade,
    /// `frames`: the upgrade is answered at once, messages are kept until admission. For clients whose own
    /// connect timeout is shorter than the hold.
    Frames,
}

/// How a client is told that it cannot be served now (S5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RefuseWith {
    /// `http`: status 503 with `Retry-After`. The default, since nothing is cheaper or plainer.
    #[default]
    Http,
    /// `close`: the upgrade is answered, then closed with 1013. For browsers, which hide the status of a
    /// refused upgrade from the page.
    Close,
}

/// What happens to a client that does not read what it is sent (S12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SlowReader {
    /// `close`: the connection is closed with 1008. The default, since no message disappears unnoticed.
    #[default]
    Close,
    /// `drop`: messages that find no room are dropped, the connection stays.
    Drop,
}

/// Whether an application that has ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// `always`: however it ended. The default, since a server that has ended serves nobody.
    #[default]
    Always,
    /// `on-failure`: unless it ended with 0.
    OnFailure,
    /// `never`.
    Never,
}

/// The form of the log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// `text`: for people. The default.
    #[default]
    Text,
    /// `json`: one object a line, for log collectors.
    Json,
}
