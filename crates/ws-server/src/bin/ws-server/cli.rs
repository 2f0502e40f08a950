//! The command line, and the settings that it leads to.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use readiness_guard::Vars;
use ws_server::probe::Probe;
use ws_server::settings::{Loaded, Problems, Settings, Sources};

use crate::Exit;
use crate::child::SUBCOMMAND;

/// A WebSocket server that is safe to connect to from its very first millisecond: it binds at
/// once, holds early clients through startup, and admits them in order when startup is done.
#[derive(Parser)]
#[command(name = "ws-server", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: SettingsArgs,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve (the default)
    Run(SettingsArgs),
    /// Validate the settings, print them as they are in effect, and the startup plan
    Check(SettingsArgs),
    /// Exit with 0 if a running server says that it is ready, for health checks without curl
    Probe(ProbeArgs),
    /// Show a running server live, until Ctrl-C: its phases, its queue and its connections
    Watch(WatchArgs),
    /// What this command starts to become the application behind the proxy
    #[command(name = SUBCOMMAND, hide = true)]
    BecomeApplication(ApplicationArgs),
}

#[derive(Args, Clone)]
pub(crate) struct SettingsArgs {
    /// A settings file: .toml, .yaml or .json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [server.listen]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Passes connections on to this server, such as ws://127.0.0.1:8000; implies --handler proxy
    /// [proxy.upstream]
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// What serves the connections: echo or proxy [server.handler]
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// local, test, development, staging or production; detected if not given [environment]
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Any setting, such as queue.max_size=500; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Log lines for people (text) or for machines (json) [log.format]
    #[arg(long, value_name = "FORMAT")]
    log: Option<String>,
    /// The application behind the proxy: it is started and watched by this server, too
    /// [child.command]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Args)]
pub(crate) struct ApplicationArgs {
    pub(crate) parent: i32,
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Args)]
pub(crate) struct ProbeArgs {
    /// The server, such as http://127.0.0.1:8080; where it would listen with this environment if
    /// not given
    pub(crate) url: Option<String>,
}

#[derive(Args)]
pub(crate) struct WatchArgs {
    /// The server, such as http://127.0.0.1:8080; where it would listen with this environment if
    /// not given
    pub(crate) url: Option<String>,
}

impl SettingsArgs {
    /// The settings in effect; every problem with them is on stderr otherwise.
    pub(crate) fn load(&self, vars: &Vars) -> Result<Loaded, Exit> {
        self.read(vars).map_err(|problems| {
            eprintln!("ws-server: the settings are not usable:");
            for problem in problems.iter() {
                eprintln!("  {problem}");
            }
            Exit::BadConfiguration
        })
    }

    /// The settings that file, environment and flags say now.
    pub(crate) fn read(&self, vars: &Vars) -> Result<Loaded, Problems> {
        let mut sources = Sources::new(vars).check_probes(|address| {
            address
                .parse::<Probe>()
                .map(drop)
                .map_err(|e| e.to_string())
        });
        if let Some(file) = &self.config {
            sources = sources.file(file);
        }
        for assignment in &self.set {
            sources = sources.flag("--set", assignment);
        }
        if !self.command.is_empty() {
            sources = sources.list("COMMAND", "child.command", self.command.clone());
        }
        if let Some(upstream) = &self.upstream {
            sources = sources.flag("--upstream", format!("proxy.upstream={upstream}"));
            sources = sources.flag("--upstream", "server.handler=proxy");
        }
        for (flag, key, value) in [
            ("--listen", "server.listen", &self.listen),
            ("--handler", "server.handler", &self.handler),
            ("--environment", "environment", &self.environment),
            ("--log", "log.format", &self.log),
        ] {
            if let Some(value) = value {
                sources = sources.flag(flag, format!("{key}={value}"));
            }
        }
        Settings::load(&sources)
    }
}
