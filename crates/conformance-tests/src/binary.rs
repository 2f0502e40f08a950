//! The real `ws-server` binary as a child process.
//!
//! ```no_run
//! use conformance_tests::binary::WsServer;
//!
//! # async fn a_test() {
//! let mut server = WsServer::with("queue.max_size = 500").start().await;
//! assert_eq!(server.get("/livez").await.status, 200);
//! server.until(|status| status["queue"]["open"] == true).await;
//! server.signal(nix::sys::signal::Signal::SIGTERM);
//! assert_eq!(server.end().await.code, Some(0));
//! # }
//! ```
//!
//! It listens on a [`Port`] of its own, sees no environment but `PATH` and what the test gives it,
//! and is killed when it is dropped. What it wrote to stderr is shown where the test fails.

mod build;
mod process;
mod terminal;

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::net::TcpStream;

pub(crate) use self::build::examples;
use self::build::executable;
pub use self::process::{Ended, Process};
pub use self::terminal::Stream;
use self::terminal::Terminal;
use crate::happens;
use crate::servers::{Port, variable};
use crate::wire::{Answer, Wire};

/// How often something outside this process is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Makes standard input descriptor 3 of the program that takes this shell's place, and its number.
const INHERIT: &str = "export LISTEN_PID=$$; exec \"$@\" 3<&0 0</dev/null";

/// A `ws-server` that is still to be started.
#[derive(Debug, Default)]
#[must_use]
pub struct WsServer {
    arguments: Vec<String>,
    command: Vec<String>,
    variables: Vec<(String, String)>,
    settings: Option<String>,
    inherits: Option<TcpListener>,
    terminal: Option<(Stream, u16)>,
}

impl WsServer {
    /// With nothing but its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a settings file of this text, in TOML.
    pub fn with(settings: impl Into<String>) -> Self {
        Self {
            settings: Some(settings.into()),
            ..Self::default()
        }
    }

    /// Adds arguments.
    pub fn arguments<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_owned));
        self
    }

    /// Sets the command of the application it starts, which comes last of all.
    pub fn command<const N: usize>(mut self, command: [&str; N]) -> Self {
        self.command = command.map(str::to_owned).into();
        self
    }

    /// Adds an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has it see a terminal of so many columns where it writes to `stream`.
    pub fn on_terminal(mut self, stream: Stream, columns: u16) -> Self {
        self.terminal = Some((stream, columns));
        self.variable("TERM", "xterm")
    }

    /// Starts on a free port, given with `--listen`; returns once the port answers.
    ///
    /// # Panics
    ///
    /// It ends, or 60 s pass, before that.
    pub async fn start(self) -> Running {
        let port = Port::reserve();
        let listen = port.address().to_string();
        self.arguments(["--listen", &listen]).start_on(port).await
    }

    /// Starts what listens on `port` for another reason than `--listen`; returns once the port
    /// answers.
    ///
    /// # Panics
    ///
    /// It ends, or 60 s pass, before that.
    pub async fn start_on(self, port: Port) -> Running {
        let mut running = Running {
            process: self.spawn().await,
            address: port.address(),
            port: Some(port),
        };
        happens("the port answers", async {
            while TcpStream::connect(running.address()).await.is_err() {
                let ended = running.process.child.try_wait().expect("our child");
                assert_eq!(ended, None, "ended before its port answered");
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        })
        .await;
        running
    }

    /// Starts with `listener` as descriptor 3, as socket activation does; returns at once. The port
    /// answers before that, since it is the system that accepts, and behind it whoever is there.
    pub async fn start_inheriting(mut self, listener: &TcpListener) -> Running {
        let address = listener.local_addr().expect("it is bound");
        let inherited = listener.try_clone().expect("a descriptor");
        self.inherits = Some(inherited);
        Running {
            process: self.variable("LISTEN_FDS", "1").spawn().await,
            address,
            port: None,
        }
    }

    /// Runs to the end of the process.
    ///
    /// # Panics
    ///
    /// It does not end within 60 s.
    pub async fn finish(self) -> Ended {
        self.spawn().await.end().await
    }

    /// Starts what listens nowhere, such as `watch`; returns at once.
    pub async fn spawn(self) -> Process {
        let built = tokio::task::spawn_blocking(executable).await;
        let built = built.expect("ws-server is built");
        let mut command = match self.inherits {
            None => Command::new(built),
            Some(_) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", INHERIT, "sh"]).arg(built);
                shell
            }
        };
        let directory = tempfile::tempdir().expect("a directory");
        command.args(&self.arguments);
        if let Some(settings) = &self.settings {
            let file = directory.path().join("ws.toml");
            std::fs::write(&file, settings).expect("a file");
            command.arg("--config").arg(file);
        }
        if !self.command.is_empty() {
            command.arg("--").args(&self.command);
        }
        let output = |name| File::create(directory.path().join(name)).expect("a file");
        command
            .env_clear()
            .env("PATH", variable("PATH").unwrap_or_default())
            .envs(self.variables)
            .current_dir(directory.path())
            .stdin(match self.inherits {
                None => Stdio::null(),
                Some(listener) => OwnedFd::from(listener).into(),
            })
            .stdout(output("stdout"))
            .stderr(output("stderr"));
        let terminal = self.terminal.map(|(stream, columns)| {
            let (terminal, end) = Terminal::open(stream, columns, output(stream.name()));
            match stream {
                Stream::Stdout => command.stdout(end),
                Stream::Stderr => command.stderr(end),
            };
            terminal
        });
        let child = command.spawn().expect("ws-server starts");
        Process {
            child,
            terminal,
            directory,
        }
    }
}

/// A `ws-server` whose port answers.
#[derive(Debug)]
pub struct Running {
    process: Process,
    address: SocketAddr,
    /// Kept from others, where it is ours.
    port: Option<Port>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves WebSockets.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.address())
    }

    /// Asks for a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }

    /// Sends a request without a body.
    pub async fn ask(&self, method: &str, path: &str) -> Answer {
        let mut wire = Wire::connect(self.address()).await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.address()
        );
        wire.send(head.as_bytes()).await;
        wire.answer().await
    }

    /// What `/-/status` says, which is ours with every handler.
    pub async fn status(&self) -> Value {
        let answer = self.get("/-/status").await;
        assert_eq!(answer.status, 200);
        answer.json()
    }

    /// Looks at `/-/status` until it is as wished, and returns it.
    ///
    /// # Panics
    ///
    /// It is not within 60 s; the panic shows the last.
    pub async fn until(&self, wished: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let looking = async {
            loop {
                last = self.status().await;
                if wished(&last) {
                    return;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        let limit = tokio::time::timeout(crate::LIMIT, looking).await;
        assert!(limit.is_ok(), "stays at {last:#}");
        last
    }

    /// Waits until `size` clients are held, and returns what `/-/status` says then.
    pub async fn until_held(&self, size: usize) -> Value {
        self.until(|status| status["queue"]["size"] == size).await
    }

    /// The most memory it has used so far, in bytes; `None` where the system does not say.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        let file = format!("/proc/{}/status", self.process.child.id());
        let status = std::fs::read_to_string(file).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until it has written `text` to stderr.
    ///
    /// # Panics
    ///
    /// It does not within 60 s.
    pub async fn until_says(&self, text: &str) {
        self.process.until_writes(Stream::Stderr, text).await;
    }

    /// Types `keys` on its terminal, which shows them. A `\x03` is shown as `^C`, and no signal: it is
    /// not the terminal of a session.
    ///
    /// # Panics
    ///
    /// It has no terminal.
    pub fn types(&self, keys: &str) {
        let terminal = self.process.terminal.as_ref();
        terminal.expect("a terminal").types(keys);
    }

    /// Waits until its terminal shows `text`; returns all that it shows then.
    ///
    /// # Panics
    ///
    /// It does not within 60 s, or has no terminal.
    pub async fn until_shows(&self, text: &str) -> String {
        self.process.until_shows(text).await
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.process.output("stderr")
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// It does not end within 60 s.
    pub async fn end(self) -> Ended {
        self.process.end().await
    }

    /// Waits for its end, and keeps its port for the next one.
    ///
    /// # Panics
    ///
    /// It does not end within 60 s, or was started on no port of its own.
    pub async fn leaving_its_port(self) -> (Ended, Port) {
        let port = self.port.expect("a port of its own");
        (self.process.end().await, port)
    }
}
