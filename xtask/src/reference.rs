//! `cargo xtask reference`: `docs/REFERENCE.md` has everything a server says, and nothing else.
//!
//! Each row of its tables begins with what it is about, in backticks. In the section
//!
//! * `Log lines`: a message, and in the next cell its level. All that a log macro writes in
//!   `crates/*/src`, tests aside.
//! * `Metrics`: a name as Prometheus has it; somewhere in the row each label, and each value of it, in
//!   backticks. All that a running server prints.
//! * `Close codes`: the values of the label `code`.
//! * `HTTP answers`: a status, and in the next cell the reason. All answers that the sources make, and
//!   503 with each reason of a refusal.
//! * `Exit codes`: those of the command.

mod sources;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use self::sources::Said;
use crate::deploy;
use crate::markdown::{self, Row};
use crate::shell;
use crate::workspace::{Workspace, none_of};

const PAGE: &str = "docs/REFERENCE.md";

/// The crates that run in somebody's production.
const PRODUCT: [&str; 4] = ["startup-phases", "readiness-guard", "ws-queue", "ws-server"];

pub(crate) fn run(workspace: &Workspace, _arguments: &[String]) -> Result<()> {
    shell::run(&mut workspace.command("cargo build --workspace --bin ws-server"))?;
    println!("{}", check(workspace)?);
    Ok(())
}

/// The page fits the sources and a running server; says how much it has.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let rows = markdown::rows(&workspace.read(PAGE)?);
    let mut said = Said::default();
    for name in PRODUCT {
        for file in workspace.files(format!("crates/{name}/src"), "rs")? {
            if !file.ends_with("tests.rs") {
                said.read(&workspace.read(&file)?)?;
            }
        }
    }
    let metrics = deploy::metrics(workspace)?;
    let printed = Families::parse(&metrics);
    let refusals = printed.values("ws_queue_refused_total", "reason");
    let refusals = refusals.map(|reason| ("503".to_owned(), reason.to_owned()));
    said.answers.extend(refusals);
    let codes = printed.values("ws_close_total", "code").map(str::to_owned);

    let mut problems = Vec::new();
    problems.extend(differ(
        "Log lines",
        pairs(&rows, "Log lines").map(|(message, level)| (level, message)),
        &said.lines,
        |(level, message)| format!("{level} {message:?}"),
    ));
    problems.extend(differ(
        "HTTP answers",
        pairs(&rows, "HTTP answers"),
        &said.answers,
        |(status, reason)| format!("{status} {reason}"),
    ));
    problems.extend(differ(
        "Close codes",
        firsts(&rows, "Close codes"),
        &codes.collect(),
        Clone::clone,
    ));
    problems.extend(differ(
        "Exit codes",
        firsts(&rows, "Exit codes"),
        &said.exit_codes,
        Clone::clone,
    ));
    problems.extend(printed.differ(&rows));
    none_of(&problems)?;
    Ok(format!(
        "{PAGE} has {} log lines, {} metrics, {} HTTP answers",
        said.lines.len(),
        printed.0.len(),
        said.answers.len()
    ))
}

fn of<'a>(rows: &'a [Row], section: &'static str) -> impl Iterator<Item = &'a Row> {
    rows.iter().filter(move |row| row.section == section)
}

/// The first code of each row.
fn firsts(rows: &[Row], section: &'static str) -> impl Iterator<Item = String> {
    of(rows, section).filter_map(|row| row.cells.first()?.code.first().cloned())
}

/// The first code of each row, and the words of the next cell.
fn pairs(rows: &[Row], section: &'static str) -> impl Iterator<Item = (String, String)> {
    of(rows, section).filter_map(|row| {
        let first = row.cells.first()?.code.first()?;
        Some((first.clone(), row.cells.get(1)?.text.clone()))
    })
}

/// What is on the page and not said, and the other way round.
fn differ<T: Ord>(
    section: &str,
    page: impl Iterator<Item = T>,
    said: &BTreeSet<T>,
    shown: impl Fn(&T) -> String,
) -> Vec<String> {
    let page: BTreeSet<T> = page.collect();
    let missing = said.difference(&page).map(|one| (one, "is missing"));
    let gone = page.difference(said).map(|one| (one, "is never said"));
    missing
        .chain(gone)
        .map(|(one, what)| format!("{PAGE}: {section}: {} {what}", shown(one)))
        .collect()
}

/// The metrics that a server prints, by their names for Prometheus, with the values of their labels.
struct Families<'a>(BTreeMap<String, BTreeMap<&'a str, BTreeSet<&'a str>>>);

impl<'a> Families<'a> {
    fn parse(metrics: &'a str) -> Self {
        let mut families = Self(BTreeMap::new());
        for line in metrics
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
        {
            if let Some((name, _)) = line.split_once(' ') {
                families.0.insert(name.to_owned(), BTreeMap::new());
            }
        }
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let Some((sample, rest)) = line.split_once('{') else {
                continue;
            };
            let histogram = sample.strip_suffix("_bucket").unwrap_or(sample);
            let Some(labels) = families.0.get_mut(histogram) else {
                continue;
            };
            let mut words = rest.split('"');
            while let (Some(label), Some(value)) = (words.next(), words.next()) {
                let label = label.trim_matches([',', '=']);
                if label != "le" {
                    labels.entry(label).or_default().insert(value);
                }
            }
        }
        families
    }

    fn values(&self, family: &str, label: &str) -> impl Iterator<Item = &'a str> {
        let labels = self.0.get(family).and_then(|labels| labels.get(label));
        labels.into_iter().flatten().copied()
    }

    fn differ(&self, rows: &[Row]) -> Vec<String> {
        let names = self.0.keys().cloned().collect();
        let mut problems = differ("Metrics", firsts(rows, "Metrics"), &names, Clone::clone);
        for row in of(rows, "Metrics") {
            let said: Vec<_> = row.cells.iter().flat_map(|cell| &cell.code).collect();
            let Some(labels) = said.first().and_then(|name| self.0.get(*name)) else {
                continue;
            };
            for (label, values) in labels {
                let words = [*label].into_iter().chain(values.iter().copied());
                let missing = words.filter(|word| said.iter().all(|one| one != word));
                problems.extend(
                    missing.map(|word| {
                        format!("{PAGE}: Metrics: {} does not tell of {word}", said[0])
                    }),
                );
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# TYPE ws_held histogram\nws_held_bucket{le=\"1.0\",outcome=\"expired\"} 0\n\
        # TYPE ws_close_total counter\nws_close_total{code=\"1000\"} 0\n# TYPE ws_ready gauge\nws_ready 1\n";

    const PAGE: &str = "## Metrics\n\n| name | |\n| --- | --- |\n| `ws_held` | by `outcome`: `expired` |\n\
        | `ws_close_total` | `code`: `1000` |\n| `ws_ready` | |\n";

    fn problems(page: &str) -> Vec<String> {
        Families::parse(METRICS).differ(&markdown::rows(page))
    }

    #[test]
    fn a_page_with_all_metrics_and_labels_passes() {
        assert_eq!(problems(PAGE), [] as [&str; 0]);
    }

    #[test]
    fn what_is_missing_and_what_is_gone_are_problems() {
        assert_eq!(
            problems(&PAGE.replace("`expired`", "").replace("ws_ready", "ws_redy")),
            [
                "docs/REFERENCE.md: Metrics: ws_ready is missing",
                "docs/REFERENCE.md: Metrics: ws_redy is never said",
                "docs/REFERENCE.md: Metrics: ws_held does not tell of expired",
            ]
        );
    }

    #[test]
    fn lines_are_compared_with_their_level() {
        let rows =
            markdown::rows("## Log lines\n\n| a | b |\n| --- | --- |\n| `gate open` | INFO |\n");
        let page: Vec<_> = pairs(&rows, "Log lines").collect();
        assert_eq!(page, [("gate open".to_owned(), "INFO".to_owned())]);
        assert_eq!(firsts(&rows, "Metrics").count(), 0);
    }
}
