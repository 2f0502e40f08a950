//! One run of the application: its process, and the group of those it starts.

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;
use startup_phases::Grid;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use ws_server::NotifySocket;

use super::output::{Lines, Stream, pass_on};
use super::{Application, Code, handover};

/// How often the group is looked at while it ends: it tells of no end but its leader's.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// How long those who were killed may take to be gone.
const KILLED_LIMIT: Duration = Duration::from_secs(1);

/// What systemd tells the services it starts, which is meant for us.
const NOT_FOR_THE_APPLICATION: [&str; 6] = [
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// A running application. Dropping it kills all of it.
pub(super) struct Process {
    child: Child,
    /// Its process, and its group.
    leader: Pid,
    /// Where it may say that it is ready; none where the system has no such thing.
    pub(super) notify: Option<NotifySocket>,
    output: JoinSet<()>,
}

impl Process {
    /// Starts it, in a group of its own: a Ctrl-C on our terminal is for us, who drain first.
    pub(super) async fn start(application: &Application) -> Result<Self, String> {
        let program = &application.command[0];
        let failed = |error: io::Error| format!("{program}: {error}");
        let (mut command, told) = handover::command(&application.command).map_err(failed)?;
        for variable in NOT_FOR_THE_APPLICATION {
            command.env_remove(variable);
        }
        if let Some(port) = application.port {
            command.env("PORT", port.to_string());
        }
        let notify = offer_notify_socket();
        if let Some((address, _)) = &notify {
            command.env("NOTIFY_SOCKET", address);
        }
        command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // With it goes our own copy of the end of the pipe that tells.
        let spawned = Command::from(command).kill_on_drop(true).spawn();
        let mut child = spawned.map_err(failed)?;
        let id = child.id().and_then(|id| id.try_into().ok());
        let leader = Pid::from_raw(id.ok_or("it has no process id")?);
        let lines = || Lines::new(&application.name, application.form);
        let screen = || application.screen.clone();
        let mut output = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            output.spawn(pass_on(stdout, Stream::Stdout, lines(), screen()));
        }
        if let Some(stderr) = child.stderr.take() {
            output.spawn(pass_on(stderr, Stream::Stderr, lines(), screen()));
        }
        let process = Self {
            child,
            leader,
            notify: notify.map(|(_, socket)| socket),
            output,
        };
        handover::handed_over(told).await?;
        Ok(process)
    }

    pub(super) fn id(&self) -> i32 {
        self.leader.as_raw()
    }

    /// Waits for its end. Cancel safe.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Passes a signal on to the application itself, which knows what to tell those it started.
    pub(super) fn signal(&self, signal: Signal) {
        // It has an id until its end was seen, so the signal hits nobody else.
        if self.child.id().is_some() {
            // It may have ended, unseen yet.
            let _ = kill(self.leader, signal);
        }
    }

    /// Collects those that the application started and did not wait for. They become our children
    /// where we are the first process of a container.
    pub(super) fn reap_adopted(&self) {
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        // The application's own end is not ours to take.
        while let Some(pid) = waitid(Id::PGid(self.leader), ended)
            .ok()
            .and_then(|status| status.pid())
            .filter(|pid| *pid != self.leader || self.child.id().is_none())
        {
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }

    /// Ends all of it: SIGTERM, and after `limit` SIGKILL.
    pub(super) async fn stop(&mut self, limit: Duration) {
        self.signal_group(Signal::SIGTERM);
        let ended = async {
            // What it ended with is of no interest any more.
            let _ = self.child.wait().await;
            self.group_ended().await;
        };
        if timeout(limit, ended).await.is_err() {
            tracing::warn!(?limit, "the application did not end in time and is killed");
        }
        self.clear_up().await;
    }

    /// Kills what is left, so that nobody holds the port the next one needs, and passes on the last
    /// it printed.
    pub(super) async fn clear_up(&mut self) {
        self.signal_group(Signal::SIGKILL);
        let _ = timeout(KILLED_LIMIT, async {
            let _ = self.child.wait().await;
            self.group_ended().await;
            // Whoever left the group may hold the pipes open for ever.
            while self.output.join_next().await.is_some() {}
        })
        .await;
    }

    fn signal_group(&self, signal: Signal) {
        // Nobody may be left.
        let _ = killpg(self.leader, signal);
    }

    async fn group_ended(&self) {
        let grid = Grid::new(Instant::now().into_std(), LOOK_INTERVAL);
        loop {
            self.reap_adopted();
            if killpg(self.leader, None).is_err() {
                return;
            }
            sleep_until(grid.next_after(Instant::now().into_std()).into()).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal_group(Signal::SIGKILL);
    }
}

/// A name nobody else has; without a file, so that nothing is left behind and nothing need be
/// writable. Whoever says READY=1 there in the application's stead only has us look.
fn offer_notify_socket() -> Option<(String, NotifySocket)> {
    let address = format!(
        "@ws-server/{}/{:016x}",
        std::process::id(),
        fastrand::u64(..)
    );
    let socket = NotifySocket::bind(&address).ok()?;
    Some((address, socket))
}

/// As shells tell it: its code, or 128 and the signal's number.
pub(super) fn code_of(status: ExitStatus) -> Code {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    Code(code.and_then(|code| code.try_into().ok()).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_by_signal_has_the_code_that_shells_give_it() {
        assert_eq!(code_of(ExitStatus::from_raw(7 << 8)), Code(7));
        assert_eq!(code_of(ExitStatus::from_raw(9)), Code(137));
        assert_eq!(code_of(ExitStatus::from_raw(0)), Code(0));
    }
}
