//! The application that `ws-server` starts itself.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Command;

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::happens;
use conformance_tests::servers::{Port, must_succeed, require};
use conformance_tests::wire::{Frame, Wire};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

const APPLICATION: &str = include_str!("child/application.py");

/// So seldom does the guard look that a test whose gate depends on it never ends.
const NO_LOOKS: &str = "guard = { interval = \"10h\", timeout = \"10h\" }\n";

/// An application that listens when it is let.
struct Application {
    upstream: Port,
    pipe: PathBuf,
    _directory: TempDir,
}

impl Application {
    /// None where there is no Python.
    fn new() -> Option<Self> {
        require("python3")?;
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = directory.path().join("pipe");
        must_succeed(Command::new("mkfifo").arg(&pipe));
        Some(Self {
            upstream: Port::reserve(),
            pipe,
            _directory: directory,
        })
    }

    async fn started_with(&self, settings: &str) -> Running {
        let upstream = format!("ws://{}", self.upstream.address());
        let pipe = self.pipe.to_str().expect("text");
        WsServer::with(settings)
            .arguments(["--upstream", &upstream])
            .command(["python3", "-c", APPLICATION, pipe])
            .start()
            .await
    }

    /// Returns once the application, started for the first time or again, goes on to listen.
    async fn listens(&self) {
        let pipe = self.pipe.clone();
        let opened = spawn_blocking(move || OpenOptions::new().write(true).open(pipe));
        happens("the application is started", opened)
            .await
            .expect("no panic")
            .expect("a pipe");
    }
}

/// What the application answers to "pid".
async fn pid(wire: &mut Wire) -> Pid {
    wire.text("pid").await;
    let Frame::Text(pid) = wire.frame().await else {
        panic!("no answer");
    };
    Pid::from_raw(pid.parse().expect("a number"))
}

/// Whether there is such a process, or what is left of one whose parent has not looked.
fn exists(pid: Pid) -> bool {
    kill(pid, None).is_ok()
}

/// Whether it runs: what is left of it may wait for an init that never looks.
fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default();
    !state.is_empty() && !state.starts_with('Z')
}

async fn ends_running(pid: Pid) {
    happens("it ends", async {
        while runs(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn s2_s3_an_application_that_says_it_is_ready_opens_the_gate_without_a_look() {
    let Some(application) = Application::new() else {
        return;
    };
    let server = application.started_with(NO_LOOKS).await;
    let mut early = Wire::upgrading(server.address()).await;
    server
        .until(|status| status["startup"]["state"] == "complete")
        .await;
    server.until_held(1).await;
    application.listens().await;
    early.opened().await;
    early.echoes("hello").await;
    assert_eq!(server.get("/page").await.body, "page");

    server.signal(Signal::SIGTERM);
    assert!(matches!(early.rest().await[..], [Frame::Close(1001, _)]));
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn q8_s3_an_application_that_ends_is_started_again_and_newcomers_are_served() {
    let Some(application) = Application::new() else {
        return;
    };
    let settings = NO_LOOKS.to_owned() + "child.restart_interval = \"1ms\"";
    let server = application.started_with(&settings).await;
    application.listens().await;
    for turn in 0..5 {
        let mut live = Wire::open(server.address()).await;
        let earlier = pid(&mut live).await;
        live.text("exit 3").await;
        assert!(matches!(live.rest().await[..], [Frame::Close(1012, _)]));
        server
            .until(|status| status["queue"]["open"] == false)
            .await;
        let mut held = Wire::upgrading(server.address()).await;
        server.until_held(1).await;
        application.listens().await;
        held.opened().await;
        held.echoes(&format!("turn {turn}")).await;
        assert_ne!(pid(&mut held).await, earlier);
        assert!(!exists(earlier), "a zombie");
    }
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.warns("ended, to be started again"), "{ended:?}");
}

#[tokio::test]
async fn s9_the_live_are_closed_before_the_application_is_told_to_stop() {
    let Some(application) = Application::new() else {
        return;
    };
    let server = application.started_with("").await;
    application.listens().await;
    let mut live = Wire::open(server.address()).await;
    live.echoes("hello").await;
    let application = pid(&mut live).await;
    server.signal(Signal::SIGTERM);
    assert!(matches!(live.rest().await[..], [Frame::Close(1001, _)]));
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        said,
        [
            "[python3] waits",
            "[python3] close 1001",
            "[python3] SIGTERM"
        ]
    );
    assert!(!exists(application), "a zombie");
}

#[tokio::test]
async fn s9_an_application_that_is_not_started_again_decides_the_exit_code() {
    for (settings, order, code) in [
        ("child.restart = \"never\"", "exit 7", 7),
        ("child.restart = \"never\"", "exit 0", 0),
        ("child.restart = \"on-failure\"", "exit 0", 0),
        ("child.restart = \"never\"", "kill", 128 + 9),
    ] {
        let Some(application) = Application::new() else {
            return;
        };
        let server = application.started_with(settings).await;
        application.listens().await;
        let mut live = Wire::open(server.address()).await;
        if order == "kill" {
            kill(pid(&mut live).await, Signal::SIGKILL).expect("it runs");
        } else {
            live.text(order).await;
        }
        // Its connection ends with the application, or with the drain that follows.
        assert!(matches!(
            live.rest().await[..],
            [Frame::Close(1012 | 1001, _)]
        ));
        let ended = server.end().await;
        assert_eq!(ended.code, Some(code), "{order}: {ended:?}");
    }
}

#[tokio::test]
async fn s9_an_application_that_always_ends_is_given_up() {
    let settings = "child = { restart_interval = \"1ms\", max_restarts = 3 }";
    let upstream = Port::reserve();
    let ended = WsServer::with(settings)
        .arguments(["--listen", "127.0.0.1:0"])
        .arguments(["--upstream", &format!("ws://{}", upstream.address())])
        .command(["sh", "-c", "echo run; exit 4"])
        .finish()
        .await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(ended.stdout, "[sh] run\n".repeat(4));
}

/// A shell that starts another process and ignores SIGTERM, as does what it starts.
#[tokio::test]
async fn s9_an_application_that_does_not_stop_is_killed_with_all_it_started() {
    let settings = "child.stop_timeout = \"100ms\"";
    let upstream = Port::reserve();
    let directory = tempfile::tempdir().expect("a directory");
    let pids = directory.path().join("pids");
    let script = format!(
        "trap '' TERM; sleep 1000 & echo $$ $! >{0}.new; mv {0}.new {0}; wait; wait",
        pids.display()
    );
    let server = WsServer::with(settings)
        .arguments(["--upstream", &format!("ws://{}", upstream.address())])
        .command(["sh", "-c", &script])
        .start()
        .await;
    let pids = happens("the shell runs", async {
        loop {
            match std::fs::read_to_string(&pids) {
                Ok(pids) => return pids,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
    })
    .await;
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.warns("did not end in time"), "{ended:?}");
    for pid in pids.split_whitespace() {
        ends_running(Pid::from_raw(pid.parse().expect("a number"))).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn s9_no_application_outlives_a_server_that_was_killed() {
    let Some(application) = Application::new() else {
        return;
    };
    let server = application.started_with("").await;
    application.listens().await;
    let mut live = Wire::open(server.address()).await;
    let application = pid(&mut live).await;
    server.signal(Signal::SIGKILL);
    assert_eq!(server.end().await.code, None);
    ends_running(application).await;
}

#[tokio::test]
async fn s8_an_application_that_cannot_be_started_is_a_failed_startup() {
    let upstream = Port::reserve();
    for (command, why) in [
        (
            "no-such-program",
            "no-such-program: there is no such program",
        ),
        ("/", "/: Permission denied"),
    ] {
        let ended = WsServer::with("startup.failed_linger = \"0s\"")
            .arguments(["--listen", "127.0.0.1:0"])
            .arguments(["--upstream", &format!("ws://{}", upstream.address())])
            .command([command])
            .finish()
            .await;
        assert_eq!(ended.code, Some(3), "{ended:?}");
        let last = ended.stderr.lines().last().expect("a message");
        for part in ["services", "application", why] {
            assert!(last.contains(part), "{last}");
        }
    }
}

#[tokio::test]
async fn an_application_without_an_upstream_is_bad_usage() {
    let ended = WsServer::new().command(["true"]).finish().await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("child.command"), "{}", ended.stderr);
}

#[tokio::test]
async fn signals_that_are_not_ours_are_passed_on() {
    let Some(application) = Application::new() else {
        return;
    };
    let server = application.started_with("child.name = \"app\"").await;
    application.listens().await;
    let mut live = Wire::open(server.address()).await;
    for signal in [Signal::SIGUSR1, Signal::SIGHUP] {
        server.signal(signal);
        live.echoes("still served").await;
    }
    server.signal(Signal::SIGTERM);
    assert!(matches!(live.rest().await[..], [Frame::Close(1001, _)]));
    let ended = server.end().await;
    let mut said: Vec<&str> = ended.stdout.lines().collect();
    said.sort_unstable();
    let expected = ["SIGHUP", "SIGTERM", "SIGUSR1", "close 1001", "waits"];
    assert_eq!(said, expected.map(|line| format!("[app] {line}")));
}

#[tokio::test]
async fn what_the_application_prints_is_passed_on_stream_by_stream() {
    let upstream = Port::reserve();
    let script = r#"echo '{"level":"INFO"}'; echo plain; echo error >&2; printf end"#;
    let printed = async |form: &str| {
        WsServer::with("child.restart = \"never\"\nlog.level = \"off\"")
            .arguments(["--listen", "127.0.0.1:0", "--log", form])
            .arguments(["--upstream", &format!("ws://{}", upstream.address())])
            .command(["sh", "-c", script])
            .finish()
            .await
    };
    let text = printed("text").await;
    assert_eq!(
        text.stdout,
        "[sh] {\"level\":\"INFO\"}\n[sh] plain\n[sh] end\n"
    );
    assert_eq!(text.stderr, "[sh] error\n");
    let json = printed("json").await;
    let mut lines = json.stdout.lines();
    assert_eq!(lines.next(), Some(r#"{"level":"INFO"}"#));
    let of_ours = |line: &str| -> Value { serde_json::from_str(line).expect(line) };
    let wrapped: Vec<Value> = lines.chain(json.stderr.lines()).map(of_ours).collect();
    let said: Vec<&Value> = wrapped.iter().map(|line| &line["message"]).collect();
    assert_eq!(said, ["plain", "end", "error"]);
    assert!(wrapped.iter().all(|line| line["application"] == "sh"));
}
