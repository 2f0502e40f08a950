//! The image: what it is built from, and how it starts the server.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{DOCKERFILE, IGNORED, Named, Start};
use crate::shell;
use crate::workspace::Workspace;

/// The instructions of a Dockerfile, in their order.
pub(super) struct Dockerfile(Vec<(String, String)>);

/// A binary that a package of the workspace makes.
#[derive(Debug, PartialEq, Eq)]
struct Binary {
    package: String,
    name: String,
    /// The Rust it needs at least.
    rust: String,
}

impl Dockerfile {
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
        let instructions = text.lines().filter_map(|line| {
            let (keyword, rest) = line.trim().split_once(char::is_whitespace)?;
            Some((keyword.to_uppercase(), rest.trim().to_owned()))
        });
        Self(instructions.collect())
    }

    fn all<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        let fitting = self.0.iter().filter(move |(found, _)| found == keyword);
        fitting.map(|(_, rest)| rest.as_str())
    }

    /// What the container and its health check run.
    pub(super) fn named(&self) -> Result<Named> {
        let mut served = Vec::new();
        for words in self.all("ENTRYPOINT").chain(self.all("CMD")) {
            served.extend(list(words)?);
        }
        let mut lines = vec![served];
        for check in self.all("HEALTHCHECK") {
            let (_, words) = check.split_once("CMD").context("HEALTHCHECK has no CMD")?;
            lines.push(list(words)?);
        }
        let mut named = Named::default();
        for line in lines {
            let (program, arguments) = line.split_first().context("nothing is started")?;
            ensure!(program == "ws-server", "{program} is started");
            named.starts.push(Start {
                arguments: arguments.to_vec(),
                variables: self.variables(),
                grace: None,
            });
        }
        Ok(named)
    }

    /// What every container of this image has set.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let assignments = self.all("ENV").flat_map(str::split_whitespace);
        assignments
            .filter_map(|one| one.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Where the image has a file from.
    pub(super) fn source(&self, workspace: &Workspace, path: &str) -> Option<PathBuf> {
        let (source, _) = self.copies().find(|(_, to)| *to == path)?;
        Some(workspace.path(source))
    }

    /// Sources in the workspace, each with where it goes.
    fn copies(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self
            .all("COPY")
            .filter(|words| !words.starts_with("--from"));
        own.flat_map(|words| {
            let words: Vec<_> = words.split_whitespace().collect();
            let (to, sources) = words
                .split_last()
                .map_or(("", &[][..]), |(to, from)| (*to, from));
            sources
                .iter()
                .map(|&source| (source, to))
                .collect::<Vec<_>>()
        })
    }

    /// What it is built from and is not there.
    pub(super) fn problems(&self, workspace: &Workspace, ignored: &str) -> Result<Vec<String>> {
        let metadata = workspace.command("cargo metadata --no-deps --format-version 1");
        let metadata = shell::output(&mut { metadata })?;
        let binaries = binaries(&serde_json::from_str(&metadata)?);
        let mut problems = self.without_source(ignored, |path| workspace.path(path).exists());
        problems.extend(self.not_built(&binaries));
        Ok(problems
            .into_iter()
            .map(|problem| format!("{DOCKERFILE}: {problem}"))
            .collect())
    }

    fn without_source(&self, ignored: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
        let mut problems = Vec::new();
        for (source, _) in self.copies() {
            if !exists(Path::new(source)) {
                problems.push(format!("copies {source}, which is not there"));
            } else if !is_sent(ignored, source) {
                problems.push(format!("copies {source}, which {IGNORED} keeps back"));
            }
        }
        problems
    }

    /// The binary that is built exists, and the compiler is not too old for it.
    fn not_built(&self, binaries: &[Binary]) -> Option<String> {
        let built = self.all("RUN").find(|line| line.contains("cargo build"));
        let words: Vec<_> = built.unwrap_or_default().split_whitespace().collect();
        let after = |flag: &str| {
            let at = words.iter().position(|word| *word == flag)?;
            words.get(at + 1).copied()
        };
        let (Some(package), Some(name)) = (after("--package"), after("--bin")) else {
            return Some("has no `cargo build --package … --bin …`".to_owned());
        };
        let Some(binary) = binaries
            .iter()
            .find(|one| one.package == package && one.name == name)
        else {
            return Some(format!("builds {name} of {package}, which is not there"));
        };
        let compiler = format!("rust:{}-", binary.rust);
        let fits = self.all("FROM").any(|image| image.starts_with(&compiler));
        (!fits).then(|| format!("builds with another Rust than {}", binary.rust))
    }
}

fn list(words: &str) -> Result<Vec<String>> {
    serde_json::from_str(words.trim()).with_context(|| format!("{words} is no list in JSON"))
}

/// Whether the builder is sent a path: everything is kept back but what a `!` names.
fn is_sent(ignored: &str, path: &str) -> bool {
    let kept = ignored.lines().filter_map(|line| line.strip_prefix('!'));
    let mut kept = kept.filter(|kept| Path::new(path).starts_with(kept));
    !ignored.lines().any(|line| line == "*") || kept.next().is_some()
}

fn binaries(metadata: &Value) -> Vec<Binary> {
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for package in each(&metadata["packages"]) {
        for target in each(&package["targets"]) {
            if each(&target["kind"]).contains(&"bin".into()) {
                found.push(Binary {
                    package: text(&package["name"]),
                    name: text(&target["name"]),
                    rust: text(&package["rust_version"]),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# An image\nFROM rust:1.95-slim AS build\nCOPY Cargo.toml crates ./\n\
        RUN --mount=type=cache,target=target \\\n    cargo build --package gate --bin gate\n\n\
        FROM debian\nCOPY --from=build /gate /usr/bin/\nCOPY deploy/a.toml /etc/a.toml\n\
        ENV PORT=8080 NAME=gate\nHEALTHCHECK --interval=5s CMD [\"ws-server\", \"probe\"]\n\
        ENTRYPOINT [\"ws-server\"]\nCMD [\"--config\", \"/etc/a.toml\"]\n";

    const IGNORED: &str = "*\n!Cargo.toml\n!crates\n!deploy/a.toml\n";

    fn gate() -> Binary {
        Binary {
            package: "gate".into(),
            name: "gate".into(),
            rust: "1.95".into(),
        }
    }

    fn without_source(ignored: &str) -> Vec<String> {
        let there = ["Cargo.toml", "crates", "deploy/a.toml"];
        Dockerfile::parse(TEXT).without_source(ignored, |path| {
            there.iter().any(|there| Path::new(there) == path)
        })
    }

    #[test]
    fn the_entry_point_and_the_health_check_start_the_server() {
        let named = Dockerfile::parse(TEXT).named().unwrap();
        let arguments: Vec<_> = named.starts.iter().map(|start| &start.arguments).collect();
        assert_eq!(
            arguments,
            [&vec!["--config", "/etc/a.toml"], &vec!["probe"]]
        );
        let variables = [("PORT", "8080"), ("NAME", "gate")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(named.starts.iter().all(|one| one.variables == variables));
    }

    #[test]
    fn another_program_or_one_in_a_shell_is_an_error() {
        for other in ["[\"sh\"]", "ws-server"] {
            let text = TEXT.replace("ENTRYPOINT [\"ws-server\"]", &format!("ENTRYPOINT {other}"));
            assert!(Dockerfile::parse(&text).named().is_err(), "{other}");
        }
    }

    #[test]
    fn a_file_of_the_image_has_its_source_in_the_workspace() {
        let workspace = Workspace::at(Path::new("/repo"));
        let source = |path| Dockerfile::parse(TEXT).source(&workspace, path);
        assert_eq!(source("/etc/a.toml"), Some("/repo/deploy/a.toml".into()));
        assert_eq!(source("/usr/bin/"), None);
    }

    #[test]
    fn sources_that_are_there_and_sent_pass() {
        assert_eq!(without_source(IGNORED), [] as [&str; 0]);
        assert_eq!(without_source("target\n"), [] as [&str; 0]);
    }

    #[test]
    fn a_source_that_is_kept_back_fails() {
        let ignored = IGNORED.replace("!crates\n", "!crate\n");
        assert_eq!(
            without_source(&ignored),
            ["copies crates, which .dockerignore keeps back"]
        );
    }

    #[test]
    fn a_source_that_is_gone_fails() {
        let problems = Dockerfile::parse(TEXT).without_source(IGNORED, |_| false);
        assert_eq!(problems.len(), 3);
        assert_eq!(problems[2], "copies deploy/a.toml, which is not there");
    }

    #[test]
    fn the_binary_is_one_of_the_workspace_and_so_is_its_rust() {
        let image = Dockerfile::parse(TEXT);
        assert_eq!(image.not_built(&[gate()]), None);
        let newer = Binary {
            rust: "1.96".into(),
            ..gate()
        };
        assert!(image.not_built(&[newer]).unwrap().contains("1.96"));
        assert!(image.not_built(&[]).unwrap().contains("gate of gate"));
    }

    #[test]
    fn binaries_are_read_from_what_cargo_tells() {
        let metadata = serde_json::json!({"packages": [{
            "name": "gate",
            "rust_version": "1.95",
            "targets": [{"name": "gate", "kind": ["bin"]}, {"name": "lib", "kind": ["lib"]}],
        }]});
        assert_eq!(binaries(&metadata), [gate()]);
    }
}
