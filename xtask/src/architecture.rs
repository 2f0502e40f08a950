//! `cargo xtask architecture`: `ARCHITECTURE.md` names what is there, and nothing that is gone.
//!
//! The format that is read, and the rules:
//!
//! * A heading with a crate's directory in backticks, such as ``### `crates/ws-queue` ``, opens that
//!   crate's section, which runs to the next heading of the same or a higher level. Every member of
//!   the workspace has exactly one, and `fuzz`.
//! * In a crate's section, code in backticks that ends in `.rs` or in `/` names a file or a directory
//!   of the crate, by its path in the crate or by the end of that path, as long as it fits one only:
//!   `src/lib.rs`, `lib.rs`, `probe/redis.rs`, `probe/`. A module's directory stands for its `mod.rs`.
//! * Every file under a crate's `src` is named in its section, and everything named is there.
//! * Elsewhere, code in backticks that ends in `.rs` is the end of some file's path.
//! * Code in backticks that begins with `crates/`, `xtask/` or `docs/` is a path from the root, in any
//!   section, and is there.
//! * A word such as `P3` is a contract's number, and the contract exists.
//!
//! Code blocks are not read. The command also looks at the links of all pages: see [`links`].

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::contracts::{self, Number};
use crate::links;
use crate::markdown::{self, Part};
use crate::workspace::{Workspace, none_of};

const PAGE: &str = "ARCHITECTURE.md";

/// No member of the workspace, and described like one.
const FUZZ: &str = "fuzz";

pub(crate) fn run(workspace: &Workspace, _arguments: &[String]) -> Result<()> {
    println!("{}", check(workspace)?);
    println!("{}", links::check(workspace)?);
    Ok(())
}

/// The page fits the workspace; says how much it names.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let mut crates = Vec::new();
    let members = workspace.members()?.into_iter();
    let directories = members.map(|member| member.directory);
    for directory in directories.chain([PathBuf::from(FUZZ)]) {
        let files = workspace.files(&directory, "rs")?;
        let files = files
            .iter()
            .map(|path| path.strip_prefix(&directory).map(Path::to_path_buf));
        let files = files.collect::<Result<_, _>>()?;
        crates.push(Crate { directory, files });
    }
    let numbers: Vec<_> = contracts::contracts(workspace)?
        .iter()
        .map(|contract| contract.number)
        .collect();
    let page = markdown::parts(&workspace.read(PAGE)?);
    none_of(&problems(&page, &crates, &numbers, |path| {
        workspace.path(path).exists()
    }))?;
    let files: usize = crates.iter().map(|one| one.sources().count()).sum();
    Ok(format!(
        "{PAGE} names {} crates and {files} files",
        crates.len()
    ))
}

/// A member of the workspace, with its Rust files relative to its directory.
struct Crate {
    directory: PathBuf,
    files: Vec<PathBuf>,
}

impl Crate {
    /// The files that its section must name.
    fn sources(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().filter(|path| path.starts_with("src"))
    }

    /// The file that a name in its section stands for (`None`: a directory without a `mod.rs`).
    fn named(&self, name: &str) -> Result<Option<&PathBuf>, String> {
        if let Some(directory) = name.strip_suffix('/') {
            let mut directories: Vec<&Path> = self
                .files
                .iter()
                .flat_map(|file| file.ancestors().skip(1))
                .collect();
            directories.sort();
            directories.dedup();
            let directory = one(&directories, name, |found| found.ends_with(directory))?;
            return Ok(self
                .files
                .iter()
                .find(|file| **file == directory.join("mod.rs")));
        }
        let files: Vec<&Path> = self.files.iter().map(PathBuf::as_path).collect();
        let file = one(&files, name, |found| found.ends_with(name))?;
        Ok(self.files.iter().find(|found| *found == file))
    }
}

/// The only path that fits: `name` itself, or the one that ends with it.
fn one<'a>(
    paths: &[&'a Path],
    name: &str,
    fits: impl Fn(&Path) -> bool,
) -> Result<&'a Path, String> {
    let fitting: Vec<&Path> = paths.iter().copied().filter(|path| fits(path)).collect();
    match fitting[..] {
        [] => Err(format!("names `{name}`, which is not there")),
        [path] => Ok(path),
        _ => fitting
            .iter()
            .copied()
            .find(|path| path == &Path::new(name))
            .ok_or_else(|| {
                format!(
                    "names `{name}`, which fits {} paths: write more of it",
                    fitting.len()
                )
            }),
    }
}

fn problems(
    page: &[Part],
    crates: &[Crate],
    contracts: &[Number],
    exists: impl Fn(&Path) -> bool,
) -> Vec<String> {
    let mut problems = Vec::new();
    let mut in_sections = Vec::new();
    for one in crates {
        let directory = one.directory.display();
        let sections = sections(page, &one.directory);
        match &sections[..] {
            [] => problems.push(format!("has no section for `{directory}`")),
            [section] => {
                let section = in_section(&page[section.clone()], one).into_iter();
                problems.extend(section.map(|problem| format!("`{directory}` {problem}")));
            }
            _ => problems.push(format!("has more than one section for `{directory}`")),
        }
        in_sections.extend(sections);
    }
    for (at, part) in page.iter().enumerate() {
        if let Part::Code(name) = part {
            let there = if is_root_path(name) {
                exists(Path::new(name))
            } else if name.ends_with(".rs")
                && !in_sections.iter().any(|section| section.contains(&at))
            {
                crates
                    .iter()
                    .flat_map(|one| &one.files)
                    .any(|file| file.ends_with(name))
            } else {
                true
            };
            if !there {
                problems.push(format!("names `{name}`, which is not there"));
            }
        }
        if let Part::Prose(words) | Part::Code(words) | Part::Heading { text: words, .. } = part {
            let words = words.split(|one: char| !one.is_alphanumeric());
            let unknown = words
                .filter_map(upper_case_number)
                .filter(|number| !contracts.contains(number));
            problems.extend(unknown.map(|number| format!("names {number}, which is no contract")));
        }
    }
    problems
        .into_iter()
        .map(|problem| format!("{PAGE}: {problem}"))
        .collect()
}

/// What is wrong in a crate's own section.
fn in_section(section: &[Part], one: &Crate) -> Vec<String> {
    let mut problems = Vec::new();
    let mut named = Vec::new();
    for part in section {
        if let Part::Code(code) = part
            && (code.ends_with(".rs") || code.ends_with('/'))
            && !is_root_path(code)
        {
            match one.named(code) {
                Ok(file) => named.extend(file),
                Err(problem) => problems.push(problem),
            }
        }
    }
    for file in one.sources().filter(|file| !named.contains(file)) {
        problems.push(format!("does not name `{}`", file.display()));
    }
    problems
}

/// The sections whose heading has the directory as code: from the heading to the next one of its rank.
fn sections(page: &[Part], directory: &Path) -> Vec<Range<usize>> {
    let mut sections = Vec::new();
    for (at, part) in page.iter().enumerate() {
        if let Part::Heading { level, code, .. } = part
            && code.iter().any(|code| Path::new(code) == directory)
        {
            let ends =
                |part: &Part| matches!(part, Part::Heading { level: next, .. } if next <= level);
            let length = page[at + 1..].iter().position(ends);
            sections.push(at..length.map_or(page.len(), |length| at + 1 + length));
        }
    }
    sections
}

/// A path from the root. One with a `*` stands for many, and for none in particular.
fn is_root_path(code: &str) -> bool {
    ["crates/", "xtask/", "docs/"]
        .iter()
        .any(|root| code.starts_with(root))
        && !code.contains('*')
}

/// Lower-case `p3` is no contract in prose: it may be part of a test's name.
fn upper_case_number(word: &str) -> Option<Number> {
    word.starts_with(char::is_uppercase)
        .then(|| Number::parse(word))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Architecture\n\nHolds P1 and Q2. The contracts: `docs/CONTRACTS.md`.\n\n\
        ## Code map\n\n### `crates/gate`: the gate\n\n`lib.rs` shows `probe/`, of which `src/probe/tcp.rs` is one.\n\n\
        #### Tests\n\n`tests/gate.rs`.\n\n### Others\n\n`gate.rs`\n";

    fn found(page: &str) -> Vec<String> {
        let files = [
            "src/lib.rs",
            "src/probe/mod.rs",
            "src/probe/tcp.rs",
            "tests/gate.rs",
            "tests/more.rs",
        ];
        let gate = Crate {
            directory: "crates/gate".into(),
            files: files.map(PathBuf::from).to_vec(),
        };
        let contracts = ["P1", "Q2"].map(|number| Number::parse(number).unwrap());
        problems(&markdown::parts(page), &[gate], &contracts, |path| {
            path == Path::new("docs/CONTRACTS.md")
        })
    }

    #[test]
    fn a_page_that_names_what_is_there_passes() {
        assert_eq!(found(PAGE), [] as [&str; 0]);
    }

    #[test]
    fn a_crate_without_a_section_fails() {
        assert_eq!(
            found("# Architecture\n\n`crates/*/src`\n"),
            ["ARCHITECTURE.md: has no section for `crates/gate`"]
        );
    }

    #[test]
    fn a_crate_with_two_sections_fails() {
        let page = format!("{PAGE}\n### `crates/gate/` again\n");
        assert_eq!(
            found(&page),
            ["ARCHITECTURE.md: has more than one section for `crates/gate`"]
        );
    }

    #[test]
    fn a_file_without_a_name_fails() {
        let page = PAGE.replace("`src/probe/tcp.rs`", "tcp");
        assert_eq!(
            found(&page),
            ["ARCHITECTURE.md: `crates/gate` does not name `src/probe/tcp.rs`"]
        );
    }

    #[test]
    fn a_module_directory_without_a_name_fails() {
        let page = PAGE.replace("`probe/`", "probes");
        assert_eq!(
            found(&page),
            ["ARCHITECTURE.md: `crates/gate` does not name `src/probe/mod.rs`"]
        );
    }

    #[test]
    fn a_name_outside_the_section_does_not_count() {
        let page = PAGE
            .replace("`lib.rs`", "It")
            .replace("`gate.rs`", "`lib.rs`");
        assert_eq!(
            found(&page),
            ["ARCHITECTURE.md: `crates/gate` does not name `src/lib.rs`"]
        );
    }

    #[test]
    fn a_name_of_what_is_gone_fails() {
        for gone in ["gone.rs", "src/tcp.rs", "gone/", "ate.rs"] {
            let page = PAGE.replace("`tests/gate.rs`", &format!("`{gone}`"));
            assert_eq!(
                found(&page),
                [format!(
                    "ARCHITECTURE.md: `crates/gate` names `{gone}`, which is not there"
                )]
            );
        }
    }

    #[test]
    fn a_name_of_what_is_gone_fails_in_other_sections_too() {
        let page = PAGE.replace("`gate.rs`", "`gone.rs`");
        assert_eq!(
            found(&page),
            ["ARCHITECTURE.md: names `gone.rs`, which is not there"]
        );
    }

    #[test]
    fn a_name_that_fits_several_files_fails() {
        let gate = Crate {
            directory: "a".into(),
            files: ["src/a/mod.rs", "src/mod.rs"].map(PathBuf::from).to_vec(),
        };
        assert!(gate.named("mod.rs").is_err());
        assert_eq!(
            gate.named("src/mod.rs"),
            Ok(Some(&PathBuf::from("src/mod.rs")))
        );
        assert_eq!(gate.named("a/"), Ok(Some(&PathBuf::from("src/a/mod.rs"))));
    }

    #[test]
    fn a_path_from_the_root_that_is_gone_fails() {
        let page = PAGE.replace("docs/CONTRACTS.md", "docs/gone.md");
        assert_eq!(
            found(&page),
            ["ARCHITECTURE.md: names `docs/gone.md`, which is not there"]
        );
    }

    #[test]
    fn a_number_that_is_no_contract_fails() {
        let page = PAGE.replace("P1", "P9").replace("Others", "Q7–Q2");
        assert_eq!(
            found(&page),
            [
                "ARCHITECTURE.md: names P9, which is no contract",
                "ARCHITECTURE.md: names Q7, which is no contract"
            ]
        );
    }
}
