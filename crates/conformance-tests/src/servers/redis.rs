use std::process::Command;

use nix::sys::signal::Signal;

use super::{PASSWORD, Port, Process, USER, require};

/// A Redis server, empty, that saves nothing.
#[derive(Debug)]
pub struct Redis(Process);

impl Redis {
    /// Starts on a free port. `None`: not installed, and said so.
    pub async fn start() -> Option<Self> {
        Self::start_on(&Port::reserve()).await
    }

    /// Starts on `port`. `None`: not installed, and said so.
    pub async fn start_on(port: &Port) -> Option<Self> {
        let mut command = Command::new(require("redis-server")?);
        let directory = tempfile::tempdir().expect("a directory");
        command
            .current_dir(directory.path())
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port.number().to_string(),
                "--save",
                "",
            ])
            .args([
                "--user",
                USER,
                "on",
                &format!(">{PASSWORD}"),
                "~*",
                "&*",
                "+@all",
            ]);
        let ready = "Ready to accept connections";
        Some(Self(
            Process::start(command, port, ready, Signal::SIGKILL, directory).await,
        ))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        self.0.address()
    }

    /// `redis://app:secret@127.0.0.1:PORT/0`
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{USER}:{PASSWORD}@{}/0", self.address())
    }
}
