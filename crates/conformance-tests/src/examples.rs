//! The examples of the crates, each as the process that `cargo run --example` starts.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::binary::examples;
use crate::happens;
use crate::servers::Port;
use crate::wire::{Answer, Wire};

/// What an example says before the address that it listens on.
const LISTENS: &str = "listening on ";

/// An example that listens. Dropping it kills it.
#[derive(Debug)]
pub struct Example {
    child: Child,
    lines: UnboundedReceiver<String>,
    /// What it has said and was listened to.
    said: Vec<String>,
    address: SocketAddr,
}

impl Example {
    /// Starts the example of this name on a free port, beside what it needs; returns once it says
    /// where it listens.
    ///
    /// # Panics
    ///
    /// It ends, or 60 s pass, before that.
    pub async fn start(name: &'static str, needs: &Port) -> Self {
        let built = tokio::task::spawn_blocking(examples).await;
        let (output, end) = std::io::pipe().expect("a pipe");
        let child = Command::new(built.expect("examples are built").join(name))
            .args(["127.0.0.1:0", &needs.address().to_string()])
            .stdin(Stdio::null())
            .stdout(end.try_clone().expect("a descriptor"))
            .stderr(end)
            .spawn();
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may have heard enough.
                let _ = sender.send(line);
            }
        });
        let mut example = Self {
            child: child.unwrap_or_else(|error| panic!("{name}: {error}")),
            lines,
            said: Vec::new(),
            address: SocketAddr::from(([0; 4], 0)),
        };
        let line = example.until_says(LISTENS).await;
        example.address = line[LISTENS.len()..].parse().expect("an address");
        example
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks for a page.
    pub async fn get(&self, path: &str) -> Answer {
        let mut wire = self.asking(path).await;
        wire.answer().await
    }

    /// Asks for a page, whose answer is for later.
    pub async fn asking(&self, path: &str) -> Wire {
        let mut wire = Wire::connect(self.address).await;
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        wire.send(head.as_bytes()).await;
        wire
    }

    /// Waits until it says a line that contains `text`, on stdout or stderr, and returns that line.
    /// Lines before it are passed over.
    ///
    /// # Panics
    ///
    /// It does not within 60 s, or ends without.
    pub async fn until_says(&mut self, text: &str) -> String {
        loop {
            let line = happens(text, self.lines.recv()).await;
            let line = line.unwrap_or_else(|| panic!("it ends without having said {text:?}"));
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) {
        let pid = self.child.id().try_into().expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("a running process");
    }

    /// Waits for its end; its exit code, and the last line that it said.
    ///
    /// # Panics
    ///
    /// It does not end within 60 s.
    pub async fn end(mut self) -> (Option<i32>, String) {
        happens("the example ends", async {
            while let Some(line) = self.lines.recv().await {
                self.said.push(line);
            }
        })
        .await;
        // Its output is closed, so it is about to end.
        let status = self.child.wait().expect("our child");
        (status.code(), self.said.pop().unwrap_or_default())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the example said:\n{}", self.said.join("\n"));
        }
    }
}
