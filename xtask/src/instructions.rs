//! `cargo xtask instructions`: how many instructions the calls take that everybody takes, and the most
//! that each may.
//!
//! Time on a machine that others share says nothing within some nanoseconds. Instructions are the same
//! each time: valgrind counts those of `micro-figures`, built as it is shipped, once with calls and once
//! without, and what is left between the two is the calls. They are those of x86-64 Linux, so
//! elsewhere nothing is counted, nor where there is no valgrind; it says so then.

use std::env::consts::{ARCH, OS};
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::{Workspace, none_of};
use crate::{bench, shell};

struct Figure {
    /// Its name to `micro-figures`.
    name: &'static str,
    what: &'static str,
    calls: u32,
    /// For one call.
    at_most: u64,
}

/// Each limit is what was counted with Rust 1.95, glibc 2.36 and valgrind 3.19, and a tenth more: so much
/// may another compiler or allocator change. More than that is our own doing, and a decision.
const FIGURES: &[Figure] = &[
    Figure {
        name: "enter-open",
        what: "enter an open gate, acknowledge",
        calls: 10_000,
        at_most: 80,
    },
    Figure {
        name: "enter-closed",
        what: "enter a closed gate, leave, 10,000 held",
        calls: 10_000,
        at_most: 4_180,
    },
    Figure {
        name: "release",
        what: "be released and acknowledge, each of 1,000",
        calls: 1_000,
        at_most: 2_160,
    },
    Figure {
        name: "startup",
        what: "a startup of ten steps that have nothing to do",
        calls: 100,
        at_most: 105_900,
    },
    Figure {
        name: "guard",
        what: "a look of a guard that is ready",
        calls: 1_000,
        at_most: 1_190,
    },
];

pub(crate) fn run(workspace: &Workspace, _arguments: &[String]) -> Result<()> {
    println!("{}", check(workspace)?);
    Ok(())
}

/// No call takes more than it may; says how many each takes, or why none was counted.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    if let Some(why_not) = missing(workspace) {
        return Ok(format!("not run here: {why_not}"));
    }
    let program = bench::build(
        workspace,
        ("--package micro-figures --bin", "micro-figures"),
    )?;
    let counted = FIGURES
        .iter()
        .map(|figure| Ok((figure, per_call(workspace, &program, figure)?)))
        .collect::<Result<Vec<_>>>()?;
    let problems: Vec<_> = counted
        .iter()
        .filter_map(|(figure, instructions)| figure.problem(*instructions))
        .collect();
    none_of(&problems)?;
    let lines = counted
        .iter()
        .map(|(figure, instructions)| figure.shown(*instructions));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

impl Figure {
    fn problem(&self, instructions: u64) -> Option<String> {
        let Self { what, at_most, .. } = self;
        if instructions > *at_most {
            return Some(format!(
                "{what}: {instructions} instructions, at most {at_most}"
            ));
        }
        // Either the compiler has seen that nobody needs the call, or the limit guards nothing any more.
        (instructions < at_most / 2).then(|| {
            format!(
                "{what}: {instructions} instructions, less than half of {at_most}: lower the limit"
            )
        })
    }

    fn shown(&self, instructions: u64) -> String {
        let Self { what, at_most, .. } = self;
        format!("{what}: {instructions} instructions (at most {at_most})")
    }
}

fn missing(workspace: &Workspace) -> Option<&'static str> {
    if (ARCH, OS) != ("x86_64", "linux") {
        return Some("the limits are those of x86-64 Linux");
    }
    let valgrind_runs = shell::succeeds(&mut workspace.command("valgrind --version"));
    (!valgrind_runs).then_some("valgrind is not installed")
}

fn per_call(workspace: &Workspace, program: &Path, figure: &Figure) -> Result<u64> {
    let count = |calls: u32| {
        let line = "valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-fd=1";
        let mut command = workspace.command(line);
        command.arg(program).arg(figure.name);
        let output = shell::output(command.arg(calls.to_string()))?;
        collected(&output).with_context(|| format!("valgrind counted nothing:\n{output}"))
    };
    let (with_calls, without) = (count(figure.calls)?, count(0)?);
    Ok(with_calls.saturating_sub(without) / u64::from(figure.calls))
}

/// The count, out of a line `==PID== Collected : COUNT`.
fn collected(output: &str) -> Option<u64> {
    let mut counts = output
        .lines()
        .filter_map(|line| line.split_once(" Collected : "));
    counts.next()?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURE: Figure = Figure {
        name: "enter",
        what: "enter",
        calls: 1,
        at_most: 80,
    };

    #[test]
    fn a_call_that_takes_more_than_it_may_is_a_problem() {
        assert_eq!(FIGURE.problem(80), None);
        let problem = FIGURE.problem(81).unwrap();
        assert_eq!(problem, "enter: 81 instructions, at most 80");
    }

    #[test]
    fn a_call_that_takes_next_to_nothing_is_a_problem() {
        assert_eq!(FIGURE.problem(40), None);
        assert!(FIGURE.problem(39).is_some());
    }

    #[test]
    fn the_count_is_read_out_of_what_valgrind_says() {
        let said = "==7== \n==7== Events    : Ir\n==7== Collected : 332224\n==7== \n";
        assert_eq!(collected(said), Some(332_224));
        assert_eq!(collected("==7== Command: micro-figures"), None);
    }
}
