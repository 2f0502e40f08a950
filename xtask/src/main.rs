//! The project's own commands: `cargo xtask ci` and what it is made of.
//!
//! This file only dispatches; each command has a file of its own. A command is one line in
//! [`COMMANDS`] and a function that takes the workspace and the arguments after its name.

mod architecture;
mod bench;
mod ci;
mod contracts;
mod deploy;
mod fuzz;
mod guides;
mod instructions;
mod layers;
mod links;
mod markdown;
mod miri;
mod prove;
mod reference;
mod scan;
mod shell;
mod simulate;
mod tools;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace, &[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        about: "everything below, format, clippy, docs and all tests",
        run: ci::run,
    },
    Command {
        name: "contracts",
        about: "which tests show which contract; none without a test",
        run: contracts::run,
    },
    Command {
        name: "layers",
        about: "who may depend on whom, and how much a crate brings along",
        run: layers::run,
    },
    Command {
        name: "architecture",
        about: "ARCHITECTURE.md names what is there and nothing else; links resolve",
        run: architecture::run,
    },
    Command {
        name: "guides",
        about: "the code that pages show is that of the files which tests run",
        run: guides::run,
    },
    Command {
        name: "reference",
        about: "docs/REFERENCE.md has every log line, metric and code, and no other",
        run: reference::run,
    },
    Command {
        name: "deploy",
        about: "the files in deploy/ start a server, as they are",
        run: deploy::run,
    },
    Command {
        name: "bench",
        about: "ours beside others, in tables: [--quick] [guard|cold-start|holding|echo|idle|proxy|entry|process]",
        run: bench::run,
    },
    Command {
        name: "instructions",
        about: "how many instructions the small calls take, and the most they may",
        run: instructions::run,
    },
    Command {
        name: "prove",
        about: "every interleaving, random histories, simulated deployments: [--long] [PART]",
        run: prove::run,
    },
    Command {
        name: "fuzz",
        about: "what is read from outside, tried at random: [--seconds N] [head|settings|frames|probe]",
        run: fuzz::run,
    },
    Command {
        name: "miri",
        about: "the pure cores under miri, where it is installed",
        run: miri::run,
    },
    Command {
        name: "simulate",
        about: "whole deployments by their seeds: --seed N | --seeds A..B [--threads N]",
        run: simulate::run,
    },
    Command {
        name: "tools",
        about: "install what the tests need besides Rust; bench: what benchmarks compare with",
        run: tools::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = format!("{error:#}");
            let gap = if text.contains('\n') { "\n" } else { " " };
            eprintln!("error:{gap}{text}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", help());
        return Ok(());
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", help());
        return Ok(());
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(&Workspace::here(), rest),
        None => bail!("{}", unknown(name)),
    }
}

fn help() -> String {
    let mut text = String::from("cargo xtask COMMAND\n\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<14}{}\n", command.name, command.about));
    }
    text.push_str(&format!("  {:<14}{}\n", "help", "this list"));
    text
}

fn unknown(name: &str) -> String {
    let nearest = COMMANDS
        .iter()
        .map(|command| {
            (
                strsim::damerau_levenshtein(name, command.name),
                command.name,
            )
        })
        .min()
        .filter(|(distance, _)| *distance <= 3);
    match nearest {
        Some((_, near)) => format!("no command {name:?}; did you mean {near:?}?"),
        None => format!("no command {name:?}\n\n{}", help()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_command() {
        assert!(
            COMMANDS
                .iter()
                .all(|command| help().contains(command.about))
        );
    }

    #[test]
    fn an_unknown_command_names_the_nearest() {
        assert!(unknown("contrcats").contains("did you mean \"contracts\"?"));
    }

    #[test]
    fn an_unknown_command_near_to_none_lists_them_all() {
        assert!(unknown("make-coffee-please").contains(&help()));
    }
}
