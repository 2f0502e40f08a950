//! Simulated deployments, by their seeds: `simulate --seed N` tells one story, `simulate --seeds A..B`
//! runs many.

use conformance_tests::simulation::{Outcomes, simulate};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments[0] == "--seed" {
        let run = simulate(arguments[1].parse().unwrap());
        println!("{}", run.story);
        println!("{:#?}", run.faults);
        return ExitCode::SUCCESS;
    }
    let (a, b) = arguments[1].split_once("..").unwrap();
    let (a, b): (u64, u64) = (a.parse().unwrap(), b.parse().unwrap());
    let mut outcomes = Outcomes::default();
    let mut bad = 0;
    for seed in a..b {
        let run = simulate(seed);
        if !run.faults.is_empty() {
            bad += 1;
            println!(
                "seed {seed}: {:#?}",
                run.faults.iter().take(2).collect::<Vec<_>>()
            );
        }
        outcomes += run.outcomes;
    }
    println!("{bad} bad, {outcomes:#?}");
    ExitCode::SUCCESS
}
