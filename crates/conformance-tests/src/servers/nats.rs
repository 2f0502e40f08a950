use std::process::Command;

use nix::sys::signal::Signal;

use super::{PASSWORD, Port, Process, USER, require};

/// A NATS server on its own.
#[derive(Debug)]
pub struct Nats(Process);

impl Nats {
    /// Starts on a free port. `None`: not installed, and said so.
    pub async fn start() -> Option<Self> {
        Self::start_on(&Port::reserve()).await
    }

    /// Starts on `port`. `None`: not installed, and said so.
    pub async fn start_on(port: &Port) -> Option<Self> {
        let mut command = Command::new(require("nats-server")?);
        let directory = tempfile::tempdir().expect("a directory");
        let settings = directory.path().join("nats.conf");
        let named = format!("{{user: {USER}, password: {PASSWORD}}}");
        let text = format!(
            "listen: \"{}\"\n\
             authorization {{ users: [{named}, {{user: anybody, password: none}}] }}\n\
             no_auth_user: anybody\n",
            port.address()
        );
        std::fs::write(&settings, text).expect("a file");
        command.arg("-c").arg(settings);
        Some(Self(
            Process::start(command, port, "Server is ready", Signal::SIGKILL, directory).await,
        ))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        self.0.address()
    }

    /// `nats://app:secret@127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{USER}:{PASSWORD}@{}", self.address())
    }
}
