//! Relative links in the repository's own pages point to something that is there.
//!
//! Looked at are the pages in the root, in `docs/` and `deploy/`, and each crate's `README.md`. The anchor of a link
//! into one of our pages must be one of that page's headings. Links to other sites are not followed.

use std::path::Path;

use anyhow::Result;

use crate::markdown::{self, Part};
use crate::workspace::{Workspace, none_of};

/// Every relative link resolves; says how many there are.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let mut pages = workspace.files("docs", "md")?;
    pages.extend(workspace.files("deploy", "md")?);
    for entry in std::fs::read_dir(workspace.path(""))? {
        let name = entry?.file_name();
        if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "md")
        {
            pages.push(name.into());
        }
    }
    for member in workspace.members()? {
        let page = member.directory.join("README.md");
        if workspace.path(&page).exists() {
            pages.push(page);
        }
    }
    pages.sort();

    let (mut count, mut problems) = (0, Vec::new());
    for page in &pages {
        let links = relative(&workspace.read(page)?);
        count += links.len();
        for link in &links {
            if let Some(problem) = broken(workspace, page, link)? {
                problems.push(format!("{}: {link}: {problem}", page.display()));
            }
        }
    }
    none_of(&problems)?;
    Ok(format!("{count} relative links on {} pages", pages.len()))
}

/// The links of a page that do not lead to another site.
fn relative(page: &str) -> Vec<String> {
    let links = markdown::parts(page)
        .into_iter()
        .filter_map(|part| match part {
            Part::Link(link) => Some(link),
            Part::Heading { .. } | Part::Code(_) | Part::Prose(_) => None,
        });
    links
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        .collect()
}

fn broken(workspace: &Workspace, page: &Path, link: &str) -> Result<Option<String>> {
    let (path, anchor) = link
        .split_once('#')
        .map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = match path {
        "" => page.to_path_buf(),
        path => page.parent().unwrap_or(Path::new("")).join(path),
    };
    if !workspace.path(&target).exists() {
        return Ok(Some(format!("there is no {}", target.display())));
    }
    if let Some(anchor) = anchor
        && target
            .extension()
            .is_some_and(|extension| extension == "md")
        && !markdown::anchors(&workspace.read(&target)?)
            .iter()
            .any(|one| one == anchor)
    {
        return Ok(Some(format!("no heading makes the anchor #{anchor}")));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(link: &str) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("docs")).unwrap();
        std::fs::write(directory.path().join("README.md"), "# The gate\n").unwrap();
        std::fs::write(directory.path().join("docs/guide.md"), "## First steps\n").unwrap();
        broken(
            &Workspace::at(directory.path()),
            Path::new("docs/guide.md"),
            link,
        )
        .unwrap()
    }

    #[test]
    fn links_to_what_is_there_pass() {
        for link in [
            "../README.md",
            "../README.md#the-gate",
            "#first-steps",
            "guide.md",
            "../docs",
        ] {
            assert_eq!(problem(link), None, "{link}");
        }
    }

    #[test]
    fn links_to_what_is_gone_fail() {
        assert_eq!(problem("gone.md").unwrap(), "there is no docs/gone.md");
        assert_eq!(
            problem("../README.md#the-door").unwrap(),
            "no heading makes the anchor #the-door"
        );
        assert_eq!(
            problem("#last-steps").unwrap(),
            "no heading makes the anchor #last-steps"
        );
    }

    #[test]
    fn links_to_other_sites_are_left_alone() {
        let page = "[a](https://example.org/x.md) [b](mailto:a@example.org) [c](LICENSE-MIT)";
        assert_eq!(relative(page), ["LICENSE-MIT"]);
    }
}
