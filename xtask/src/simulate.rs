//! `cargo xtask simulate`: whole deployments, each drawn from a seed, acted out in virtual time and
//! judged by what their clients saw.
//!
//! `--seed N` tells the story of one, `--seeds A..B [--threads N]` acts out many. What a seed stands for:
//! `crates/conformance-tests/src/simulation.rs`.

use anyhow::{Result, bail};

use crate::shell;
use crate::workspace::Workspace;

/// Optimised, since it is time that is explored, and with every check that a debug build has.
const RUN: &str = "cargo run --quiet --profile prove --package conformance-tests --bin simulate --";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    check(arguments)?;
    let mut command = workspace.command(RUN);
    shell::run(command.args(arguments))
}

/// What the program takes: said here, before anything is built.
fn check(arguments: &[String]) -> Result<()> {
    let knows = |name: &str| matches!(name, "--seed" | "--seeds" | "--threads");
    let pairs = arguments.chunks(2);
    if arguments.is_empty()
        || !pairs
            .into_iter()
            .all(|pair| pair.len() == 2 && knows(&pair[0]))
    {
        bail!("which? cargo xtask simulate --seed N, or --seeds A..B [--threads N]");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn wants_to_know_which() {
        assert!(check(&words("--seed 7")).is_ok());
        assert!(check(&words("--seeds 0..10 --threads 1")).is_ok());
        for unclear in ["", "7", "--seed", "--sed 7"] {
            assert!(check(&words(unclear)).is_err(), "{unclear}");
        }
    }
}
