//! Where log lines go: stderr, for people or for machines.

use std::io::{self, IsTerminal};

use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use ws_server::settings::{LogFormat, LogSettings};

pub(crate) fn install(log: &LogSettings) -> Result<(), TryInitError> {
    let lines = tracing_subscriber::fmt()
        .with_max_level(log.level)
        .with_target(false)
        .with_writer(io::stderr);
    match log.format {
        LogFormat::Text => lines
            .with_ansi(io::stderr().is_terminal())
            .finish()
            .try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    }
}
