//! Proxies as their users run them: each started with what its own documentation has for WebSockets.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use conformance_tests::servers::{self, Port};

use crate::Result;
use crate::peers::{self, Server};

/// A proxy in front of one upstream.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Proxy {
    /// The `ws-server` binary with `--upstream`, and room for more than 50 held.
    Ours,
    Nginx,
    Haproxy,
    /// The same, told to be patient with an upstream that refuses connections.
    PatientHaproxy,
    Caddy,
    /// This program: bytes passed on as they come.
    Raw,
}

/// A proxy whose program is there.
#[derive(Clone)]
pub(crate) struct Installed {
    proxy: Proxy,
    program: PathBuf,
}

impl Proxy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ws-server",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::PatientHaproxy => "HAProxy, 60 retries",
            Self::Caddy => "Caddy",
            Self::Raw => "raw bytes",
        }
    }

    /// `None`: not on this machine, and said so.
    pub(crate) fn find(self, ws_server: &Path) -> Option<Installed> {
        let program = match self {
            Self::Ours => Some(ws_server.to_owned()),
            Self::Nginx => servers::find("nginx"),
            Self::Haproxy | Self::PatientHaproxy => servers::find("haproxy"),
            Self::Caddy => servers::find("caddy"),
            Self::Raw => env::current_exe().ok(),
        };
        if program.is_none() {
            eprintln!("{} is not installed: cargo xtask tools bench", self.name());
        }
        program.map(|program| Installed {
            proxy: self,
            program,
        })
    }

    /// What its file of settings says; its name decides how it is read.
    fn settings(self, address: SocketAddr, upstream: SocketAddr) -> (&'static str, String) {
        match self {
            Self::Ours => ("ws-server.toml", ours()),
            Self::Nginx => ("nginx.conf", nginx(address, upstream)),
            Self::Haproxy => ("haproxy.cfg", haproxy(address, upstream, "")),
            Self::PatientHaproxy => {
                let retries = "retries 60\n    retry-on conn-failure";
                ("haproxy.cfg", haproxy(address, upstream, retries))
            }
            Self::Caddy => ("Caddyfile", caddy(address, upstream)),
            // It has none.
            Self::Raw => ("settings", String::new()),
        }
    }
}

/// Their names with their versions, each program once.
pub(crate) fn versions(installed: &[Installed]) -> Result<String> {
    let mut versions: Vec<String> = Vec::new();
    for (at, one) in installed.iter().enumerate() {
        if installed[..at]
            .iter()
            .all(|other| other.program != one.program)
        {
            versions.push(format!("{} {}", one.name(), one.version()?));
        }
    }
    Ok(versions.join(", "))
}

impl Installed {
    pub(crate) fn name(&self) -> &'static str {
        self.proxy.name()
    }

    /// What there is of it on this machine, for whoever reads the table.
    fn version(&self) -> Result<String> {
        let asked = match self.proxy {
            Proxy::Ours => "--version",
            Proxy::Nginx | Proxy::Haproxy | Proxy::PatientHaproxy => "-v",
            Proxy::Caddy => "version",
            Proxy::Raw => return Ok("of this workspace".to_owned()),
        };
        let output = Command::new(&self.program).arg(asked).output()?;
        // nginx says it where others say what is wrong.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let mut words = said.split(|c: char| c.is_whitespace() || c == '/');
        let number = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        Ok(number.unwrap_or("of unknown version").to_owned())
    }

    /// Starts it in front of an upstream that may not be there yet; returns once its port answers.
    pub(crate) async fn start(&self, upstream: SocketAddr) -> Result<Server> {
        let port = Port::reserve();
        let directory = tempfile::tempdir()?;
        let (name, text) = self.proxy.settings(port.address(), upstream);
        let settings = directory.path().join(name);
        fs::write(&settings, text)?;
        let mut command = peers::tied_to_us(&self.program);
        command.current_dir(directory.path());
        match self.proxy {
            Proxy::Ours => {
                command.arg("--config").arg(settings);
                command.args(["--listen", &port.address().to_string()]);
                command.args(["--upstream", &format!("ws://{upstream}")]);
            }
            Proxy::Nginx => {
                command.args(["-e", "stderr", "-p"]).arg(directory.path());
                command.arg("-c").arg(settings);
            }
            Proxy::Haproxy | Proxy::PatientHaproxy => {
                // In the foreground; quiet about every upstream that it finds missing.
                command.args(["-db", "-q", "-f"]).arg(settings);
            }
            Proxy::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]);
                command.arg(settings);
                // It tells of its settings before it has read how much it is to tell.
                command.stderr(Stdio::null());
                // It keeps files of its own, wherever it is told that its user is at home.
                command.env("HOME", directory.path());
            }
            Proxy::Raw => {
                command.args(["pass", &port.address().to_string(), &upstream.to_string()]);
            }
        }
        let server = Server::spawn(&mut command, Arc::new(port), Some(directory))?;
        let name = self.name();
        let listening = server.listening().await;
        listening.map_err(|error| format!("{name}: {error}").into())
    }
}

fn ours() -> String {
    "[log]\nlevel = \"error\"\n[queue]\nmax_size = 500\n".to_owned()
}

/// As its page on proxying WebSockets has it, with a process for each core and no log of every request.
fn nginx(address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "daemon off;
pid nginx.pid;
error_log stderr emerg;
worker_processes auto;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' close;
    }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://{upstream};
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"
    )
}

/// As its introduction has it; a thread for each core is what it does unasked.
fn haproxy(address: SocketAddr, upstream: SocketAddr, retries: &str) -> String {
    format!(
        "defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    {retries}
frontend clients
    bind {address}
    default_backend application
backend application
    server application {upstream}
"
    )
}

fn caddy(address: SocketAddr, upstream: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    format!(
        "{{
	admin off
	auto_https off
	log {{
		level PANIC
	}}
}}
http://:{port} {{
	bind {host}
	reverse_proxy {upstream}
}}
"
    )
}
