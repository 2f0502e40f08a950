//! What Prometheus and Grafana are told of a server: rules that wake people, and a dashboard.
//!
//! Every metric they name, with the value of each label they pick, is one that a running server
//! prints; every rule has a test, and a section in the reference that says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::markdown;
use crate::tools;
use crate::workspace::Workspace;

const RULES: &str = "deploy/alerts.yaml";
const TESTS: &str = "deploy/alerts_test.yaml";
const DASHBOARD: &str = "deploy/grafana.json";
const REFERENCE: &str = "docs/REFERENCE.md";

/// A label that Prometheus puts on what it scrapes.
const OF_PROMETHEUS: &str = "instance";

/// Whether a file starts no server because it is one of these.
pub(super) fn is_ours(file: &Path) -> bool {
    [RULES, TESTS].iter().any(|ours| file == Path::new(ours))
}

/// What was found wrong, and what there is to say.
pub(super) fn check(workspace: &Workspace, metrics: &str) -> Result<(Vec<String>, String)> {
    let rules = workspace.read(RULES)?;
    let dashboard = workspace.read(DASHBOARD)?;
    let printed = Printed::parse(metrics);
    let mut problems = Vec::new();

    let loaded = YamlLoader::load_from_str(&rules).context(RULES)?;
    let mut expressions = Vec::new();
    loaded
        .iter()
        .for_each(|one| texts(one, "expr", &mut expressions));
    let alerts = expressions.len();
    problems.extend(printed.unknown(RULES, &expressions));

    let mut expressions = Vec::new();
    let panels: Value = serde_json::from_str(&dashboard).context(DASHBOARD)?;
    for key in ["expr", "definition"] {
        texts_of_json(&panels, key, &mut expressions);
    }
    problems.extend(printed.unknown(DASHBOARD, &expressions));

    let tests = workspace.read(TESTS)?;
    let mut names = Vec::new();
    loaded
        .iter()
        .for_each(|one| texts(one, "alert", &mut names));
    let untested = names
        .iter()
        .filter(|name| !tests.contains(&format!("\"{name}\"")));
    problems.extend(untested.map(|name| format!("{TESTS}: {name} never fires")));

    let anchors = markdown::anchors(&workspace.read(REFERENCE)?);
    for name in &names {
        let runbook = format!("{REFERENCE}#{}", name.to_lowercase());
        if !rules.contains(&format!("runbook: {runbook}\n")) {
            problems.push(format!("{RULES}: {name} has no `runbook: {runbook}`"));
        } else if !anchors.contains(&name.to_lowercase()) {
            problems.push(format!("{REFERENCE}: there is no section {name}"));
        }
    }

    let mut said = format!(
        "{alerts} alerts and {} queries of the dashboard",
        expressions.len()
    );
    match ask_promtool(workspace, metrics)? {
        Some(found) => problems.extend(found),
        None => said.push_str("\nNOT CHECKED: the alerts' tests, since promtool is not installed"),
    }
    Ok((problems, said))
}

/// What promtool finds wrong with the rules, their tests and the metrics; `None` where there is none.
fn ask_promtool(workspace: &Workspace, metrics: &str) -> Result<Option<Vec<String>>> {
    let Some(promtool) = tools::promtool(workspace) else {
        return Ok(None);
    };
    let mut problems = Vec::new();
    let asked = [
        (format!("check rules {RULES}"), ""),
        (format!("test rules {TESTS}"), ""),
        ("check metrics".to_owned(), metrics),
    ];
    for (arguments, input) in asked {
        let mut command = workspace.command(&format!("{promtool} {arguments}"));
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.context("cannot start promtool")?;
        let mut stdin = child.stdin.take().context("its input is a pipe")?;
        stdin.write_all(input.as_bytes())?;
        drop(stdin);
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).trim_end().to_owned();
            problems.push(format!("promtool {arguments}:\n{said}"));
        }
    }
    Ok(Some(problems))
}

/// The metrics that a server prints: of each its labels, and the values of those.
struct Printed<'a>(BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<&'a str>>>);

impl<'a> Printed<'a> {
    fn parse(metrics: &'a str) -> Self {
        let mut printed = Self(BTreeMap::new());
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let Some(Selector { name, labels }) = selectors(line).into_iter().next() else {
                continue;
            };
            let known = printed.0.entry(name).or_default();
            for (label, value) in labels {
                known.entry(label).or_default().insert(value);
            }
        }
        printed
    }

    /// What expressions of `place` ask for and no server prints.
    fn unknown(&self, place: &str, expressions: &[String]) -> Vec<String> {
        let mut problems = BTreeSet::new();
        for Selector { name, labels } in expressions.iter().flat_map(|one| selectors(one)) {
            let Some(known) = self.0.get(name) else {
                problems.insert(format!("{place}: no server prints {name}"));
                continue;
            };
            for (label, pattern) in labels.iter().filter(|(label, _)| *label != OF_PROMETHEUS) {
                let values = known.get(label);
                for value in pattern.split('|') {
                    if values.is_some_and(|values| values.iter().any(|known| *known == value)) {
                        continue;
                    }
                    problems.insert(format!("{place}: {name} is never {label}=\"{value}\""));
                }
            }
        }
        problems.into_iter().collect()
    }
}

/// A metric as a query or a sample names it: `name{label="value",other=~"this|that"}`.
#[derive(Debug, PartialEq, Eq)]
struct Selector<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
}

/// All metrics of ours in a query.
fn selectors(query: &str) -> Vec<Selector<'_>> {
    let mut found = Vec::new();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = query;
    while let Some(begin) = rest.find("ws_") {
        let before = rest[..begin].chars().next_back();
        let end = rest[begin..].find(|c| !is_name(c));
        let end = end.map_or(rest.len(), |end| begin + end);
        let name = &rest[begin..end];
        rest = &rest[end..];
        if before.is_some_and(is_name) {
            continue;
        }
        let mut labels = Vec::new();
        if let Some((inner, behind)) = rest.strip_prefix('{').and_then(|it| it.split_once('}')) {
            let mut parts = inner.split('"');
            while let (Some(label), Some(value)) = (parts.next(), parts.next()) {
                labels.push((label.trim_matches(|c| !is_name(c)), value));
            }
            rest = behind;
        }
        found.push(Selector { name, labels });
    }
    found
}

/// Every text that stands at `key`, at any depth.
fn texts(yaml: &Yaml, key: &str, found: &mut Vec<String>) {
    match yaml {
        Yaml::Array(items) => items.iter().for_each(|one| texts(one, key, found)),
        Yaml::Hash(table) => {
            found.extend(yaml[key].as_str().map(str::to_owned));
            table.values().for_each(|one| texts(one, key, found));
        }
        _ => {}
    }
}

fn texts_of_json(json: &Value, key: &str, found: &mut Vec<String>) {
    match json {
        Value::Array(items) => items.iter().for_each(|one| texts_of_json(one, key, found)),
        Value::Object(table) => {
            found.extend(json[key].as_str().map(str::to_owned));
            table
                .values()
                .for_each(|one| texts_of_json(one, key, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# HELP ws_close_total Ended.\n# TYPE ws_close_total counter\n\
        ws_close_total{code=\"1000\",initiator=\"client\"} 0\n\
        ws_close_total{code=\"1011\",initiator=\"server\"} 0\nws_ready 1\n";

    fn unknown(query: &str) -> Vec<String> {
        Printed::parse(METRICS).unknown("a.yaml", &[query.to_owned()])
    }

    #[test]
    fn metrics_are_found_in_a_query_with_their_labels() {
        assert_eq!(
            selectors(
                "sum by (code) (rate(ws_close_total{code!~\"1000|1001\", x=\"\"}[5m])) > ws_ready"
            ),
            [
                Selector {
                    name: "ws_close_total",
                    labels: vec![("code", "1000|1001"), ("x", "")]
                },
                Selector {
                    name: "ws_ready",
                    labels: vec![]
                },
            ]
        );
        assert_eq!(selectors("news_ready"), []);
    }

    #[test]
    fn what_a_server_prints_may_be_asked_for() {
        assert_eq!(
            unknown("ws_close_total{code=~\"1000|1011\",instance=~\"$instance\"} / ws_ready"),
            [] as [&str; 0]
        );
    }

    #[test]
    fn what_no_server_prints_is_a_problem() {
        assert_eq!(unknown("ws_redy > 0"), ["a.yaml: no server prints ws_redy"]);
        assert_eq!(
            unknown("ws_close_total{code=\"1012\"}"),
            ["a.yaml: ws_close_total is never code=\"1012\""]
        );
    }
}
