//! Applications in other languages, to be behind a proxy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use super::{Port, Process, require, tool};

/// The applications' own programs.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/servers/applications");

/// An application that takes connections. Dropping it ends it, with the signal it was started with.
#[derive(Debug)]
pub struct Application(Process);

/// A Python application (uvicorn, Starlette) that has still to be started.
///
/// It echoes at `/ws`, answers 403 at `/forbidden`, and has a page at `/`.
#[derive(Debug)]
pub struct Python {
    python: PathBuf,
}

impl Python {
    /// `None`: not installed, and said so.
    #[must_use]
    pub fn installed() -> Option<Self> {
        // Something of each of the two packages that its bare environment does not have.
        let python = tool("python/bin/python", "Python uvicorn")?;
        tool("python/bin/uvicorn", "Python uvicorn")?;
        Some(Self { python })
    }

    /// What runs it, for an application of another kind.
    #[must_use]
    pub fn interpreter(&self) -> String {
        self.python.display().to_string()
    }

    /// Starts on `port`; returns once it takes connections. `stop` ends it when it is dropped:
    /// SIGTERM has it say goodbye, SIGKILL does not.
    pub async fn start_on(&self, port: &Port, stop: Signal) -> Application {
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(&self.python);
        command.current_dir(directory.path());
        command.args(["-m", "uvicorn", "app:app", "--app-dir", PROGRAMS]);
        command.args(["--host", "127.0.0.1", "--ws", "websockets-sansio"]);
        command.args(["--port", &port.number().to_string()]);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let ready = "Uvicorn running on";
        Application(Process::start(command, port, ready, stop, directory).await)
    }
}

impl Application {
    /// A Node application (`ws`, with compression) on `port`. `None`: not installed, and said so.
    pub async fn node_on(port: &Port) -> Option<Self> {
        let modules = tool("node/node_modules", "Node ws")?;
        let mut command = Command::new(require("node")?);
        command.arg(Path::new(PROGRAMS).join("app.js"));
        command.arg(port.number().to_string());
        command.env("NODE_PATH", modules);
        let directory = tempfile::tempdir().expect("a directory");
        let stop = Signal::SIGKILL;
        Some(Self(
            Process::start(command, port, "listening", stop, directory).await,
        ))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}
