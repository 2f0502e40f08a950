//! Containers of our image in YAML: Compose, Kubernetes, Cloud Run.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use yaml_rust2::{Yaml, YamlLoader};

use super::{Named, Start};

/// What Cloud Run grants between SIGTERM and SIGKILL.
const CLOUD_RUN_GRACE: Duration = Duration::from_secs(10);

/// What the containers of our image run and are asked for. `preset` is what the image sets.
pub(super) fn read(text: &str, preset: &[(String, String)]) -> Result<Named> {
    let mut named = Named::default();
    for document in YamlLoader::load_from_str(text)? {
        visit(&document, None, preset, &mut named)?;
    }
    Ok(named)
}

fn visit(
    yaml: &Yaml,
    grace: Option<Duration>,
    preset: &[(String, String)],
    named: &mut Named,
) -> Result<()> {
    match yaml {
        Yaml::Array(items) => items
            .iter()
            .try_for_each(|item| visit(item, grace, preset, named)),
        Yaml::Hash(table) => {
            let grace = own_grace(yaml)?.or(grace);
            let image = yaml["image"].as_str().unwrap_or_default();
            if image.split(':').next() == Some("ws-server") {
                container(yaml, grace, preset, named)?;
            }
            table
                .values()
                .try_for_each(|value| visit(value, grace, preset, named))
        }
        _ => Ok(()),
    }
}

/// What is said at this level about the time between SIGTERM and SIGKILL.
fn own_grace(yaml: &Yaml) -> Result<Option<Duration>> {
    if let Some(seconds) = yaml["terminationGracePeriodSeconds"].as_i64() {
        return Ok(Some(Duration::from_secs(seconds.try_into()?)));
    }
    if let Some(text) = yaml["stop_grace_period"].as_str() {
        return Ok(Some(humantime::parse_duration(text)?));
    }
    let api = yaml["apiVersion"].as_str().unwrap_or_default();
    Ok(api
        .starts_with("serving.knative.dev/")
        .then_some(CLOUD_RUN_GRACE))
}

fn container(
    yaml: &Yaml,
    grace: Option<Duration>,
    preset: &[(String, String)],
    named: &mut Named,
) -> Result<()> {
    let mut variables = preset.to_vec();
    variables.extend(pairs(&yaml["env"])?);
    variables.extend(pairs(&yaml["environment"])?);
    let mut start = |words: Vec<String>| {
        named.starts.push(Start {
            arguments: words
                .into_iter()
                .skip_while(|one| one == "ws-server")
                .collect(),
            variables: variables.clone(),
            grace,
        });
    };
    start([words(&yaml["command"])?, words(&yaml["args"])?].concat());
    let check = words(&yaml["healthcheck"]["test"])?;
    if let Some(("CMD", rest)) = check
        .split_first()
        .map(|(kind, rest)| (kind.as_str(), rest))
    {
        start(rest.to_vec());
    } else if !check.is_empty() {
        bail!("healthcheck.test: write [CMD, ws-server, …], without a shell");
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let path = yaml[probe]["httpGet"]["path"].as_str();
        named.paths.extend(path.map(str::to_owned));
    }
    Ok(())
}

/// A command line as a list; nothing where there is none.
fn words(yaml: &Yaml) -> Result<Vec<String>> {
    match yaml {
        Yaml::BadValue => Ok(Vec::new()),
        Yaml::Array(items) => items.iter().map(text).collect(),
        _ => bail!("write a command line as a list"),
    }
}

/// Variables: `NAME: value` (Compose) or `- name: …, value: …` (Kubernetes).
fn pairs(yaml: &Yaml) -> Result<Vec<(String, String)>> {
    match yaml {
        Yaml::BadValue => Ok(Vec::new()),
        Yaml::Hash(table) => {
            let pairs = table.iter();
            pairs
                .map(|(name, value)| Ok((text(name)?, text(value)?)))
                .collect()
        }
        Yaml::Array(items) => {
            let pairs = items.iter();
            pairs
                .map(|item| Ok((text(&item["name"])?, text(&item["value"])?)))
                .collect()
        }
        _ => bail!("variables are neither a table nor a list"),
    }
}

fn text(yaml: &Yaml) -> Result<String> {
    let text = yaml.as_str().map(str::to_owned);
    text.or_else(|| Some(yaml.as_i64()?.to_string()))
        .with_context(|| format!("{yaml:?} is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preset() -> Vec<(String, String)> {
        vec![("PORT".into(), "8080".into())]
    }

    fn start(arguments: &[&str], variables: &[(&str, &str)], grace: Option<u64>) -> Start {
        let own = variables
            .iter()
            .map(|&(name, value)| (name.into(), value.into()));
        Start {
            arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
            variables: preset().into_iter().chain(own).collect(),
            grace: grace.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_compose_service_of_our_image_is_read() {
        let text = "
services:
  gate:
    image: ws-server:1
    command: [--config, a.toml]
    environment: {PORT: 9000, WS_SERVER__A: b}
    healthcheck: {test: [CMD, ws-server, probe]}
    stop_grace_period: 1m15s
  other: {image: postgres, command: [--unknown]}
";
        let variables = [("PORT", "9000"), ("WS_SERVER__A", "b")];
        let starts = vec![
            start(&["--config", "a.toml"], &variables, Some(75)),
            start(&["probe"], &variables, Some(75)),
        ];
        let paths = Vec::new();
        assert_eq!(read(text, &preset()).unwrap(), Named { starts, paths });
    }

    #[test]
    fn a_pod_is_read_with_its_grace_and_the_paths_of_our_probes() {
        let text = "
kind: Service
---
kind: Deployment
spec:
  terminationGracePeriodSeconds: 30
  containers:
    - image: ws-server
      command: [ws-server]
      args: [--log, json]
      env: [{name: A, value: b}]
      readinessProbe: {httpGet: {path: /health/ready}}
      livenessProbe: {httpGet: {path: /health/live}}
    - image: other
      livenessProbe: {httpGet: {path: /other}}
";
        let starts = vec![start(&["--log", "json"], &[("A", "b")], Some(30))];
        let paths = ["/health/ready", "/health/live"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(read(text, &preset()).unwrap(), Named { starts, paths });
    }

    #[test]
    fn cloud_run_grants_ten_seconds() {
        let text = "{apiVersion: serving.knative.dev/v1, spec: [{image: ws-server}]}";
        let starts = vec![start(&[], &[], Some(10))];
        let paths = Vec::new();
        assert_eq!(read(text, &preset()).unwrap(), Named { starts, paths });
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for text in [
            "a: [",
            "{image: ws-server, command: run --config a.toml}",
            "{image: ws-server, environment: PORT=1}",
            "{image: ws-server, healthcheck: {test: [CMD-SHELL, ws-server probe]}}",
        ] {
            assert!(read(text, &preset()).is_err(), "{text}");
        }
    }
}
