//! The `ws-server` command: a WebSocket server that holds early clients, in front of a startup.

mod check;
mod child;
mod cli;
mod inherited;
mod plan;
mod probe;
mod reload;
mod run;
mod telemetry;
mod view;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use readiness_guard::Vars;

use crate::cli::{Cli, Command};

/// What the process's exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Clean = 0,
    RuntimeFault = 1,
    BadConfiguration = 2,
    StartupFailed = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

fn main() -> ExitCode {
    // clap ends the process by itself for bad usage, with 2 as well.
    let cli = Cli::parse();
    // The one time the environment is read.
    let vars = Vars::from_process();
    match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(run) => run::run(&run, &vars),
        Command::Check(check) => check::check(&check, &vars).into(),
        Command::Probe(probe) => probe::probe(&probe, &vars).into(),
        Command::Watch(watch) => watch::watch(&watch, &vars).into(),
        Command::BecomeApplication(it) => child::become_application(it.parent, &it.command).into(),
    }
}
