//! `cargo xtask guides`: the code that pages show is the code that tests run.
//!
//! A code block behind a comment `<!-- file: PATH -->` is that file, to the letter. Every example of a
//! crate, and every program beside the guides, is shown on some page of `docs/`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;

use crate::markdown;
use crate::workspace::{Workspace, none_of};

const PAGES: &str = "docs";
const GUIDES: &str = "docs/guides";

pub(crate) fn run(workspace: &Workspace, _arguments: &[String]) -> Result<()> {
    println!("{}", check(workspace)?);
    Ok(())
}

/// What is shown is what is there; says how much that is.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let (mut shown, mut problems) = (BTreeSet::new(), Vec::new());
    for page in workspace.files(PAGES, "md")? {
        for (path, block) in markdown::shown_files(&workspace.read(&page)?) {
            let page = page.display();
            match workspace.read(&path) {
                Ok(file) if file == block => drop(shown.insert(PathBuf::from(path))),
                Ok(_) => problems.push(format!("{page}: what it shows is not {path}")),
                Err(error) => problems.push(format!("{page}: {error:#}")),
            }
        }
    }
    let mut programs = Vec::new();
    for extension in ["js", "py", "toml"] {
        programs.extend(workspace.files(GUIDES, extension)?);
    }
    for member in workspace.members()? {
        programs.extend(workspace.files(member.directory.join("examples"), "rs")?);
    }
    let hidden = programs.iter().filter(|program| !shown.contains(*program));
    problems.extend(hidden.map(|one| format!("{}: no page shows it", one.display())));
    none_of(&problems)?;
    Ok(format!("{} programs, shown as they are", shown.len()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn problem(page: &str) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join(GUIDES)).unwrap();
        fs::create_dir_all(root.join("src")).unwrap();
        let manifest = "[package]\nname = \"empty\"\nedition = \"2024\"\n";
        fs::write(root.join("Cargo.toml"), manifest).unwrap();
        fs::write(root.join("src/lib.rs"), "").unwrap();
        fs::write(root.join(GUIDES).join("a.py"), "x = 1\n").unwrap();
        fs::write(root.join(GUIDES).join("a.md"), page).unwrap();
        let checked = check(&Workspace::at(root));
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn a_file_shown_as_it_is_passes() {
        let page = "<!-- file: docs/guides/a.py -->\n```python\nx = 1\n```\n";
        assert_eq!(problem(page), None);
    }

    #[test]
    fn another_text_is_a_problem() {
        let page = "<!-- file: docs/guides/a.py -->\n```python\nx = 2\n```\n";
        let problem = problem(page).unwrap();
        assert!(problem.starts_with("docs/guides/a.md: what it shows is not docs/guides/a.py"));
    }

    #[test]
    fn a_program_that_nobody_shows_is_a_problem() {
        let problem = problem("# Nothing\n").unwrap();
        assert_eq!(problem, "docs/guides/a.py: no page shows it");
    }
}
