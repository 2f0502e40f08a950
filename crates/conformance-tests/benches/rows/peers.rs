//! The servers that are measured, each a process of its own: what the process does, and the hold that
//! a row has on it.

mod axum;
mod ours;

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use conformance_tests::servers::Port;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::Result;

const BIND_LIMIT: Duration = Duration::from_secs(20);

/// A server that this program can be.
#[derive(Clone, Copy)]
pub(crate) enum Peer {
    /// The library, with the step that an opening gives it and an echo.
    Ours,
    /// A plain axum handler that waits on a `watch` before it upgrades.
    Axum,
}

/// What ends a server's startup.
#[derive(Clone, Copy)]
pub(crate) enum Opening {
    /// A line on its standard input.
    Line,
    /// A port that takes a connection, looked at every 100 ms.
    Port(SocketAddr),
}

impl Opening {
    pub(crate) fn from_words(words: &[&str]) -> Result<Self> {
        match words {
            ["line"] => Ok(Self::Line),
            ["port", address] => Ok(Self::Port(address.parse()?)),
            _ => Err(format!("no opening {words:?}").into()),
        }
    }

    fn words(self) -> Vec<String> {
        match self {
            Self::Line => vec!["line".into()],
            Self::Port(address) => vec!["port".into(), address.to_string()],
        }
    }
}

/// Is the server, until the process is killed.
pub(crate) async fn serve(peer: Peer, address: SocketAddr, opening: Opening) -> Result<()> {
    match peer {
        Peer::Ours => ours::serve(address, opening).await,
        Peer::Axum => axum::serve(address, opening).await,
    }
}

/// Resolves when startup is over.
async fn opened(opening: Opening) -> Result<()> {
    match opening {
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

/// A running server. Dropping it ends it and waits for that.
pub(crate) struct Server {
    child: Child,
    stdin: ChildStdin,
    address: SocketAddr,
    /// Nobody else is given the port as long as the server has it.
    _port: Port,
}

impl Server {
    /// Starts a peer, and returns once its port answers.
    pub(crate) async fn start(peer: Peer, opening: Opening) -> Result<Self> {
        let port = Port::reserve();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", &peer.to_string(), &port.address().to_string()]);
        Self::spawn(command.args(opening.words()), port).await
    }

    /// Starts the `ws-server` binary with the settings of a file, and returns once its port answers.
    pub(crate) async fn start_binary(path: &Path, settings: &Path) -> Result<Self> {
        let port = Port::reserve();
        let mut command = Command::new(path);
        command.arg("--listen").arg(port.address().to_string());
        Self::spawn(command.arg("--config").arg(settings), port).await
    }

    async fn spawn(command: &mut Command, port: Port) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self {
            stdin: child.stdin.take().ok_or("a child without standard input")?,
            child,
            address: port.address(),
            _port: port,
        };
        let answers = async {
            while TcpStream::connect(server.address).await.is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(BIND_LIMIT, answers)
            .await
            .map_err(|_| format!("{command:?} does not listen"))?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
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
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "ours" => Ok(Self::Ours),
            "axum" => Ok(Self::Axum),
            _ => Err(format!("no peer {name:?}")),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Axum => "axum",
        })
    }
}
