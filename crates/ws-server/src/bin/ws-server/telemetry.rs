//! What log lines look like, and where they go: stderr, for people or for machines.

pub(crate) mod cloud;

use readiness_guard::Vars;
use tokio::sync::SetOnce;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Registry, registry};
use ws_server::settings::{LogFormat, LogSettings};

use self::cloud::Cloud;
use crate::view::Screen;

/// Of the log, which there is one of in a process, once it is installed.
static LEVEL: SetOnce<Level> = SetOnce::const_new();

/// The least important level that is logged, to be changed.
#[derive(Clone)]
pub(crate) struct Level(Handle<LevelFilter, Registry>);

impl Level {
    pub(crate) fn set(&self, level: LevelFilter) {
        // Fails only where the log is gone, and it is there to the end of the process.
        let _ = self.0.reload(level);
    }
}

/// Resolves when there is a log.
pub(crate) async fn level() -> Level {
    LEVEL.wait().await.clone()
}

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
    let (level, handle) = reload::Layer::new(log.level);
    registry().with(level).with(lines).try_init()?;
    // What was installed is installed once.
    let _ = LEVEL.set(Level(handle));
    Ok(())
}
