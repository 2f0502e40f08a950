//! `cargo xtask deploy`: the files in `deploy/` start a server, as they are.
//!
//! No list of flags, settings or pages is kept here; the server itself is asked:
//!
//! * Each command line of it, in a container or a unit, is one that it takes, with the variables set
//!   beside it. For one that serves, `ws-server check` finds nothing wrong with the settings.
//! * Between SIGTERM and SIGKILL there is more time than `shutdown.delay` and `shutdown.drain` take.
//! * Each path that a probe asks for is a page of the server's own while there is no application.
//!
//! What the image is built from is there, and systemd has nothing to say about the units. What alerts and
//! the dashboard ask for is what a server prints: see [`monitoring`].

mod dockerfile;
mod manifest;
mod monitoring;
mod running;
mod unit;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::dockerfile::Dockerfile;
use self::running::Running;
use crate::shell;
use crate::workspace::{Workspace, none_of};

const DOCKERFILE: &str = "deploy/Dockerfile";
const IGNORED: &str = ".dockerignore";
const SETTINGS: &str = "deploy/ws-server.toml";
const METRICS: &str = "/-/metrics";

/// What a file says about the server.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    starts: Vec<Start>,
    /// Paths that a platform asks the server for.
    paths: Vec<String>,
}

/// One way to start the command.
#[derive(Debug, Default, PartialEq, Eq)]
struct Start {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// How long it has between SIGTERM and SIGKILL, where the file says so.
    grace: Option<Duration>,
}

pub(crate) fn run(workspace: &Workspace, _arguments: &[String]) -> Result<()> {
    shell::run(&mut workspace.command("cargo build --workspace --bin ws-server"))?;
    println!("{}", check(workspace)?);
    Ok(())
}

/// Every file fits the server that was built; says how much was looked at, and what could not be.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let binary = built()?;
    let image = Dockerfile::parse(&workspace.read(DOCKERFILE)?);
    let mut problems = image.problems(workspace, &workspace.read(IGNORED)?)?;
    let mut files = vec![(PathBuf::from(DOCKERFILE), image.named()?)];
    let mut manifests = workspace.files("deploy", "yaml")?;
    manifests.retain(|file| !monitoring::is_ours(file));
    let services = workspace.files("deploy", "service")?;
    for file in manifests {
        let named = manifest::read(&workspace.read(&file)?, &image.variables());
        files.push((file.clone(), named.with_context(|| shown(&file))?));
    }
    for file in services {
        let named = unit::read(&workspace.read(&file)?);
        files.push((file.clone(), named.with_context(|| shown(&file))?));
    }

    let server = Running::start(&binary, &workspace.path(SETTINGS))?;
    let (mut starts, mut paths) = (0, 0);
    for (file, named) in &files {
        let mut wrong = |problem: String| problems.push(format!("{}: {problem}", shown(file)));
        if named.starts.is_empty() {
            wrong("starts no ws-server".to_owned());
        }
        for start in &named.starts {
            starts += 1;
            let mut attempt = start.attempt(&binary, |path| image.source(workspace, path));
            let output = attempt.output().context("cannot start the server")?;
            if let Err(error) = start.verdict(&output) {
                wrong(format!("{error:#}"));
            }
        }
        for path in &named.paths {
            paths += 1;
            if !server.has_page(path)? {
                wrong(format!("{path} is no page of the server's own"));
            }
        }
    }
    let verified = unit::verify(workspace, &binary)?;
    problems.extend(verified.iter().flatten().cloned());
    let (wrong, watched) = monitoring::check(workspace, &server.page(METRICS)?)?;
    problems.extend(wrong);
    none_of(&problems)?;
    let mut said = format!(
        "{} files start the server in {starts} ways and ask it for {paths} paths\n{watched}",
        files.len()
    );
    if verified.is_none() {
        said.push_str("\nNOT CHECKED: the systemd units, since systemd-analyze is not installed");
    }
    Ok(said)
}

/// What a server prints at `/metrics`, as it is deployed.
pub(crate) fn metrics(workspace: &Workspace) -> Result<String> {
    Running::start(&built()?, &workspace.path(SETTINGS))?.page(METRICS)
}

/// The command, which lies beside this one.
fn built() -> Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("ws-server");
    ensure!(binary.exists(), "{} is not built", binary.display());
    Ok(binary)
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

impl Start {
    /// Whether it goes on to serve, as opposed to a subcommand that does something else.
    fn serves(&self) -> bool {
        let first = self.arguments.first();
        first.is_none_or(|one| one.starts_with('-'))
    }

    /// A command that reads the same arguments and settings without serving anybody.
    fn attempt(&self, binary: &Path, source: impl Fn(&str) -> Option<PathBuf>) -> Command {
        let mut command = Command::new(binary);
        command.env_clear().envs(self.variables.iter().cloned());
        if self.serves() {
            command.arg("check");
        }
        for argument in &self.arguments {
            // A file that the image has is read from where the image gets it.
            command.arg(source(argument).unwrap_or_else(|| argument.into()));
        }
        if !self.serves() {
            // Unknown arguments are refused before the help is given.
            command.arg("--help");
        }
        command
    }

    /// What is wrong with it, as the command told.
    fn verdict(&self, output: &Output) -> Result<()> {
        ensure!(
            output.status.success(),
            "`{}` is not accepted:\n{}",
            [&["ws-server".to_owned()], &self.arguments[..]]
                .concat()
                .join(" "),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        if let Some(grace) = self.grace.filter(|_| self.serves()) {
            let settings = String::from_utf8_lossy(&output.stdout);
            let takes = shutdown(&settings, "delay")? + shutdown(&settings, "drain")?;
            ensure!(
                takes < grace,
                "shutdown.delay and shutdown.drain take {takes:?}, and it is killed after {grace:?}"
            );
        }
        Ok(())
    }
}

/// A duration of the section `[shutdown]`, as `ws-server check` prints it.
fn shutdown(settings: &str, key: &str) -> Result<Duration> {
    let section = settings.split_once("\n[shutdown]\n").map(|(_, rest)| rest);
    let value = section.and_then(|lines| {
        let mut lines = lines.lines().take_while(|line| !line.starts_with('['));
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        value?.split('"').next()
    });
    let value = value.with_context(|| format!("`ws-server check` prints no shutdown.{key}"))?;
    Ok(humantime::parse_duration(value)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    const SETTINGS: &str = "[startup]\ndrain = \"1s\"\n\n[shutdown]\ndelay = \"0s\"\n\
        drain = \"1m 8s\"  # flag --set\n\n[log]\nlevel = \"info\"\n";

    #[test]
    fn durations_are_those_of_the_shutdown() {
        assert_eq!(shutdown(SETTINGS, "delay").unwrap(), Duration::ZERO);
        assert_eq!(
            shutdown(SETTINGS, "drain").unwrap(),
            Duration::from_secs(68)
        );
        assert!(shutdown(SETTINGS, "level").is_err());
    }

    fn start(arguments: &[&str]) -> Start {
        Start {
            arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
            variables: vec![("PORT".into(), "80".into())],
            grace: Some(Duration::from_secs(69)),
        }
    }

    fn told(code: i32, stdout: &str, stderr: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.into(),
            stderr: stderr.into(),
        }
    }

    #[test]
    fn a_server_is_checked_and_a_subcommand_is_asked_for_its_help() {
        let words = |arguments: &[&str]| {
            let source = |path: &str| (path == "/etc/a.toml").then(|| PathBuf::from("/src/a.toml"));
            let command = start(arguments).attempt(Path::new("/bin/ws-server"), source);
            assert!(
                command
                    .get_envs()
                    .eq([("PORT".as_ref(), Some("80".as_ref()))])
            );
            let words = command
                .get_args()
                .map(|one| one.to_string_lossy().into_owned());
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(&[]), "check");
        assert_eq!(
            words(&["--config", "/etc/a.toml"]),
            "check --config /src/a.toml"
        );
        assert_eq!(words(&["probe", "--gone"]), "probe --gone --help");
    }

    #[test]
    fn what_the_command_refuses_fails_with_its_words() {
        let refused = told(2, "", "shutdown.dely: unknown key\n");
        let error = start(&["--gone"]).verdict(&refused).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`ws-server --gone` is not accepted:\nshutdown.dely: unknown key"
        );
    }

    #[test]
    fn a_drain_that_would_be_cut_off_fails() {
        let mut server = start(&[]);
        server.verdict(&told(0, SETTINGS, "")).unwrap();
        server.grace = Some(Duration::from_secs(68));
        let error = server.verdict(&told(0, SETTINGS, "")).unwrap_err();
        assert!(
            error.to_string().ends_with("it is killed after 68s"),
            "{error}"
        );
        server.grace = None;
        server.verdict(&told(0, SETTINGS, "")).unwrap();
    }

    #[test]
    fn only_a_server_drains() {
        start(&["probe"]).verdict(&told(0, "usage", "")).unwrap();
    }
}
