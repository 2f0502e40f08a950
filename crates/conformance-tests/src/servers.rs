//! Real servers as child processes: PostgreSQL, Redis, NATS, and anything else that says when it is
//! ready.
//!
//! Each listens on 127.0.0.1 on a [`Port`] of its own, keeps its files in a temporary directory,
//! and is gone, port and all, when it is dropped. `start` returns once the server has said that it
//! takes connections. Where the server is not installed there is none to start, and the test says
//! so and ends:
//!
//! ```no_run
//! use conformance_tests::servers::Redis;
//!
//! # async fn a_test() {
//! let Some(redis) = Redis::start().await else { return };
//! println!("{} or {}", redis.address(), redis.url());
//! # }
//! ```
//!
//! All of them know one user, [`USER`] with [`PASSWORD`]; Redis and NATS also let in those who name
//! none.
//!
//! # Panics
//!
//! A server that is installed and does not start is a panic with what it logged.

mod applications;
mod nats;
mod postgres;
mod process;
mod redis;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket};

pub use self::applications::{Application, Python};
pub use self::nats::Nats;
pub use self::postgres::Postgres;
pub use self::process::{Process, must_succeed};
pub use self::redis::Redis;

/// Where `cargo xtask tools` puts what is not a package of the system.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools");

/// The user every server knows.
pub const USER: &str = "app";

/// The password of [`USER`].
pub const PASSWORD: &str = "secret";

/// A free port of 127.0.0.1 that stays ours: connections to it are refused until a server listens
/// there, and nobody else is given it meanwhile, neither a listener on port 0 nor an outgoing
/// connection.
///
/// It is a socket bound with `SO_REUSEADDR` that never listens; a server that sets the same option,
/// as all here do, can bind beside it. So a server can come late to a known port, or come back to
/// it.
#[derive(Debug)]
pub struct Port(TcpSocket);

impl Port {
    /// Reserves a free port until this is dropped.
    ///
    /// # Panics
    ///
    /// No port is free.
    #[must_use]
    pub fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        socket
            .bind((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a free port");
        Self(socket)
    }

    /// Has the port answer: connections are accepted by the system, and by nobody else, until what
    /// this returns is dropped.
    ///
    /// # Panics
    ///
    /// Somebody listens there already.
    #[must_use]
    pub fn open(&self) -> TcpListener {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        socket.bind(self.address()).expect("our own port");
        socket.listen(1024).expect("nobody else listens")
    }

    /// Where a server on this port is reached.
    ///
    /// # Panics
    ///
    /// Never: the socket is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.address().port()
    }
}

/// Where `program` is installed. `None` means that the calling test is to end: it is not installed,
/// and that was said as `SKIPPED: <test>: <package> is not installed`, on stderr past the test
/// harness's capture, and as a line at the end of the file that `CONFORMANCE_SKIPS` names, where it
/// names one.
///
/// # Panics
///
/// It is not installed and the environment says `CONFORMANCE_REQUIRE_ALL=1`.
#[must_use]
pub fn require(program: &str) -> Option<PathBuf> {
    let found = find(program);
    if found.is_none() {
        let package = match program {
            "postgres" => "postgresql",
            same => same,
        };
        say_skipped(package);
    }
    found
}

/// Says that the calling test cannot run without `package`; see [`require`].
fn say_skipped(package: &str) {
    // The harness names a test's thread after the test.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("SKIPPED: {test}: {package} is not installed");
    assert!(
        variable("CONFORMANCE_REQUIRE_ALL").as_deref() != Some("1"),
        "{line}, and CONFORMANCE_REQUIRE_ALL=1"
    );
    // `eprintln!` would be captured, and shown only if the test failed.
    let _ = writeln!(std::io::stderr(), "{line}");
    if let Some(skips) = variable("CONFORMANCE_SKIPS") {
        let file = OpenOptions::new().append(true).create(true).open(&skips);
        let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("CONFORMANCE_SKIPS={skips}: {error}"));
    }
}

/// Something that `cargo xtask tools` puts where it puts what is not a package of the system. `None`:
/// not installed, and said so, as with [`require`].
pub(crate) fn tool(path: &str, name: &str) -> Option<PathBuf> {
    let path = Path::new(TOOLS).join(path);
    if !path.exists() {
        say_skipped(name);
        return None;
    }
    Some(path)
}

/// Where `program` is installed, if it is, whether or not it is in the `PATH`.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    // Its own programs belong together, and few have them in their PATH.
    let mut directories = postgres::directories();
    directories.extend(std::env::split_paths(&variable("PATH").unwrap_or_default()));
    // Not in everybody's PATH either.
    directories.extend(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    directories
        .into_iter()
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

#[expect(
    clippy::disallowed_methods,
    reason = "says which tests can run on this machine, not how the product behaves"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
