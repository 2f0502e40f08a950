use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{PASSWORD, Port, Process, USER, must_succeed, require};

/// What restores a write-ahead log that is not there, in the cluster's directory: it says so only when
/// there is a byte for it in the named pipe. PostgreSQL runs it a handful of times.
const RESTORE: &str = "head -c 1 gate; exit 1";

/// A PostgreSQL server with a new cluster: the database `postgres`, and the superuser [`USER`], who
/// needs the [`PASSWORD`].
///
/// It refuses to run as root, so as root it runs as the system's user `postgres`.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    /// Both ends of the named pipe, so that neither side ever waits to open it.
    gate: Option<File>,
}

impl Postgres {
    /// Starts on a free port. `None`: not installed, and said so.
    pub async fn start() -> Option<Self> {
        Self::start_on(&Port::reserve()).await
    }

    /// Starts on `port`. `None`: not installed, and said so.
    pub async fn start_on(port: &Port) -> Option<Self> {
        let program = require("postgres")?;
        let cluster = new_cluster(&program).await;
        let ready = "database system is ready to accept connections";
        let process = run(&program, port, cluster, ready).await;
        Some(Self {
            process,
            gate: None,
        })
    }

    /// Starts on `port`, and stays at "the database system is starting up" until
    /// [`finish_recovery`](Self::finish_recovery). `None`: not installed, and said so.
    pub async fn start_recovering_on(port: &Port) -> Option<Self> {
        let program = require("postgres")?;
        let cluster = new_cluster(&program).await;
        let data = cluster.path().join("data");
        let gate = data.join("gate");
        must_succeed(Command::new("mkfifo").arg(&gate));
        let settings = format!("restore_command = '{RESTORE}'\n");
        std::fs::write(data.join("postgresql.auto.conf"), settings).expect("a file");
        std::fs::write(data.join("recovery.signal"), "").expect("a file");
        give_to_postgres(cluster.path());
        let gate = File::options()
            .read(true)
            .write(true)
            .open(gate)
            .expect("the pipe");
        let process = run(&program, port, cluster, "listening on IPv4 address").await;
        Some(Self {
            process,
            gate: Some(gate),
        })
    }

    /// Lets a server started by [`start_recovering_on`](Self::start_recovering_on) become ready,
    /// which it then does in its own time.
    ///
    /// # Panics
    ///
    /// The server was not started like that.
    pub fn finish_recovery(&self) {
        let mut gate = self.gate.as_ref().expect("a server in recovery");
        // Far more than it asks for, far less than the pipe holds.
        gate.write_all(&[b'.'; 1024]).expect("room in the pipe");
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        self.process.address()
    }

    /// `postgres://app:secret@127.0.0.1:PORT/postgres`
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@{}/postgres", self.address())
    }
}

/// Where distributions keep PostgreSQL's own programs, the newest version first.
pub(super) fn directories() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|(_, directory)| directory)
        .collect()
}

/// A new cluster in `data`, in a directory of its own.
async fn new_cluster(program: &Path) -> TempDir {
    let initdb = program.with_file_name("initdb");
    let creating = tokio::task::spawn_blocking(move || {
        let directory = tempfile::tempdir().expect("a directory");
        let password = directory.path().join("password");
        std::fs::write(&password, PASSWORD).expect("a file");
        give_to_postgres(directory.path());
        let mut command = as_postgres(directory.path(), &initdb);
        command
            .arg("--pgdata")
            .arg(directory.path().join("data"))
            .arg("--pwfile")
            .arg(password);
        command.args(["--username", USER, "--auth", "scram-sha-256"]);
        command.args(["--encoding", "UTF8", "--locale", "C", "--no-sync"]);
        must_succeed(&mut command);
        directory
    });
    creating
        .await
        .unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

async fn run(program: &Path, port: &Port, cluster: TempDir, ready: &'static str) -> Process {
    let mut command = as_postgres(cluster.path(), program);
    command.arg("-D").arg(cluster.path().join("data"));
    command.args(["-p", &port.number().to_string(), "-F"]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "shared_buffers=8MB",
    ] {
        command.args(["-c", setting]);
    }
    // SIGQUIT is its "immediate": no checkpoint, but its children and its shared memory go with it.
    Process::start(command, port, ready, Signal::SIGQUIT, cluster).await
}

/// `program` as a user that PostgreSQL accepts, in `directory`.
fn as_postgres(directory: &Path, program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid=postgres",
                "--regid=postgres",
                "--init-groups",
                "--",
            ])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(directory);
    command
}

fn give_to_postgres(directory: &Path) {
    if is_root() {
        must_succeed(
            Command::new("chown")
                .args(["-R", "postgres:"])
                .arg(directory),
        );
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
