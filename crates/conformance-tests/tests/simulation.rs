//! Whole deployments, each of its seed: none breaks a contract, and each can be told again.
//!
//! A few hundred here, in every run of the tests; `cargo xtask simulate --seeds 0..10000` for many more,
//! and `cargo xtask simulate --seed N` for the story of one.

use conformance_tests::simulation::{Outcomes, simulate};

/// So many as take a few seconds in a build that is not optimised.
const SEEDS: u64 = 200;

/// Enough to have met everything that could depend on chance.
const TOLD_TWICE: u64 = 40;

#[test]
fn q1_q2_q4_q5_q6_q9_q10_s2_s3_s5_s7_s9_s10_s11_nobody_is_lost_in_any_simulated_deployment() {
    let mut outcomes = Outcomes::default();
    for seed in 0..SEEDS {
        let run = simulate(seed);
        assert!(
            run.faults.is_empty(),
            "seed {seed}: {:#?}\n\n{}",
            run.faults,
            run.story
        );
        outcomes += run.outcomes;
    }
    println!("explored: simulated deployments: {SEEDS} seeds");
    println!("explored: clients in them: {} clients", outcomes.clients);
    // What never happens is not judged either.
    for end in [
        "served to its end: 1000",
        "closed: 1001",
        "closed: 1011 handler failed",
        "closed: 1012",
        "closed: 1013",
        "refused: queue_full",
        "refused: hold_expired",
        "refused: too_early",
        "refused: startup_failed",
        "refused: draining",
        "answered: 408",
    ] {
        assert!(
            outcomes.ends.contains_key(end),
            "nobody was {end}:\n{outcomes}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_story_word_for_word() {
    for seed in 0..TOLD_TWICE {
        let [once, again] = [simulate(seed), simulate(seed)];
        assert!(!once.story.is_empty());
        assert_eq!(once.story, again.story, "seed {seed}");
        assert_eq!(once.outcomes, again.outcomes, "seed {seed}");
    }
}
