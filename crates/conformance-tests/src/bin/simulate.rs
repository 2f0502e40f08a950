//! Simulated deployments, by their seeds.
//!
//! `simulate --seed N` tells what happened in one of them, a line for each thing. `simulate --seeds
//! A..B [--threads N]` acts out many and says what became of their clients. Either exits with 1 where
//! a contract was broken, and says which.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use conformance_tests::simulation::{Outcomes, Run, simulate};

const USAGE: &str = "usage: simulate --seed N | --seeds A..B [--threads N]";

/// What is asked for.
#[derive(Debug)]
struct Asked {
    seeds: Range<u64>,
    threads: usize,
    tells: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(asked) = asked(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if asked.tells {
        let run = simulate(asked.seeds.start);
        print!("{}", run.story);
        return told(asked.seeds.start, &run);
    }
    explore(&asked)
}

fn asked(arguments: &[String]) -> Option<Asked> {
    let mut asked = Asked {
        seeds: 0..0,
        threads: thread::available_parallelism().map_or(1, usize::from),
        tells: false,
    };
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return None };
        match name.as_str() {
            "--seed" => {
                let seed = value.parse().ok()?;
                asked.seeds = seed..seed + 1;
                asked.tells = true;
            }
            "--seeds" => {
                let (from, to) = value.split_once("..")?;
                asked.seeds = from.parse().ok()?..to.parse().ok()?;
            }
            "--threads" => asked.threads = value.parse().ok().filter(|threads| *threads > 0)?,
            _ => return None,
        }
    }
    (!asked.seeds.is_empty()).then_some(asked)
}

fn told(seed: u64, run: &Run) -> ExitCode {
    if run.faults.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nseed {seed} breaks:");
    for fault in &run.faults {
        println!("  {fault}");
    }
    ExitCode::FAILURE
}

/// Acts out all of them, each in a runtime of its own; up to the first that breaks a contract.
fn explore(asked: &Asked) -> ExitCode {
    let next = AtomicU64::new(asked.seeds.start);
    let take = || {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        (seed < asked.seeds.end).then_some(seed)
    };
    let work = || {
        let mut outcomes = Outcomes::default();
        let mut seeds = 0_u64;
        while let Some(seed) = take() {
            let run = simulate(seed);
            if !run.faults.is_empty() {
                // Nobody takes another one.
                next.store(asked.seeds.end, Ordering::Relaxed);
                return (seeds, outcomes, Some((seed, run)));
            }
            seeds += 1;
            outcomes += run.outcomes;
        }
        (seeds, outcomes, None)
    };
    let done = thread::scope(|scope| {
        let workers: Vec<_> = (0..asked.threads).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(thread::ScopedJoinHandle::join);
        done.map(|done| done.expect("what panics has been printed"))
            .collect::<Vec<_>>()
    });
    let mut outcomes = Outcomes::default();
    let mut seeds = 0;
    let mut broken = None;
    for (some, of_them, fault) in done {
        seeds += some;
        outcomes += of_them;
        broken = broken.or(fault);
    }
    println!("explored: simulated deployments: {seeds} seeds");
    println!("explored: clients in them: {} clients", outcomes.clients);
    println!("{outcomes}");
    match broken {
        Some((seed, run)) => {
            print!("\n{}", run.story);
            told(seed, &run)
        }
        None => ExitCode::SUCCESS,
    }
}
