//! Where settings come from, laid over one another by the `config` crate.

use std::path::Path;

use config::{Config, ConfigError, FileFormat, Format, Map, Value, ValueKind};

use super::Sources;
use super::known::Known;
use super::problem::Problem;

/// What the names of our environment variables begin with. The second underscore keeps apart what Kubernetes
/// sets for a service called `ws-server`.
const PREFIX: &str = "WS_SERVER__";

/// Lays all sources over one another: what a later one sets wins, key by key. Every value keeps where it
/// came from.
pub(super) fn merge(sources: &Sources<'_>, known: &Known, problems: &mut Vec<Problem>) -> Value {
    let config = Config::builder()
        .add_source(platform(sources))
        .add_source(
            sources
                .file
                .map_or_else(Layer::default, |path| file(path, known, problems)),
        )
        .add_source(variables(sources, known, problems))
        .add_source(flags(sources, known, problems))
        .build();
    config.map_or_else(
        |error| {
            problems.push(Problem::about_source("settings", error.to_string()));
            Value::default()
        },
        |config| config.cache,
    )
}

/// What one source sets.
#[derive(Clone, Debug, Default)]
struct Layer(Map<String, Value>);

impl Layer {
    /// Sets a known key, which `config` reads as a path into the tree.
    fn set(&mut self, key: &str, origin: &String, value: impl Into<ValueKind>) {
        self.0
            .insert(key.to_owned(), Value::new(Some(origin), value));
    }
}

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// What platforms say by variables of their own, below everything else: where they send clients, and
/// where a file may be kept.
fn platform(sources: &Sources<'_>) -> Layer {
    let mut layer = Layer::default();
    let get = |name| sources.variables.get(name).map(str::trim);
    if let Some(port) = get("PORT").filter(|port| !port.is_empty()) {
        layer.set(
            "server.listen",
            &variable("PORT"),
            format!("0.0.0.0:{port}"),
        );
    }
    // systemd separates several by colons.
    let of_service = get("STATE_DIRECTORY").and_then(|all| all.split(':').next());
    let of_user = get("XDG_STATE_HOME");
    let folders = [
        ("STATE_DIRECTORY", of_service, ""),
        ("XDG_STATE_HOME", of_user, "/ws-server"),
    ];
    let is_absolute = |folder: &str| folder.starts_with('/');
    if let Some((name, folder, below)) = folders
        .into_iter()
        .find_map(|(name, folder, below)| Some((name, folder.filter(|it| is_absolute(it))?, below)))
    {
        let file = format!("{folder}{below}/startup-history.json");
        layer.set("startup.history", &variable(name), file);
    }
    layer
}

fn file(path: &Path, known: &Known, problems: &mut Vec<Problem>) -> Layer {
    let origin = format!("file {}", path.display());
    match parse(path, &origin) {
        Ok(mut table) => {
            table.retain(|name, value| {
                // `config` would read such a name as a path into the tree.
                let is_path = name.contains(['.', '[']);
                if is_path {
                    let message = "is not a plain name; write sections as tables";
                    problems.push(Problem::about_key(name, Some(origin.clone()), message));
                }
                // What YAML makes of a section without keys; it would replace what is below it.
                let is_blank = value.kind == ValueKind::Nil && known.is_section(name);
                !is_path && !is_blank
            });
            Layer(table)
        }
        Err(message) => {
            problems.push(Problem::about_source(&origin, message));
            Layer::default()
        }
    }
}

fn parse(path: &Path, origin: &String) -> Result<Map<String, Value>, String> {
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => FileFormat::Toml,
        Some("yaml" | "yml") => FileFormat::Yaml,
        Some("json") => FileFormat::Json,
        _ => return Err("its name has to end in .toml, .yaml, .yml or .json".to_owned()),
    };
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    // Some editors begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    if format == FileFormat::Yaml && text.trim().is_empty() {
        return Ok(Map::new());
    }
    format
        .parse(Some(origin), text)
        .map_err(|error| one_line(&error.to_string()))
}

/// A parser's message without its drawing of the place, which takes several lines.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| {
        let drawing = line
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .trim_start();
        !line.is_empty() && !drawing.starts_with('|')
    });
    lines.collect::<Vec<_>>().join(": ")
}

fn variables(sources: &Sources<'_>, known: &Known, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    for (name, text) in sources.variables.iter() {
        let Some(path) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if text.trim().is_empty() {
            continue; // set to nothing counts as not set, as everywhere
        }
        let key = path.to_lowercase().replace("__", ".");
        set_known(&mut layer, known, problems, &key, variable(name), text);
    }
    layer
}

fn flags(sources: &Sources<'_>, known: &Known, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    for (flag, assignment) in &sources.flags {
        let origin = format!("flag {flag}");
        match assignment.split_once('=') {
            Some((key, text)) => {
                set_known(&mut layer, known, problems, key.trim(), origin, text);
            }
            None => problems.push(Problem::about_source(
                &origin,
                format!("{assignment:?} is not KEY=VALUE, such as queue.max_size=500"),
            )),
        }
    }
    for (name, key, items) in &sources.lists {
        let origin = format!("the command line, {name}");
        set_known(&mut layer, known, problems, key, origin, items.clone());
    }
    layer
}

/// Only a known key goes into the tree, where any other could replace a whole section.
fn set_known(
    layer: &mut Layer,
    known: &Known,
    problems: &mut Vec<Problem>,
    key: &str,
    origin: String,
    value: impl Into<ValueKind>,
) {
    if known.contains(key) {
        layer.set(key, &origin, value);
    } else {
        problems.push(known.unknown(key, Some(origin), &[]));
    }
}

fn variable(name: &str) -> String {
    format!("environment variable {name}")
}

/// Where a value, or anything inside it, was set.
pub(super) fn origin_of(value: &Value) -> Option<String> {
    let inside = || match &value.kind {
        ValueKind::Table(table) => table.values().find_map(origin_of),
        ValueKind::Array(items) => items.iter().find_map(origin_of),
        _ => None,
    };
    value.origin().map(str::to_owned).or_else(inside)
}
