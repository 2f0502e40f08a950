//! The workspace as the checks see it: where it is, its members, its sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

/// The root of the workspace and what lies in it. Paths given and returned are relative to the root.
pub(crate) struct Workspace {
    root: PathBuf,
}

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Its directory, as in `crates/ws-queue`.
    pub(crate) directory: PathBuf,
    /// What its manifest names as a dependency of any kind: normal, dev or build.
    pub(crate) dependencies: Vec<String>,
}

impl Workspace {
    /// The workspace that this command was built from.
    pub(crate) fn here() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask lies in the workspace");
        Self::at(root)
    }

    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn read(&self, relative: impl AsRef<Path>) -> Result<String> {
        let relative = relative.as_ref();
        fs::read_to_string(self.path(relative))
            .with_context(|| format!("cannot read {}", relative.display()))
    }

    /// A command line to be run in the root.
    pub(crate) fn command(&self, line: &str) -> std::process::Command {
        let mut command = shell::command(line);
        command.current_dir(&self.root);
        command
    }

    /// The members, as cargo tells them.
    pub(crate) fn members(&self) -> Result<Vec<Member>> {
        let metadata =
            shell::output(&mut self.command("cargo metadata --no-deps --format-version 1"))?;
        members(&serde_json::from_str(&metadata)?)
    }

    /// Every file below a directory whose name ends in `.extension`, sorted. Nothing where there is
    /// no such directory.
    pub(crate) fn files(
        &self,
        directory: impl AsRef<Path>,
        extension: &str,
    ) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut left = vec![directory.as_ref().to_path_buf()];
        while let Some(directory) = left.pop() {
            if !self.path(&directory).is_dir() {
                continue;
            }
            for entry in fs::read_dir(self.path(&directory))? {
                let entry = entry?;
                let path = directory.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    left.push(path);
                } else if path.extension().is_some_and(|found| found == extension) {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// Turns what a check found into its result: `Ok` only where it found nothing.
pub(crate) fn none_of(problems: &[String]) -> Result<()> {
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(())
}

fn members(metadata: &Value) -> Result<Vec<Member>> {
    let text = |value: &Value, key: &str| -> Result<String> {
        Ok(value[key]
            .as_str()
            .with_context(|| format!("cargo metadata has no {key:?}"))?
            .to_owned())
    };
    let root = text(metadata, "workspace_root")?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    packages
        .iter()
        .map(|package| {
            let manifest = PathBuf::from(text(package, "manifest_path")?);
            let directory = manifest
                .parent()
                .context("a manifest lies in a directory")?;
            let dependencies = package["dependencies"]
                .as_array()
                .context("a package has no dependencies")?;
            Ok(Member {
                name: text(package, "name")?,
                directory: directory.strip_prefix(&root)?.to_path_buf(),
                dependencies: dependencies
                    .iter()
                    .map(|one| text(one, "name"))
                    .collect::<Result<_>>()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_with_their_directory_and_dependencies() {
        let metadata = serde_json::json!({
            "workspace_root": "/repo",
            "packages": [{
                "name": "gate",
                "manifest_path": "/repo/crates/gate/Cargo.toml",
                "dependencies": [{"name": "tokio", "kind": null}, {"name": "queue", "kind": "dev"}],
            }],
        });
        let gate = Member {
            name: "gate".into(),
            directory: "crates/gate".into(),
            dependencies: vec!["tokio".into(), "queue".into()],
        };
        assert_eq!(members(&metadata).unwrap(), [gate]);
    }

    #[test]
    fn files_are_found_at_any_depth_and_sorted() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("src/inner")).unwrap();
        for name in ["src/b.rs", "src/inner/a.rs", "src/notes.md"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let files = Workspace::at(directory.path()).files("src", "rs").unwrap();
        assert_eq!(
            files,
            [PathBuf::from("src/b.rs"), PathBuf::from("src/inner/a.rs")]
        );
    }
}
