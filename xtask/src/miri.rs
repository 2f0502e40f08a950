//! `cargo xtask miri`: the pure cores, run by an interpreter that notices undefined behaviour.
//!
//! Our code has no `unsafe`; what it stands on has. Only the cores run: an interpreter is some hundred
//! times slower, and knows no sockets. Miri comes with nightly Rust alone, so it is used where it is:
//! `rustup toolchain install nightly --component miri,rust-src`.

use anyhow::{Result, bail};

use crate::shell;
use crate::workspace::Workspace;

/// The cores, each with the modules whose tests are run.
const CORES: &[(&str, &str)] = &[
    ("startup-phases", "machine"),
    ("readiness-guard", "wait sight"),
    ("ws-queue", "places"),
];

const MISSING: &str = "miri is not installed";

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
    let Some(cargo) = with_miri(workspace) else {
        bail!(MISSING);
    };
    let skips: String = TOO_LONG
        .iter()
        .map(|test| format!(" --skip {test}"))
        .collect();
    for (package, modules) in CORES {
        let line = format!(
            "{cargo} miri test --package {package} --lib --target-dir target/miri -- {modules}{skips}"
        );
        let mut passed = 0;
        shell::lines(&mut workspace.command(&line), |line| {
            println!("{line}");
            passed += tests_passed(line).unwrap_or_default();
        })?;
        println!("explored: {package}, {modules}: {passed} tests");
    }
    Ok(())
}

/// What is not installed, if anything is.
pub(crate) fn missing(workspace: &Workspace) -> Option<&'static str> {
    with_miri(workspace).is_none().then_some(MISSING)
}

/// The cargo that has miri.
fn with_miri(workspace: &Workspace) -> Option<&'static str> {
    let has_miri =
        |cargo: &&str| shell::succeeds(&mut workspace.command(&format!("{cargo} miri --version")));
    ["cargo", "cargo +nightly"].into_iter().find(has_miri)
}

/// What a line of cargo's says about how many tests have passed.
fn tests_passed(line: &str) -> Option<u64> {
    let (number, _) = line.strip_prefix("test result: ok. ")?.split_once(' ')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_passed_are_counted() {
        assert_eq!(
            tests_passed("test result: ok. 16 passed; 0 failed"),
            Some(16)
        );
        assert_eq!(tests_passed("test machine::tests::a_test ... ok"), None);
    }
}
