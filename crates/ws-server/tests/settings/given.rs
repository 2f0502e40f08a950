//! What the tests share: sources in one value, and the specification's listing.

use std::path::PathBuf;

use readiness_guard::Vars;
use tempfile::TempDir;
use ws_server::settings::{Loaded, Problems, Settings, Sources};

/// The specification's listing, cut to the keys there are.
pub(crate) const LISTING: &str = r#"
environment = "production"        # default: detected

[server]
listen = "127.0.0.1:8080"
path = "/ws"                      # where WebSockets are served; "*" for every path (default with proxy)
handler = "echo"                  # echo | bridge | proxy

[startup]
open_after = "websocket"
failed_linger = "1s"
[[startup.steps]]
phase = "database"
name = "postgres"
probe = "postgres://app@127.0.0.1:5432/app"   # tcp:// http(s):// ws(s):// postgres:// redis:// nats:// exec:CMD
critical = true
timeout = "60s"
interval = "100ms"
monitor = false                   # true: keep checking after startup; losing it closes the gate

[guard]
minimum_phase = "services"
interval = "100ms"
timeout = "5s"                    # default: by environment
timeout_multiplier = 1.0

[queue]
max_size = 50
max_wait = "30s"
hold = "upgrade"                  # upgrade | frames
max_held_bytes = "64KiB"           # frames: what one held client may send before back-pressure
hold_from = "init"                # the earliest phase in which clients are held rather than refused
refuse_with = "http"              # http: 503 | close: upgrade, then 1013
release_per_second = 0            # 0: all at once
release_in_flight = 0             # at most so many admitted and not yet acknowledged by the handler; 0: no limit

[limits]
max_connections = 10000
max_connections_per_ip = 0        # 0: no limit
max_message_size = "1MiB"
max_frame_size = "1MiB"
handshake_timeout = "3s"
idle_timeout = "0s"
ping_interval = "25s"
pong_timeout = "10s"
send_buffer = "1MiB"              # what may wait behind the message being written
slow_reader = "close"             # close (1008) | drop
origins = []                      # empty: any

[shutdown]
delay = "0s"                      # go on serving this long after readiness says no
drain = "8s"                      # the close handshakes included
close_code = 1001

[admin]
listen = ""

[log]
format = "text"                   # text | json
level = "info"
"#;

/// Everything settings are read from, so that a test names only what matters to it.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) file: Option<(TempDir, PathBuf)>,
    variables: Vec<(&'static str, &'static str)>,
    flags: Vec<&'static str>,
}

impl Given {
    pub(crate) fn file(name: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a written file");
        Self {
            file: Some((folder, path)),
            ..Self::default()
        }
    }

    pub(crate) fn toml(text: &str) -> Self {
        Self::file("ws.toml", text)
    }

    pub(crate) fn variables(variables: &[(&'static str, &'static str)]) -> Self {
        Self {
            variables: variables.to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn flags(flags: &[&'static str]) -> Self {
        Self {
            flags: flags.to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn and_variables(self, variables: &[(&'static str, &'static str)]) -> Self {
        Self {
            variables: variables.to_vec(),
            ..self
        }
    }

    pub(crate) fn and_flags(self, flags: &[&'static str]) -> Self {
        Self {
            flags: flags.to_vec(),
            ..self
        }
    }

    pub(crate) fn load(&self) -> Result<Loaded, Problems> {
        let variables: Vars = self.variables.iter().copied().collect();
        let mut sources = Sources::new(&variables).check_probes(|address| match address {
            "nonsense" => Err("\"nonsense\" is not an address".to_owned()),
            _ => Ok(()),
        });
        if let Some((_, path)) = &self.file {
            sources = sources.file(path);
        }
        for flag in &self.flags {
            sources = sources.flag("--set", *flag);
        }
        Settings::load(&sources)
    }

    pub(crate) fn settings(&self) -> Settings {
        self.load()
            .unwrap_or_else(|problems| panic!("{problems}"))
            .settings
    }

    /// The problems, one a line, without the folder of the file.
    pub(crate) fn problems(&self) -> Vec<String> {
        let text = self.load().expect_err("there are problems").to_string();
        let folder = self
            .file
            .as_ref()
            .map(|(folder, _)| format!("{}/", folder.path().display()));
        let text = folder.map_or(text.clone(), |folder| text.replace(&folder, ""));
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn problem(&self) -> String {
        let problems = self.problems();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        problems[0].clone()
    }
}
