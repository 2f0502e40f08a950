//! What can be set, with its defaults.
//!
//! [`Settings`] and its sections are plain data, always available. With the feature `settings-load`,
//! `Settings::load` reads them from, in rising order of precedence: the defaults, a file (TOML, YAML or
//! JSON), environment variables (`WS_SERVER__QUEUE__MAX_SIZE=500`) and flags. It reports every problem
//! at once, each with its key, where it was set and what would be right, and it can print what is in
//! effect and where each value came from.
//!
//! This module never opens a socket, resolves a name or looks at the process environment by itself.
//!
//! ```
//! use std::time::Duration;
//! use ws_server::settings::Settings;
//!
//! let mut settings = Settings::default();
//! settings.queue.max_size = 500;
//! assert_eq!(settings.queue.max_wait, Duration::from_secs(30));
//! ```

mod choices;
#[cfg(feature = "settings-load")]
mod load;
mod sections;

pub use self::choices::{HandlerKind, HoldMode, LogFormat, RefuseWith, Restart, SlowReader};
#[cfg(feature = "settings-load")]
pub use self::load::{Change, Entry, Loaded, Problem, Problems, Sources};
pub use self::sections::{
    AdminSettings, ChildSettings, GuardSettings, LimitSettings, LogSettings, ProxySettings,
    QueueSettings, ServerSettings, ShutdownSettings, StartupSettings, StepSettings,
};

use readiness_guard::Tier;
use startup_phases::Phase;

/// Everything that can be set. `Default` gives a server that runs as it is: echo on `127.0.0.1:8080`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Where the process runs, which decides how long the guard waits. Default: none, it is detected.
    pub environment: Option<Tier>,
    /// Where to listen and what to serve.
    pub server: ServerSettings,
    /// The server behind this one, if there is one.
    pub proxy: ProxySettings,
    /// The application that is started along with this server, if there is one.
    pub child: ChildSettings,
    /// What has to happen before connections are served.
    pub startup: StartupSettings,
    /// How readiness is waited for.
    pub guard: GuardSettings,
    /// How clients that come early are held.
    pub queue: QueueSettings,
    /// What one client, and all of them together, may use.
    pub limits: LimitSettings,
    /// How the server stops.
    pub shutdown: ShutdownSettings,
    /// A port of its own for the operators' pages.
    pub admin: AdminSettings,
    /// What is logged, and in which form.
    pub log: LogSettings,
}

impl Settings {
    /// The phase at which the gate may open: the guard looks for no earlier one, so that what it
    /// sees is true when the gate opens.
    pub(crate) fn opens_at(&self) -> Phase {
        self.startup.open_after.max(self.guard.minimum_phase)
    }
}
