//! A server as a child process.

use std::io::{BufRead as _, BufReader, PipeReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::Port;

/// How long a server may take to say that it is ready, on a machine that has much else to do.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server. Dropping it ends it and waits for that, so that its port is free again.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: SocketAddr,
    stop: Signal,
    /// Removed after the server has ended.
    _directory: TempDir,
}

impl Process {
    /// Runs `command`, and returns once it has written a line containing `ready` to stdout or
    /// stderr. `stop` is the signal that ends it at once. `directory` is removed when it has ended.
    ///
    /// Its output is read on a thread of its own, since waiting for a child must not let paused
    /// time run.
    ///
    /// # Panics
    ///
    /// It ends, or 60 s pass, before that line; the panic shows all it has written.
    pub async fn start(
        command: Command,
        port: &Port,
        ready: &'static str,
        stop: Signal,
        directory: TempDir,
    ) -> Self {
        let address = port.address();
        let starting = tokio::task::spawn_blocking(move || {
            let (child, output) = spawn(command);
            let process = Self {
                child,
                address,
                stop,
                _directory: directory,
            };
            wait_for(ready, output);
            process
        });
        match starting.await {
            Ok(process) => process,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // Fails only if it has ended already.
            let _ = kill(Pid::from_raw(pid), self.stop);
        }
        let _ = self.child.wait();
    }
}

fn spawn(mut command: Command) -> (Child, PipeReader) {
    let (output, end) = std::io::pipe().expect("a pipe");
    let child = command
        .stdin(Stdio::null())
        .stdout(end.try_clone().expect("a descriptor"))
        .stderr(end)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // The command goes, and with it our copies of the pipe's end, so that the output ends when the
    // child does.
    (child, output)
}

fn wait_for(ready: &str, output: PipeReader) {
    let (send, lines) = mpsc::channel();
    // Reads on when nobody listens any more: a full pipe would stop the server.
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let mut log = String::new();
    loop {
        match lines.recv_timeout(START_LIMIT) {
            Ok(line) if line.contains(ready) => return,
            Ok(line) => log = log + &line + "\n",
            Err(RecvTimeoutError::Disconnected) => {
                panic!("the server ended before `{ready}`:\n{log}")
            }
            Err(RecvTimeoutError::Timeout) => panic!("no `{ready}` within {START_LIMIT:?}:\n{log}"),
        }
    }
}

/// Runs a command that prepares something, to its end.
///
/// # Panics
///
/// It fails; the panic shows what it wrote.
pub fn must_succeed(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}",
        output.status
    );
}
