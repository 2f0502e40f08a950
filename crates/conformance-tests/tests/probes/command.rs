//! `exec:`.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::Command;

use conformance_tests::servers::must_succeed;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::task::spawn_blocking;

use super::{happens, is_not_ready, is_ready, probe};

/// A named pipe: who opens one end waits for the other.
fn pipe() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("pipe");
    must_succeed(Command::new("mkfifo").arg(&pipe));
    (directory, pipe)
}

#[tokio::test]
async fn g8_a_command_is_ready_with_status_0() {
    is_ready("exec:true").await;
    is_ready("exec:test 'a b' = 'a b'").await;
    is_not_ready("exec:false", "exit status: 1").await;
    is_not_ready("exec:no-such-program", "there is no such program").await;
    is_not_ready("exec:sh -c 'kill -9 $$'", "signal: 9").await;
}

#[tokio::test]
async fn g8_a_command_is_quoted_with_the_last_it_said() {
    is_not_ready(
        "exec:sh -c 'echo one >&2; echo two >&2; echo >&2; exit 2'",
        "exit status: 2: two",
    )
    .await;
    // More than a pipe holds.
    is_not_ready(
        "exec:sh -c 'head -c 200000 /dev/zero >&2; echo; echo end >&2; exit 1'",
        "exit status: 1",
    )
    .await;
}

#[tokio::test]
async fn g8_dropping_an_attempt_kills_its_command() {
    let (_directory, pipe) = pipe();
    let probe = probe(&format!(
        "exec:sh -c 'exec 3>{}; echo running >&3; exec sleep 600'",
        pipe.display()
    ));
    let running = async {
        let end = spawn_blocking(|| File::open(pipe)).await.unwrap().unwrap();
        let mut lines = BufReader::new(Receiver::from_file(end).unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("running"));
        lines
    };
    let mut lines = tokio::select! {
        seen = probe.check() => panic!("{seen:?}"),
        lines = running => lines,
    };
    // The command's end of the pipe closes when the command has ended.
    assert_eq!(happens(lines.next_line()).await.unwrap(), None);
}

#[tokio::test]
async fn g8_a_command_that_leaves_a_child_behind_is_not_waited_for() {
    let (_directory, pipe) = pipe();
    is_not_ready(
        &format!("exec:sh -c 'cat {} & exit 1'", pipe.display()),
        "exit status: 1",
    )
    .await;
    // Lets the child go.
    let end = spawn_blocking(|| OpenOptions::new().write(true).open(pipe)).await;
    end.unwrap().unwrap();
}
