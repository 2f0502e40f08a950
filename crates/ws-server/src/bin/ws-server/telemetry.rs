//! What log lines look like, and where they go: stderr, for people or for machines.

pub(crate) mod cloud;

use readiness_guard::Vars;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use ws_server::settings::{LogFormat, LogSettings};

use self::cloud::Cloud;
use crate::view::Screen;

/// Logs from now on. Lines for people appear above what `screen` shows.
pub(crate) fn install(log: &LogSettings, screen: &Screen, vars: &Vars) -> Result<(), TryInitError> {
    let lines = tracing_subscriber::fmt::layer().with_writer(screen.clone());
    let lines = match log.format {
        LogFormat::Text => lines
            .with_target(false)
            .with_ansi(screen.has_colours())
            .boxed(),
        LogFormat::Json => lines
            .fmt_fields(JsonFields::new())
            .event_format(Cloud {
                project: vars.get("GOOGLE_CLOUD_PROJECT").map(str::to_owned),
            })
            .boxed(),
    };
    registry().with(log.level).with(lines).try_init()
}
