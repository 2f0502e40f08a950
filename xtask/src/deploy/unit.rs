//! The units of systemd.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Named, Start};
use crate::shell;
use crate::workspace::Workspace;

/// Where the units expect the binary.
const INSTALLED: &str = "/usr/local/bin/ws-server";

/// What a service unit starts.
pub(super) fn read(text: &str) -> Result<Named> {
    let all = |key: &'static str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        lines.filter_map(move |(found, value)| (found == key).then_some(value.trim()))
    };
    let grace: Option<Duration> = all("TimeoutStopSec")
        .next_back()
        .map(humantime::parse_duration)
        .transpose()?;
    let assignments = all("Environment").flat_map(str::split_whitespace);
    let variables: Vec<_> = assignments
        .filter_map(|one| one.trim_matches('"').split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut named = Named::default();
    for line in all("ExecStart") {
        let mut words = line.split_whitespace().map(str::to_owned);
        let program = words.next().context("ExecStart is empty")?;
        ensure!(program == INSTALLED, "starts {program}, not {INSTALLED}");
        named.starts.push(Start {
            arguments: words.collect(),
            variables: variables.clone(),
            grace,
        });
    }
    Ok(named)
}

/// What systemd says about the units, as if `binary` were installed; `None` where it cannot be asked.
pub(super) fn verify(workspace: &Workspace, binary: &Path) -> Result<Option<Vec<String>>> {
    if !shell::succeeds(workspace.command("systemd-analyze").arg("--version")) {
        return Ok(None);
    }
    let directory = Path::new("target/deploy");
    fs::create_dir_all(workspace.path(directory))?;
    let mut verify = workspace.command("systemd-analyze verify --man=no");
    for unit in ["ws-server.service", "ws-server.socket"] {
        let text = workspace.read(Path::new("deploy").join(unit))?;
        let copy = workspace.path(directory.join(unit));
        fs::write(
            &copy,
            text.replace(INSTALLED, &binary.display().to_string()),
        )?;
        verify.arg(copy);
    }
    let output = verify.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(Some(problems(&said, output.status.success())))
}

/// It passes over much with a warning and success, and speaks of other units of the machine as well.
fn problems(said: &str, success: bool) -> Vec<String> {
    let ours = said.lines().filter(|line| line.contains("ws-server"));
    let mut problems: Vec<_> = ours.map(|line| format!("systemd: {line}")).collect();
    if !success && problems.is_empty() {
        problems.push(format!("systemd: {}", said.trim_end()));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "[Service]\nExecStart=/usr/local/bin/ws-server --config a.toml\n\
        Environment=PORT=80 \"NAME=gate\"\nTimeoutStopSec=15s\n";

    #[test]
    fn a_service_is_read_with_its_variables_and_its_grace() {
        let start = Start {
            arguments: vec!["--config".into(), "a.toml".into()],
            variables: [("PORT", "80"), ("NAME", "gate")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            grace: Some(Duration::from_secs(15)),
        };
        assert_eq!(read(UNIT).unwrap().starts, [start]);
    }

    #[test]
    fn another_program_is_an_error() {
        let error = read(&UNIT.replace("local/", "")).unwrap_err().to_string();
        assert!(error.starts_with("starts /usr/bin/ws-server"), "{error}");
    }

    #[test]
    fn warnings_about_our_units_are_problems_and_those_about_others_are_not() {
        let said = "/lib/other.service:1: Unknown key\n/a/ws-server.socket:2: Unknown key\n";
        assert_eq!(
            problems(said, true),
            ["systemd: /a/ws-server.socket:2: Unknown key"]
        );
        assert_eq!(problems("other.service: odd\n", true), [] as [&str; 0]);
        assert_eq!(problems("broken\n", false), ["systemd: broken"]);
    }
}
