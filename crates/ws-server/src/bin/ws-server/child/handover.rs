//! How a process becomes the application.
//!
//! What has to happen between fork and exec is not safe to do there. So this program starts itself,
//! which then prepares its own process, and hands it over to the application. Whether that worked is
//! told through a pipe: it is closed by the exec that succeeds, and written to by the one that
//! fails.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{self, Command, Stdio};

use nix::unistd::getppid;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

/// How the subcommand is called that becomes the application.
pub(crate) const SUBCOMMAND: &str = "become-application";

/// As shells tell that a program is not there.
const NOT_FOUND: u8 = 127;

/// As shells tell that a program cannot be run.
const NOT_EXECUTABLE: u8 = 126;

/// This program, on its way to become `command`; and what tells whether it did.
pub(super) fn command(command: &[String]) -> io::Result<(Command, PipeReader)> {
    let (told, tell) = io::pipe()?;
    let mut own = Command::new(own_program()?);
    own.arg(SUBCOMMAND)
        .arg(process::id().to_string())
        .arg("--")
        .args(command)
        .stdin(tell);
    Ok((own, told))
}

/// The program that runs, whatever file has its name by now.
#[cfg(target_os = "linux")]
fn own_program() -> io::Result<std::path::PathBuf> {
    Ok("/proc/self/exe".into())
}

#[cfg(not(target_os = "linux"))]
fn own_program() -> io::Result<std::path::PathBuf> {
    std::env::current_exe()
}

/// Resolves when the process has become the application, or says why it did not.
pub(super) async fn handed_over(told: PipeReader) -> Result<(), String> {
    let mut why = String::new();
    let read = async {
        let mut told = pipe::Receiver::from_owned_fd(OwnedFd::from(told))?;
        told.read_to_string(&mut why).await
    };
    match read.await {
        Ok(0) => Ok(()),
        Ok(_) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}

/// Becomes the application; returns the exit code if that fails. `parent` is who started us.
pub(crate) fn become_application(parent: i32, command: &[String]) -> u8 {
    // Closed by exec, unlike the original.
    let tell = io::stdin().as_fd().try_clone_to_owned();
    let Some((program, arguments)) = command.split_first() else {
        return NOT_FOUND;
    };
    let error = end_with(parent).err().unwrap_or_else(|| {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .exec()
    });
    let (code, why) = match error.kind() {
        ErrorKind::NotFound => (NOT_FOUND, "there is no such program".to_owned()),
        _ => (NOT_EXECUTABLE, error.to_string()),
    };
    if let Ok(tell) = tell {
        // Nobody listens where somebody else runs this subcommand.
        let _ = File::from(tell).write_all(format!("{program}: {why}").as_bytes());
    }
    code
}

/// The system kills this process, and what it becomes, when the one that started it has ended,
/// however it did. What the application starts itself is its own affair.
fn end_with(parent: i32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    // It may have ended before that.
    if getppid().as_raw() == parent {
        Ok(())
    } else {
        Err(io::Error::other("whoever wanted it started has ended"))
    }
}
