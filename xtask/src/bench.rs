//! `cargo xtask bench`: ours beside others, in tables.
//!
//! Builds the release binary of `ws-server` and the bench `rows` of `conformance-tests`, which starts,
//! loads and measures the servers, and keeps each row's table and plots in `target/bench`. Which rows there are,
//! what they measure and how: `crates/conformance-tests/benches/rows`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;
use crate::workspace::Workspace;

const ROWS: &[&str] = &[
    "guard",
    "cold-start",
    "holding",
    "echo",
    "idle",
    "proxy",
    "entry",
    "process",
];

/// Each built alone: together, the features that one asks for would get into the other.
const WS_SERVER: (&str, &str) = ("--package ws-server --bin", "ws-server");
const MEASURING: (&str, &str) = ("--package conformance-tests --bench", "rows");

const TABLES: &str = "target/bench";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let (rows, quick) = chosen(arguments)?;
    let ws_server = build(workspace, WS_SERVER)?;
    let measuring = build(workspace, MEASURING)?;
    fs::create_dir_all(workspace.path(TABLES))?;
    for row in rows {
        let mut command = workspace.command(&measuring.to_string_lossy());
        command.arg(row).arg("--ws-server").arg(&ws_server);
        command.arg("--plots").arg(workspace.path(TABLES));
        if quick {
            command.arg("--quick");
        }
        let table = shell::output(&mut command)?;
        let file = format!("{TABLES}/{row}.md");
        fs::write(workspace.path(&file), &table).context(file)?;
        println!("{table}");
    }
    println!("kept in {TABLES}");
    Ok(())
}

/// The rows to measure, all of them if none is named, and whether few rounds will do.
fn chosen(arguments: &[String]) -> Result<(Vec<&str>, bool)> {
    let (mut rows, mut quick) = (Vec::new(), false);
    for argument in arguments {
        match argument.as_str() {
            "--quick" => quick = true,
            row if ROWS.contains(&row) => rows.push(row),
            other => bail!(
                "no row {other:?}: cargo xtask bench [--quick] [{}]",
                ROWS.join("|")
            ),
        }
    }
    if rows.is_empty() {
        rows = ROWS.to_vec();
    }
    Ok((rows, quick))
}

/// Builds one target with the release profile; returns where its program lies.
pub(crate) fn build(workspace: &Workspace, (target, name): (&str, &str)) -> Result<PathBuf> {
    let line =
        format!("cargo build --release {target} {name} --message-format json-render-diagnostics");
    let messages = shell::output(&mut workspace.command(&line))?;
    executable(&messages, name).with_context(|| format!("cargo built no program {name}"))
}

/// The program that cargo says it has built for the target of that name. With a bench it builds the
/// package's other programs as well, in any order.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    built
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn all_rows_are_measured_unless_some_are_named() {
        assert_eq!(chosen(&words("")).unwrap(), (ROWS.to_vec(), false));
        assert_eq!(
            chosen(&words("holding --quick")).unwrap(),
            (vec!["holding"], true)
        );
        assert!(chosen(&words("holdng")).is_err());
    }

    #[test]
    fn the_program_is_that_of_the_target_whatever_else_is_built() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"build-script-build"},"executable":"/t/build-script"}
{"reason":"compiler-artifact","target":{"name":"rows"},"executable":"/t/rows-1"}
{"reason":"compiler-artifact","target":{"name":"look"},"executable":"/t/look"}
{"reason":"compiler-artifact","target":{"name":"ws_server"},"executable":null}
{"reason":"build-finished","success":true}"#;
        let rows = executable(messages, "rows");
        assert_eq!(rows, Some(PathBuf::from("/t/rows-1")));
        assert_eq!(executable(messages, "ws_server"), None);
        assert_eq!(executable("{}", "rows"), None);
    }
}
