//! The process, and what it leaves behind.

use std::process::{Child, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::LOOK_INTERVAL;
use super::terminal::{Stream, Terminal, shown};
use crate::happens;

/// What a `ws-server` that has ended left behind.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal killed it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// What its terminal shows, if it had one.
    pub shown: Option<String>,
}

impl Ended {
    /// Whether one of its log lines is a warning that contains `text`.
    #[must_use]
    pub fn warns(&self, text: &str) -> bool {
        let mut lines = self.stderr.lines();
        lines.any(|line| line.contains(" WARN ") && line.contains(text))
    }
}

/// A `ws-server`, whatever it does.
#[derive(Debug)]
pub struct Process {
    pub(super) child: Child,
    pub(super) terminal: Option<Terminal>,
    /// The settings, and its output, which is read from files so that no pipe can fill up.
    pub(super) directory: TempDir,
}

impl Process {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a process id"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a running process");
    }

    /// Waits until it has written `text`; returns all that it has written there.
    ///
    /// # Panics
    ///
    /// It does not within 60 s.
    pub async fn until_writes(&self, stream: Stream, text: &str) -> String {
        self.until(text, || self.output(stream.name())).await
    }

    /// Waits until its terminal shows `text`; returns all that it shows then.
    ///
    /// # Panics
    ///
    /// It does not within 60 s, or has no terminal.
    pub async fn until_shows(&self, text: &str) -> String {
        self.until(text, || self.shown().expect("a terminal")).await
    }

    async fn until(&self, text: &str, seen: impl Fn() -> String) -> String {
        let looking = async {
            loop {
                // The very look that has it: a moment later all may be drawn anew.
                let seen = seen();
                if seen.contains(text) {
                    return seen;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        let in_time = tokio::time::timeout(crate::LIMIT, looking).await;
        in_time.unwrap_or_else(|_| panic!("{text:?} does not come after:\n{}", seen()))
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// It does not end within 60 s.
    pub async fn end(mut self) -> Ended {
        let status: ExitStatus = happens("ws-server ends", async {
            loop {
                if let Some(status) = self.child.try_wait().expect("our child") {
                    return status;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        })
        .await;
        if let Some(terminal) = &mut self.terminal {
            terminal.has_shown_all();
        }
        Ended {
            code: status.code(),
            shown: self.shown(),
            stdout: self.output("stdout"),
            stderr: self.output("stderr"),
        }
    }

    fn shown(&self) -> Option<String> {
        let terminal = self.terminal.as_ref()?;
        let (stream, columns) = (terminal.stream, terminal.columns);
        Some(shown(&self.written(stream.name()), columns))
    }

    pub(super) fn output(&self, name: &str) -> String {
        // It may be in the middle of a character.
        String::from_utf8_lossy(&self.written(name)).into_owned()
    }

    fn written(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.directory.path().join(name)).expect("a file")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("ws-server wrote:\n{}", self.output("stderr"));
        }
    }
}
