//! `cargo xtask ci`: everything that must hold before a change is merged.
//!
//! The steps run in order, cheap ones first, all of them whether or not an earlier one failed, so that
//! one run shows everything. cargo writes what it writes, unfiltered; the last lines say which steps
//! ran, how long each took, what is wrong, and which tests had to be skipped.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;
use crate::{
    architecture, contracts, deploy, guides, instructions, layers, links, prove, reference, shell,
    tools,
};

/// What tests append a line to when they cannot run: see [`tools`].
const SKIPS: &str = "target/conformance-skips.txt";

/// Crates that somebody may depend on alone, each with the features to try: built together, one
/// crate's features hide what another forgot to ask for.
const ALONE: &[&str] = &[
    "startup-phases",
    "readiness-guard",
    "ws-queue",
    "ws-server --no-default-features",
];

pub(crate) fn run(workspace: &Workspace, _arguments: &[String]) -> Result<()> {
    let mut steps = Steps(Vec::new());
    let mut missing = Vec::new();
    let cargo = |line: &str| shell::run(&mut workspace.command(&format!("cargo {line}")));

    steps.run("format", || cargo("fmt --all --check"));
    steps.check("layers", || layers::check(workspace));
    steps.check("contracts", || contracts::check(workspace));
    steps.check("architecture", || architecture::check(workspace));
    steps.check("links", || links::check(workspace));
    steps.check("guides", || guides::check(workspace));
    steps.run("clippy", || {
        cargo("clippy --workspace --all-targets --all-features -- -D warnings")
    });
    steps.run("clippy, each crate alone", || {
        ALONE
            .iter()
            .try_for_each(|one| cargo(&format!("clippy --lib --package {one} -- -D warnings")))
    });
    steps.run("docs", || {
        let mut doc = workspace.command("cargo doc --no-deps --workspace");
        shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    });
    steps.run("tools", || {
        missing = tools::provide(workspace)?;
        Ok(())
    });
    // Tests of one crate start the binary of another, which `cargo test` alone does not build.
    steps.run("build", || cargo("build --workspace"));
    steps.check("reference", || reference::check(workspace));
    steps.check("deploy", || deploy::check(workspace));
    steps.run("test", || test(workspace, missing.is_empty()));
    steps.check("instructions", || instructions::check(workspace));
    steps.check("prove", || prove::check(workspace));

    let (text, good) = summary(&steps.0, &missing, &skips(workspace)?);
    print!("\n{text}");
    ensure!(good, "ci failed");
    Ok(())
}

/// A step's name and what came of it.
struct Step {
    name: &'static str,
    took: Duration,
    /// What the step has to say, or what is wrong.
    result: Result<String>,
}

struct Steps(Vec<Step>);

impl Steps {
    /// A step that says what it has to say by itself.
    fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) {
        self.check(name, || work().map(|()| String::new()));
    }

    /// A step that returns what it has to say, for here and for the last lines.
    fn check(&mut self, name: &'static str, work: impl FnOnce() -> Result<String>) {
        println!("\n==> {name}");
        let start = clock();
        let result = work();
        let took = clock() - start;
        match &result {
            Ok(said) if said.is_empty() => {}
            Ok(said) => println!("{said}"),
            Err(error) => println!("{error:#}"),
        }
        self.0.push(Step { name, took, result });
    }
}

fn test(workspace: &Workspace, all_installed: bool) -> Result<()> {
    let skips = workspace.path(SKIPS);
    fs::create_dir_all(skips.parent().context("the file lies in a directory")?)?;
    fs::write(&skips, "")?;
    let mut test = workspace.command("cargo test --workspace --no-fail-fast");
    test.env("CONFORMANCE_SKIPS", &skips);
    // Most tests wait, for programs of others and for what they do: more at once than there are cores.
    test.env("RUST_TEST_THREADS", "4");
    // A golden file that is not met is told, and not written anew beside the old one.
    test.env("INSTA_UPDATE", "no");
    if all_installed {
        test.env("CONFORMANCE_REQUIRE_ALL", "1");
    }
    shell::run(&mut test)
}

/// The lines that tests wrote about themselves instead of running.
fn skips(workspace: &Workspace) -> Result<Vec<String>> {
    match fs::read_to_string(workspace.path(SKIPS)) {
        Ok(text) => {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            Ok(lines)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).context(SKIPS),
    }
}

/// The last lines, and whether all is well.
fn summary(steps: &[Step], missing: &[String], skips: &[String]) -> (String, bool) {
    let mut text = String::new();
    for Step { name, took, result } in steps {
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        text.push_str(&format!(
            "{verdict:<6} {:>7.1} s  {name}\n",
            took.as_secs_f64()
        ));
        for line in result.as_deref().unwrap_or_default().lines() {
            text.push_str(&format!("{:18}{line}\n", ""));
        }
    }
    let failed: Vec<_> = steps
        .iter()
        .filter_map(|step| Some((step.name, step.result.as_ref().err()?)))
        .collect();
    for (name, error) in &failed {
        text.push_str(&format!("\nFAILED: {name}\n{error:#}\n"));
    }
    if !missing.is_empty() {
        text.push_str(&format!("\nNOT INSTALLED: {}\n", missing.join(", ")));
    }
    if !skips.is_empty() {
        text.push_str(&format!(
            "\nTESTS THAT DID NOT RUN: {}\n{}\n",
            skips.len(),
            skips.join("\n")
        ));
    }
    let total: Duration = steps.iter().map(|step| step.took).sum();
    let (minutes, seconds) = (total.as_secs() / 60, total.as_secs() % 60);
    let failures = failed
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ");
    let verdict = match (failed.is_empty(), skips.len()) {
        (false, _) => format!("ci failed: {failures}"),
        (true, 0) => "ci passed".to_owned(),
        (true, skipped) => format!("ci passed, BUT TESTS DID NOT RUN: {skipped}"),
    };
    text.push_str(&format!("\n{verdict} ({minutes} min {seconds} s)\n"));
    (text, failed.is_empty())
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells a person how long a step took; nothing is decided by it"
)]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str, result: Result<String>) -> Step {
        Step {
            name,
            took: Duration::from_millis(61_500),
            result,
        }
    }

    #[test]
    fn the_summary_of_a_good_run_lists_the_steps_and_what_is_open() {
        let steps = [
            step("format", Ok(String::new())),
            step("contracts", Ok("3 contracts\nopen: S9 Drain".into())),
        ];
        let (text, good) = summary(&steps, &[], &[]);
        assert!(good);
        assert_eq!(
            text,
            "ok        61.5 s  format\nok        61.5 s  contracts\n                  3 contracts\n                  open: S9 Drain\n\nci passed (2 min 3 s)\n"
        );
    }

    #[test]
    fn a_step_that_failed_fails_the_run_and_says_why_at_the_end() {
        let steps = [
            step("format", Ok(String::new())),
            step("layers", Err(anyhow::anyhow!("upwards"))),
        ];
        let (text, good) = summary(&steps, &[], &[]);
        assert!(!good);
        assert!(
            text.ends_with("FAILED: layers\nupwards\n\nci failed: layers (2 min 3 s)\n"),
            "{text}"
        );
    }

    #[test]
    fn skipped_tests_are_counted_in_the_last_line() {
        let skips = ["SKIPPED: late_postgres: postgres is not installed".to_owned()];
        let (text, good) = summary(
            &[step("test", Ok(String::new()))],
            &["postgres".to_owned()],
            &skips,
        );
        assert!(good);
        assert!(text.contains("\nNOT INSTALLED: postgres\n"), "{text}");
        assert!(
            text.contains(
                "TESTS THAT DID NOT RUN: 1\nSKIPPED: late_postgres: postgres is not installed\n"
            ),
            "{text}"
        );
        assert!(
            text.ends_with("ci passed, BUT TESTS DID NOT RUN: 1 (1 min 1 s)\n"),
            "{text}"
        );
    }
}
