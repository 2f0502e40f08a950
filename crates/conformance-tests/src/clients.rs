//! Clients of other people's making: Python's `websockets`, Node's `ws`, and Chromium.
//!
//! Each connects once, sends a message as soon as it may, and reports what happens to it, all three
//! in the same words:
//!
//! ```no_run
//! use conformance_tests::clients::{Client, closed, message, open};
//!
//! # async fn a_test(url: &str) {
//! let Some(mut python) = Client::python(url, "hello").await else { return };
//! assert_eq!(python.event().await, open());
//! assert_eq!(python.event().await, message("hello"));
//! // … and when the server stops:
//! assert_eq!(python.event().await, closed(1001, "stopping"));
//! # }
//! ```
//!
//! Where one is not installed there is none, and the test says so and ends, as with
//! [`servers`](crate::servers). Dropping one kills it.

mod page;

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use self::page::Page;
use crate::happens;
use crate::servers::{require, tool};

/// The clients' own programs.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/clients");

/// What the guides give to clients.
const GUIDES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides");

/// It has its WebSocket.
#[must_use]
pub fn open() -> Value {
    json!({ "event": "open" })
}

/// A message came.
#[must_use]
pub fn message(data: &str) -> Value {
    json!({ "event": "message", "data": data })
}

/// The connection was closed, with this code and reason.
#[must_use]
pub fn closed(code: u16, reason: &str) -> Value {
    json!({ "event": "closed", "code": code, "reason": reason })
}

/// A client that connects, and tells what happens to it.
#[derive(Debug)]
pub struct Client {
    child: Child,
    events: UnboundedReceiver<Value>,
    /// Chromium's profile, and the page that it shows; last, to be there while it runs.
    _browser: Option<(Option<Page>, TempDir)>,
}

impl Client {
    /// Python's `websockets`. `None`: not installed, and said so.
    pub async fn python(url: &str, message: &str) -> Option<Self> {
        let python = tool("python/bin/python", "Python websockets")?;
        let mut command = Command::new(python);
        command.arg(program("echo.py")).args([url, message]);
        Some(Self::reporting_on_stdout(command))
    }

    /// Node's `ws`. `None`: not installed, and said so.
    pub async fn node(url: &str, message: &str) -> Option<Self> {
        let modules = tool("node/node_modules", "Node ws")?;
        let mut command = Command::new(require("node")?);
        command.arg(program("echo.js")).args([url, message]);
        command.env("NODE_PATH", modules);
        Some(Self::reporting_on_stdout(command))
    }

    /// A page in headless Chromium, which is a browser's word for a WebSocket client: it learns
    /// only what a browser tells. `None`: not installed, and said so.
    pub async fn chromium(url: &str, message: &str) -> Option<Self> {
        Self::on_a_page(Page::echoing(url, message)).await
    }

    async fn on_a_page(page: String) -> Option<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let page = Page::serve(page, sender).await;
        let (child, profile) = chromium_at(page.address())?;
        Some(Self {
            child,
            events,
            _browser: Some((Some(page), profile)),
        })
    }

    /// Headless Chromium at this address, whose page says by itself what happens there. `None`: not
    /// installed, and said so.
    pub async fn chromium_visiting(address: &str) -> Option<Self> {
        let (_, events) = mpsc::unbounded_channel();
        let (child, profile) = chromium_at(address)?;
        Some(Self {
            child,
            events,
            _browser: Some((None, profile)),
        })
    }

    /// The guides' `reconnect.py`, which says what happens in words. `None`: not installed, and said so.
    pub async fn reconnecting_python(url: &str) -> Option<Self> {
        let python = tool("python/bin/python", "Python websockets")?;
        let mut command = Command::new(python);
        command.arg(guide("reconnect.py")).arg(url);
        // What it is asked to reach is on this machine.
        command.env("NO_PROXY", "*");
        Some(Self::reporting_on_stdout(command))
    }

    /// The guides' `reconnect.js` in Node, which reports `waiting` before it comes back. `None`: not
    /// installed, and said so.
    pub async fn reconnecting_node(url: &str) -> Option<Self> {
        let modules = tool("node/node_modules", "Node ws")?;
        let mut command = Command::new(require("node")?);
        command.arg(program("reconnect.js"));
        command.arg(guide("reconnect.js")).arg(url);
        command.env("NODE_PATH", modules);
        Some(Self::reporting_on_stdout(command))
    }

    /// The same in headless Chromium. `None`: not installed, and said so.
    pub async fn reconnecting_chromium(url: &str) -> Option<Self> {
        Self::on_a_page(Page::reconnecting(url)).await
    }

    /// All three, in the order Python, Node, Chromium, each with a message of its own. `None`: one
    /// is not installed, and said so.
    pub async fn all(url: &str, messages: [&str; 3]) -> Option<[Self; 3]> {
        Some([
            Self::python(url, messages[0]).await?,
            Self::node(url, messages[1]).await?,
            Self::chromium(url, messages[2]).await?,
        ])
    }

    /// The next thing that happens to it.
    ///
    /// # Panics
    ///
    /// Nothing does within 60 s, or ever again.
    pub async fn event(&mut self) -> Value {
        let event = happens("a client's report", self.events.recv()).await;
        event.expect("a client that has not ended")
    }

    /// Ends it without a word, as the system does when memory runs out.
    pub fn kill(self) {}

    /// It writes its reports to stdout, one a line. Whatever else it writes is an event as well, so
    /// that the test sees it.
    fn reporting_on_stdout(mut command: Command) -> Self {
        let (output, end) = std::io::pipe().expect("a pipe");
        command
            .stdout(end.try_clone().expect("a descriptor"))
            .stderr(end);
        let child = spawn(command);
        let (sender, events) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                // The test may have seen enough.
                let _ = sender.send(event);
            }
        });
        Self {
            child,
            events,
            _browser: None,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn chromium_at(address: &str) -> Option<(Child, TempDir)> {
    let (mut command, profile) = chromium()?;
    command.arg(address);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Some((spawn(command), profile))
}

/// Headless Chromium without an address yet, and the profile that has to be there while it runs.
/// `None`: not installed, and said so.
pub(crate) fn chromium() -> Option<(Command, TempDir)> {
    let mut command = Command::new(require("chromium")?);
    let profile = tempfile::tempdir().expect("a directory");
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
    ]);
    command.args(["--no-first-run", "--disable-background-networking"]);
    command.args(["--disable-component-update", "--disable-sync"]);
    // Containers often have a small /dev/shm.
    command.arg("--disable-dev-shm-usage");
    let directory = profile.path().display();
    command.arg(format!("--user-data-dir={directory}"));
    Some((command, profile))
}

/// Starts a program as a group of its own, for [`end`].
pub(crate) fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).process_group(0);
    let child = command.spawn();
    child.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Ends a program with all that it has started: Chromium is many processes, all in one group.
pub(crate) fn end(child: &mut Child) {
    let group = Pid::from_raw(child.id().try_into().expect("a process id"));
    // Fails only if they have ended already.
    let _ = killpg(group, Signal::SIGKILL);
    let _ = child.wait();
}

fn program(name: &str) -> PathBuf {
    Path::new(PROGRAMS).join(name)
}

fn guide(name: &str) -> PathBuf {
    Path::new(GUIDES).join(name)
}
