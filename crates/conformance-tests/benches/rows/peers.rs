//! The servers that are measured, each a process of its own: what the process does, and the hold that
//! a row has on it.

mod axum;
mod fastwebsockets;
mod ours;
mod raw;
mod tungstenite;

use std::ffi::OsStr;
use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use conformance_tests::servers::Port;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use self::axum::Unready;
pub(crate) use self::raw::pass_on;
use crate::{Result, process};

const BIND_LIMIT: Duration = Duration::from_secs(20);
/// A server that runs less than this share of a core, in %, during a look has nothing left to do.
const QUIET: f64 = 5.0;
const LOOK: Duration = Duration::from_millis(100);
const QUIET_LIMIT: Duration = Duration::from_secs(60);

/// A server that this program can be.
#[derive(Clone, Copy)]
pub(crate) enum Peer {
    /// The library, with the step that an opening gives it and an echo.
    Ours,
    /// A plain axum handler that waits on a `watch` before it upgrades.
    Axum,
    /// One that answers 503 as long as it would have to wait.
    Refusing,
    /// One that listens, and accepts nobody before it can serve.
    Backlog,
    /// fastwebsockets, as its own example has it.
    FastWebSockets,
    /// tokio-tungstenite, the same.
    Tungstenite,
    /// Bytes sent back, without a protocol.
    Raw,
}

impl Peer {
    /// Whether it knows no other way to have its clients wait.
    fn binds_late(self) -> bool {
        matches!(self, Self::FastWebSockets | Self::Tungstenite | Self::Raw)
    }

    /// Whether its runtime has one thread: its own example's has, or the least is wanted.
    pub(crate) fn has_one_thread(self) -> bool {
        matches!(self, Self::FastWebSockets | Self::Raw)
    }
}

/// What ends a server's startup.
#[derive(Clone, Copy)]
pub(crate) enum Opening {
    /// Nothing: it serves from its beginning.
    AtOnce,
    /// A line on its standard input.
    Line,
    /// A port that takes a connection, looked at every 100 ms.
    Port(SocketAddr),
}

impl Opening {
    pub(crate) fn from_words(words: &[&str]) -> Result<Self> {
        match words {
            ["at-once"] => Ok(Self::AtOnce),
            ["line"] => Ok(Self::Line),
            ["port", address] => Ok(Self::Port(address.parse()?)),
            _ => Err(format!("no opening {words:?}").into()),
        }
    }

    fn words(self) -> Vec<String> {
        match self {
            Self::AtOnce => vec!["at-once".into()],
            Self::Line => vec!["line".into()],
            Self::Port(address) => vec!["port".into(), address.to_string()],
        }
    }
}

/// Is the server, until the process is killed.
pub(crate) async fn serve(peer: Peer, address: SocketAddr, opening: Opening) -> Result<()> {
    if peer.binds_late() {
        opened(opening).await?;
    }
    match peer {
        Peer::Ours => ours::serve(address, opening).await,
        Peer::Axum => axum::serve(address, opening, Unready::Waits).await,
        Peer::Refusing => axum::serve(address, opening, Unready::Refuses).await,
        Peer::Backlog => axum::serve(address, opening, Unready::KeepsInBacklog).await,
        Peer::FastWebSockets => fastwebsockets::serve(address).await,
        Peer::Tungstenite => tungstenite::serve(address).await,
        Peer::Raw => raw::serve(address).await,
    }
}

/// Resolves when startup is over.
async fn opened(opening: Opening) -> Result<()> {
    match opening {
        Opening::AtOnce => {}
        Opening::Line => {
            let line = || std::io::stdin().read_line(&mut String::new());
            tokio::task::spawn_blocking(line).await??;
        }
        Opening::Port(address) => {
            while TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    Ok(())
}

/// A command that is told to end when this program ends, however that comes: whoever is killed drops
/// nothing.
pub(crate) fn tied_to_us(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

/// A running server. Dropping it ends it and waits for that.
pub(crate) struct Server {
    child: Child,
    stdin: ChildStdin,
    address: SocketAddr,
    /// What it was configured with, removed once it has ended.
    _directory: Option<TempDir>,
    /// Nobody else is given the port as long as the server has it.
    _port: Arc<Port>,
}

impl Server {
    /// Starts a peer, and returns once its port answers.
    pub(crate) async fn start(peer: Peer, opening: Opening) -> Result<Self> {
        let server = Self::start_on(peer, opening, Arc::new(Port::reserve()))?;
        match opening {
            // Nobody can wait for its port.
            Opening::Line | Opening::Port(_) if peer.binds_late() => Ok(server),
            _ => server.listening().await,
        }
    }

    /// Starts a peer on a port that others have before it or after it.
    pub(crate) fn start_on(peer: Peer, opening: Opening, port: Arc<Port>) -> Result<Self> {
        let mut command = tied_to_us(std::env::current_exe()?);
        command.args(["serve", &peer.to_string(), &port.address().to_string()]);
        Self::spawn(command.args(opening.words()), port, None)
    }

    /// Starts the `ws-server` binary with the settings of a file, and returns once its port answers.
    pub(crate) async fn start_binary(path: &Path, settings: &Path) -> Result<Self> {
        let port = Port::reserve();
        let mut command = tied_to_us(path);
        command.arg("--listen").arg(port.address().to_string());
        let server = Self::spawn(command.arg("--config").arg(settings), Arc::new(port), None)?;
        server.listening().await
    }

    /// Starts a command that is to listen on `port`, configured by what lies in `directory`.
    pub(crate) fn spawn(
        command: &mut Command,
        port: Arc<Port>,
        directory: Option<TempDir>,
    ) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Self {
            stdin: child.stdin.take().ok_or("a child without standard input")?,
            child,
            address: port.address(),
            _directory: directory,
            _port: port,
        })
    }

    /// Waits until its port answers.
    pub(crate) async fn listening(self) -> Result<Self> {
        let answers = async {
            while TcpStream::connect(self.address).await.is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(BIND_LIMIT, answers)
            .await
            .map_err(|_| "a server that does not listen")?;
        Ok(self)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has done all that there is to do for it.
    pub(crate) async fn quiet(&self) -> Result<()> {
        let wait = async {
            while process::core_share(self.pid(), LOOK).await? > QUIET {}
            Ok(())
        };
        timeout(QUIET_LIMIT, wait).await?
    }

    /// Ends its startup with a line; returns the moment before that. The way through the pipe counts
    /// against the server, whichever it is.
    pub(crate) fn open(&mut self) -> Result<Instant> {
        let now = Instant::now();
        self.stdin.write_all(b"open\n")?;
        Ok(now)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let family = process::family(self.pid()).unwrap_or_default();
        // Fails only if it has ended already.
        let _ = self.child.kill();
        // After the one who would start them again.
        for member in family.into_iter().skip(1).map(u32::cast_signed) {
            let _ = kill(Pid::from_raw(member), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "ours" => Ok(Self::Ours),
            "axum" => Ok(Self::Axum),
            "axum-503" => Ok(Self::Refusing),
            "axum-backlog" => Ok(Self::Backlog),
            "fastwebsockets" => Ok(Self::FastWebSockets),
            "tokio-tungstenite" => Ok(Self::Tungstenite),
            "raw" => Ok(Self::Raw),
            _ => Err(format!("no peer {name:?}")),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Axum => "axum",
            Self::Refusing => "axum-503",
            Self::Backlog => "axum-backlog",
            Self::FastWebSockets => "fastwebsockets",
            Self::Tungstenite => "tokio-tungstenite",
            Self::Raw => "raw",
        })
    }
}
