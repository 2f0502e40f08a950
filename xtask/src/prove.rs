//! `cargo xtask prove`: everything that tries what nobody would think of, and one table of how much.
//!
//! Each part is a command that explores something (interleavings, schedules, histories, deployments,
//! inputs) and says on its standard output how much, in lines `explored: WHAT: N UNIT`. One that says
//! nothing, or names nothing but a zero, has failed: it may have been filtered away. The quick budget is a step of `cargo xtask ci`;
//! `--long` is for whoever has changed what synchronises, and has an hour. What each part proves, and under
//! which assumptions: `docs/PROOF.md`.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::fuzz::thousands;
use crate::workspace::Workspace;
use crate::{fuzz, miri, shell};

/// How much is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Budget {
    Quick,
    Long,
}

impl Budget {
    fn pick<T>(self, quick: T, long: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Long => long,
        }
    }
}

struct Part {
    name: &'static str,
    commands: fn(&Workspace, Budget) -> Commands,
}

/// What is to be run one after the other, or why that cannot be here.
type Commands = Result<Vec<Command>, String>;

const PARTS: &[Part] = &[
    Part {
        name: "interleavings",
        commands: interleavings,
    },
    Part {
        name: "schedules",
        commands: schedules,
    },
    Part {
        name: "histories",
        commands: histories,
    },
    Part {
        name: "deployments",
        commands: deployments,
    },
    Part {
        name: "inputs",
        commands: inputs,
    },
    Part {
        name: "miri",
        commands: under_miri,
    },
];

/// What became of a part.
struct Proof {
    name: &'static str,
    took: Duration,
    explored: Vec<Explored>,
    result: Result<()>,
}

/// A line of a part's output.
#[derive(Debug, PartialEq, Eq)]
struct Explored {
    what: String,
    how_much: String,
}

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let (parts, budget) = chosen(arguments)?;
    println!("{}", table(workspace, &parts, budget)?);
    Ok(())
}

/// All parts with the quick budget; says what was explored.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    table(workspace, &PARTS.iter().collect::<Vec<_>>(), Budget::Quick)
}

fn table(workspace: &Workspace, parts: &[&Part], budget: Budget) -> Result<String> {
    let proofs: Vec<_> = parts
        .iter()
        .map(|part| prove(workspace, part, budget))
        .collect();
    let text = shown(&proofs);
    let failed: Vec<_> = proofs
        .iter()
        .filter(|proof| proof.result.is_err())
        .collect();
    if !failed.is_empty() {
        let names: Vec<_> = failed.iter().map(|proof| proof.name).collect();
        bail!("{text}\nnot proved: {}", names.join(", "));
    }
    Ok(text)
}

/// Goes on where a part fails, so that one run shows everything.
fn prove(workspace: &Workspace, part: &Part, budget: Budget) -> Proof {
    println!("\n--> {}", part.name);
    let start = clock();
    let mut explored = Vec::new();
    let result = match (part.commands)(workspace, budget) {
        Ok(commands) => commands
            .into_iter()
            .try_for_each(|command| explore(command, &mut explored)),
        Err(why_not) => {
            explored.push(Explored {
                what: "not run here".to_owned(),
                how_much: why_not,
            });
            Ok(())
        }
    };
    Proof {
        name: part.name,
        took: clock() - start,
        explored,
        result,
    }
}

/// Variables that say how much is explored, or which part of it, to whoever works on one thing. Left behind
/// in a terminal they would make everything else less than it says.
const SETTINGS: &[&str] = &[
    "CARGO_ENCODED_RUSTFLAGS",
    "LOOM_CHECKPOINT_FILE",
    "PROPTEST_MAX_SHRINK_ITERS",
    "PROVE_REPLAY",
    "PROVE_SEED",
    "SHUTTLE_RANDOM_SEED",
];

fn explore(mut command: Command, explored: &mut Vec<Explored>) -> Result<()> {
    let known = explored.len();
    for name in SETTINGS {
        command.env_remove(name);
    }
    shell::lines(&mut command, |line| {
        println!("{line}");
        explored.extend(Explored::parse(line));
    })?;
    ensure!(
        explored.len() > known,
        "it explored nothing: {}",
        shell::shown(&command)
    );
    Ok(())
}

impl Explored {
    /// `explored: WHAT: N UNIT`, at the end of the line: a test's name may stand before it. Nothing where
    /// the number is 0.
    fn parse(line: &str) -> Option<Self> {
        let (_, said) = line.split_once("explored: ")?;
        let (what, how_much) = said.rsplit_once(": ")?;
        let (number, unit) = how_much.split_once(' ')?;
        let number = number.replace(',', "").parse().ok()?;
        (number > 0).then(|| Self {
            what: what.to_owned(),
            how_much: format!("{} {unit}", thousands(number)),
        })
    }
}

/// Every interleaving of a few threads, of the code that ships, with loom. The primitives are others
/// then, so what is built lies in a directory of its own.
fn interleavings(workspace: &Workspace, _budget: Budget) -> Commands {
    let crates = ["ws-queue", "startup-phases"];
    Ok(crates.map(|one| models(workspace, one, "loom")).into())
}

/// Ten clients at once, in as many random schedules, with shuttle.
fn schedules(workspace: &Workspace, budget: Budget) -> Commands {
    let mut command = models(workspace, "ws-queue", "shuttle");
    command.env("PROVE_SCHEDULES", budget.pick("100000", "2000000"));
    Ok(vec![command])
}

fn models(workspace: &Workspace, package: &str, checker: &str) -> Command {
    let line =
        format!("cargo test --profile prove --package {package} --lib models -- --nocapture");
    let mut command = workspace.command(&line);
    command
        .env("RUSTFLAGS", format!("--cfg {checker}_models"))
        .env(
            "CARGO_TARGET_DIR",
            workspace.path(format!("target/models/{checker}")),
        );
    command
}

/// The pure cores beside naive references, in random histories and in all of the short ones.
fn histories(workspace: &Workspace, budget: Budget) -> Commands {
    let profile = budget.pick("dev", "prove");
    let crates = ["ws-queue", "startup-phases", "readiness-guard"];
    let commands = crates.map(|one| {
        let line = format!(
            "cargo test --profile {profile} --package {one} --lib -- --nocapture properties every_history pace"
        );
        let mut command = workspace.command(&line);
        command.env("PROPTEST_CASES", budget.pick("2000", "100000"));
        command
    });
    Ok(commands.into())
}

/// The whole server, over a network in memory and in virtual time.
fn deployments(workspace: &Workspace, budget: Budget) -> Commands {
    let seeds = budget.pick("0..10000", "0..250000");
    Ok(vec![xtask(workspace, &format!("simulate --seeds {seeds}"))])
}

/// What strangers send and people write: the corpora, and with time, by fuzzing, what nobody thought of. That
/// is drawn anew at each run, so it is no part of the quick budget, which has to say the same twice.
fn inputs(workspace: &Workspace, budget: Budget) -> Commands {
    if let Some(missing) = fuzz::missing(workspace) {
        return Err(missing.to_owned());
    }
    let seconds = budget.pick(0, 240);
    Ok(vec![xtask(workspace, &format!("fuzz --seconds {seconds}"))])
}

/// The cores, under an interpreter that is some hundred times slower.
fn under_miri(workspace: &Workspace, budget: Budget) -> Commands {
    if budget == Budget::Quick {
        return Err("only with --long".to_owned());
    }
    if let Some(missing) = miri::missing(workspace) {
        return Err(missing.to_owned());
    }
    Ok(vec![xtask(workspace, "miri")])
}

fn xtask(workspace: &Workspace, arguments: &str) -> Command {
    workspace.command(&format!("cargo run --quiet --package xtask -- {arguments}"))
}

fn shown(proofs: &[Proof]) -> String {
    let width = proofs
        .iter()
        .flat_map(|proof| &proof.explored)
        .map(|explored| explored.what.chars().count())
        .max()
        .unwrap_or_default();
    let mut lines = Vec::new();
    for proof in proofs {
        let seconds = proof.took.as_secs_f64();
        lines.push(format!(
            "{:<width$}  {seconds:>8.1} s",
            proof.name,
            width = width + 2
        ));
        for Explored { what, how_much } in &proof.explored {
            lines.push(format!("  {what:<width$}  {how_much}"));
        }
        if let Err(error) = &proof.result {
            lines.push(format!("  FAILED: {error:#}"));
        }
    }
    lines.join("\n")
}

/// The parts to run, all of them if none is named, and how much of them.
fn chosen(arguments: &[String]) -> Result<(Vec<&'static Part>, Budget)> {
    let (mut parts, mut budget) = (Vec::new(), Budget::Quick);
    for argument in arguments {
        let part = PARTS.iter().find(|part| part.name == argument);
        match (argument.as_str(), part) {
            ("--long", _) => budget = Budget::Long,
            (_, Some(part)) => parts.push(part),
            (other, None) => {
                let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
                bail!(
                    "no part {other:?}: cargo xtask prove [--long] [{}]",
                    names.join("|")
                );
            }
        }
    }
    if parts.is_empty() {
        parts = PARTS.iter().collect();
    }
    Ok((parts, budget))
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells a person how long a part took; nothing is decided by it"
)]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_explored_is_read_out_of_a_tests_output() {
        let line =
            "test models::a_test ... explored: arriving: at an open gate: 2,512 interleavings";
        assert_eq!(
            Explored::parse(line),
            Some(Explored {
                what: "arriving: at an open gate".to_owned(),
                how_much: "2,512 interleavings".to_owned(),
            })
        );
        let plain = Explored::parse("explored: the places: 10477 steps");
        assert_eq!(plain.unwrap().how_much, "10,477 steps");
        assert_eq!(Explored::parse("explored: the places: 0 steps"), None);
        assert_eq!(Explored::parse("test models::a_test ... ok"), None);
    }

    #[test]
    fn the_table_shows_what_failed_beside_what_did_not() {
        let proof = |name, result| Proof {
            name,
            took: Duration::from_millis(1_500),
            explored: vec![Explored {
                what: "arriving".to_owned(),
                how_much: "7 seeds".to_owned(),
            }],
            result,
        };
        let proofs = [
            proof("histories", Ok(())),
            proof("inputs", Err(anyhow::anyhow!("lost one"))),
        ];
        let text = "\
histories        1.5 s
  arriving  7 seeds
inputs           1.5 s
  arriving  7 seeds
  FAILED: lost one";
        assert_eq!(shown(&proofs), text);
    }

    #[test]
    fn a_part_that_explores_nothing_has_failed() {
        let mut explored = Vec::new();
        let nothing = shell::command("echo running 0 tests");
        assert!(explore(nothing, &mut explored).is_err());
        let something = shell::command("echo explored: this: 1 seed");
        assert!(explore(something, &mut explored).is_ok());
    }

    #[test]
    fn all_parts_are_proved_unless_some_are_named() {
        let words =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        let (all, budget) = chosen(&words("--long")).unwrap();
        assert_eq!((all.len(), budget), (PARTS.len(), Budget::Long));
        let (one, budget) = chosen(&words("inputs")).unwrap();
        assert_eq!(
            (one[0].name, one.len(), budget),
            ("inputs", 1, Budget::Quick)
        );
        assert!(chosen(&words("imputs")).is_err());
    }
}
