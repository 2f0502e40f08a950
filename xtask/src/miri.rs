//! `cargo xtask miri`: the pure cores, run by an interpreter that notices undefined behaviour.
//!
//! Our code has no `unsafe`; what it stands on has. Only the cores run: an interpreter is some hundred
//! times slower, and knows no sockets. Miri comes with nightly Rust alone, so it is used where it is:
//! `rustup toolchain install nightly --component miri,rust-src`.

use anyhow::Result;

use crate::shell;
use crate::workspace::Workspace;

/// The cores, each with the modules whose tests are run.
const CORES: &[(&str, &str)] = &[
    ("startup-phases", "machine"),
    ("readiness-guard", "wait sight"),
    ("ws-queue", "places"),
];

/// Tests that take an interpreter longer than anybody waits, for what they try is tried thousands of
/// times.
const TOO_LONG: &[&str] = &[
    "a_fast_pace_is_kept",
    "every_history",
    "looks_go_round_all_places",
    "no_honest_clock_ever_hits",
    "properties",
];

pub(crate) fn run(workspace: &Workspace, _arguments: &[String]) -> Result<()> {
    if let Some(missing) = explore(workspace)? {
        println!("{missing}");
    }
    Ok(())
}

/// Runs the cores' tests, or says why not.
pub(crate) fn explore(workspace: &Workspace) -> Result<Option<String>> {
    let has_miri =
        |cargo: &&str| shell::succeeds(&mut workspace.command(&format!("{cargo} miri --version")));
    let Some(cargo) = ["cargo", "cargo +nightly"].into_iter().find(has_miri) else {
        let missing = "miri is not installed: the cores did not run under it";
        return Ok(Some(missing.to_owned()));
    };
    let skips: String = TOO_LONG
        .iter()
        .map(|test| format!(" --skip {test}"))
        .collect();
    for (package, modules) in CORES {
        let line = format!(
            "{cargo} miri test --package {package} --lib --target-dir target/miri -- {modules}{skips}"
        );
        shell::run(&mut workspace.command(&line))?;
    }
    Ok(None)
}
