//! `cargo xtask fuzz`: what strangers send and people write, tried in ways nobody thought of.
//!
//! Builds the targets in `fuzz/` with the flags that cargo-fuzz would pass, which stable Rust knows
//! too, so that neither it nor a nightly toolchain is needed, only a C++ compiler for libFuzzer. Each
//! target begins with its corpus, `fuzz/corpus/TARGET`, and what it finds beside it is kept in
//! `target/fuzz/corpus`, for the next run; an input that fails is kept in `target/fuzz/failures`.
//! `--seconds 0` tries the corpora alone.
//!
//! Where they are installed, `cargo +nightly fuzz run TARGET` does the same with the address sanitizer,
//! and puts what it finds into `fuzz/corpus`: what is worth keeping of that gets a name.

use std::fs;
use std::process::Output;

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::workspace::Workspace;

pub(crate) const TARGETS: &[&str] = &["head", "settings", "frames", "probe"];

/// Enough to try the corpora, and some hundred thousand inputs around them.
const SECONDS: u32 = 10;

/// No target works for milliseconds on one input: one that takes so long hangs.
const HANGS: &str = "-timeout=10";

/// What cargo-fuzz passes with `--sanitizer none`: our code is safe code, in which there is little for
/// a sanitizer to find, and the standard library that comes with stable Rust is built without.
const FLAGS: &str = "--cfg fuzzing -Cdebug-assertions -Coverflow-checks -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

const BUILT: &str = "target/fuzz";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let (targets, seconds) = chosen(arguments)?;
    if let Some(missing) = missing(workspace) {
        bail!("{missing}");
    }
    explore(workspace, &targets, seconds)
}

/// What is not installed, if anything is.
pub(crate) fn missing(workspace: &Workspace) -> Option<&'static str> {
    let compiles = shell::succeeds(&mut workspace.command("c++ --version"));
    (!compiles).then_some("no C++ compiler (c++), which libFuzzer is built with")
}

/// Builds all targets and runs these, each for so long, or with its corpus alone; says what each has
/// tried, and how far into the code it came.
pub(crate) fn explore(workspace: &Workspace, targets: &[&str], seconds: u32) -> Result<()> {
    let host = host(workspace)?;
    // With a target named, what runs while building is built without these flags.
    let line = format!(
        "cargo build --release --manifest-path fuzz/Cargo.toml --target {host} --target-dir {BUILT}"
    );
    shell::run(
        workspace
            .command(&line)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTFLAGS", FLAGS),
    )?;
    for target in targets {
        println!("{}", fuzz(workspace, target, &host, seconds)?);
    }
    Ok(())
}

fn fuzz(workspace: &Workspace, target: &str, host: &str, seconds: u32) -> Result<String> {
    let program = format!("{BUILT}/{host}/release/{target}");
    let (found, failures) = (
        format!("{BUILT}/corpus/{target}"),
        format!("{BUILT}/failures/{target}/"),
    );
    for directory in [&found, &failures] {
        fs::create_dir_all(workspace.path(directory)).with_context(|| directory.clone())?;
    }
    let until = match seconds {
        0 => "-runs=0".to_owned(),
        _ => format!("-max_total_time={seconds}"),
    };
    // What is found goes into the first directory, the second is only read.
    let line = format!(
        "{program} {until} {HANGS} -print_final_stats=1 -artifact_prefix={failures} {found} fuzz/corpus/{target}"
    );
    let Output { status, stderr, .. } =
        workspace.command(&line).output().context(program.clone())?;
    let said = String::from_utf8_lossy(&stderr);
    match Tried::told_by(&said) {
        Some(Tried { inputs, edges }) if status.success() => Ok(format!(
            "explored: fuzzing {target}: {} inputs\n{target}: {} edges of the code reached",
            thousands(inputs),
            thousands(edges)
        )),
        _ => bail!("{said}\nfuzzing {target} failed; with the input named above: {program} INPUT"),
    }
}

/// What libFuzzer says at the end.
#[derive(Debug, PartialEq, Eq)]
struct Tried {
    inputs: u64,
    edges: u64,
}

impl Tried {
    fn told_by(said: &str) -> Option<Self> {
        let behind = |label: &str| {
            let rest = said.rsplit_once(label)?.1;
            rest.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            inputs: behind("stat::number_of_executed_units:")?,
            edges: behind(" cov: ")?,
        })
    }
}

/// The targets to run, all of them if none is named, and for how many seconds each.
fn chosen(arguments: &[String]) -> Result<(Vec<&str>, u32)> {
    let (mut targets, mut seconds) = (Vec::new(), SECONDS);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                seconds = number.context("--seconds takes a number: 0 tries the corpora alone")?;
            }
            target if TARGETS.contains(&target) => targets.push(target),
            other => bail!(
                "no target {other:?}: cargo xtask fuzz [--seconds N] [{}]",
                TARGETS.join("|")
            ),
        }
    }
    if targets.is_empty() {
        targets = TARGETS.to_vec();
    }
    Ok((targets, seconds))
}

/// What the compiler in use builds for.
fn host(workspace: &Workspace) -> Result<String> {
    let version = shell::output(&mut workspace.command("rustc -vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn all_targets_are_run_unless_some_are_named() {
        let all = words("");
        assert_eq!(chosen(&all).unwrap(), (TARGETS.to_vec(), SECONDS));
        let one = words("--seconds 240 frames");
        assert_eq!(chosen(&one).unwrap(), (vec!["frames"], 240));
        assert!(chosen(&words("--seconds")).is_err());
        assert!(chosen(&words("frame")).is_err());
    }

    #[test]
    fn the_last_figures_count() {
        let said = "#2\tINITED cov: 17 ft: 18\n#4096\tDONE   cov: 164 ft: 523\n\
                    stat::number_of_executed_units: 121319\nstat::average_exec_per_sec: 1661\n";
        let tried = Tried {
            inputs: 121_319,
            edges: 164,
        };
        assert_eq!(Tried::told_by(said), Some(tried));
        assert_eq!(Tried::told_by("no such file"), None);
    }

    #[test]
    fn numbers_are_written_in_groups_of_three() {
        let written = [0, 999, 1000, 1_234_567].map(thousands);
        assert_eq!(written, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn every_target_has_its_source_and_its_corpus() {
        let workspace = Workspace::here();
        for target in TARGETS {
            let source = format!("fuzz/fuzz_targets/{target}.rs");
            assert!(workspace.path(source).is_file());
            assert!(workspace.path(format!("fuzz/corpus/{target}")).is_dir());
        }
    }
}
