//! What the checks need to know of a Markdown page: headings, code in the line, links, prose.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A part of a page, in the order of the page. Code blocks are no part: what they show is an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A heading: its level, its text, and the code that is part of the text.
    Heading {
        level: u8,
        text: String,
        code: Vec<String>,
    },
    /// Code in the line, without its backticks.
    Code(String),
    /// Where a link or an image points to; `src`, `srcset` and `href` of HTML count as well.
    Link(String),
    /// Words.
    Prose(String),
}

/// Takes a page apart.
pub(crate) fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut heading: Option<(u8, String, Vec<String>)> = None;
    let mut in_code_block = false;
    for event in Parser::new_ext(page, Options::ENABLE_TABLES) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { level, .. }), _) => {
                heading = Some((level as u8, String::new(), Vec::new()));
            }
            (Event::End(TagEnd::Heading(_)), _) => {
                let whole = heading.take();
                parts.extend(whole.map(|(level, text, code)| Part::Heading { level, text, code }));
            }
            (Event::Text(words), Some((_, text, _))) => text.push_str(&words),
            (Event::Code(words), Some((_, text, code))) => {
                text.push_str(&words);
                code.push(words.into_string());
            }
            (Event::Start(Tag::CodeBlock(_)), _) => in_code_block = true,
            (Event::End(TagEnd::CodeBlock), _) => in_code_block = false,
            (Event::Text(words), None) if !in_code_block => {
                parts.push(Part::Prose(words.into_string()));
            }
            (Event::Code(words), None) => parts.push(Part::Code(words.into_string())),
            (Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }), _) => {
                parts.push(Part::Link(dest_url.into_string()));
            }
            (Event::Html(html) | Event::InlineHtml(html), _) => parts.extend(html_links(&html)),
            _ => {}
        }
    }
    parts
}

/// A row of a table, its head left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The text of the second-level heading above it.
    pub(crate) section: String,
    pub(crate) cells: Vec<Cell>,
}

/// A cell of a table: its text, and the code that is part of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) code: Vec<String>,
}

/// The rows of all tables of a page.
pub(crate) fn rows(page: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let (mut section, mut in_section_heading, mut in_row) = (String::new(), false, false);
    for event in Parser::new_ext(page, Options::ENABLE_TABLES) {
        let cell = rows.last_mut().and_then(|row| row.cells.last_mut());
        match (event, cell) {
            (Event::Start(Tag::Heading { level, .. }), _) if level as u8 == 2 => {
                section.clear();
                in_section_heading = true;
            }
            (Event::End(TagEnd::Heading(_)), _) => in_section_heading = false,
            (Event::Text(words) | Event::Code(words), _) if in_section_heading => {
                section.push_str(&words);
            }
            (Event::Start(Tag::TableRow), _) => {
                in_row = true;
                rows.push(Row {
                    section: section.clone(),
                    cells: Vec::new(),
                });
            }
            (Event::End(TagEnd::TableRow), _) => in_row = false,
            (Event::Start(Tag::TableCell), _) if in_row => {
                if let Some(row) = rows.last_mut() {
                    row.cells.push(Cell::default());
                }
            }
            (Event::Text(words), Some(cell)) if in_row => cell.text.push_str(&words),
            (Event::Code(words), Some(cell)) if in_row => {
                cell.text.push_str(&words);
                cell.code.push(words.into_string());
            }
            _ => {}
        }
    }
    rows
}

/// The code blocks that a page says are a file's, by a comment right before them, as in
/// `<!-- file: docs/try.toml -->`: the file's path from the root, and the block's text.
pub(crate) fn shown_files(page: &str) -> Vec<(String, String)> {
    let mut shown: Vec<(String, String)> = Vec::new();
    let (mut announced, mut in_block) = (false, false);
    for event in Parser::new_ext(page, Options::ENABLE_TABLES) {
        match event {
            Event::Html(html) => {
                let comment = html.trim().strip_prefix("<!-- file: ");
                if let Some(path) = comment.and_then(|it| it.strip_suffix(" -->")) {
                    shown.push((path.to_owned(), String::new()));
                    announced = true;
                }
            }
            Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
            Event::Start(Tag::CodeBlock(_)) => in_block = announced,
            Event::Text(text) if in_block => {
                if let Some((_, block)) = shown.last_mut() {
                    block.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => (announced, in_block) = (false, false),
            _ => announced = false,
        }
    }
    shown
}

/// The anchors of a page's headings, as GitHub makes them: lower case, punctuation dropped, a dash for
/// each space, and `-1`, `-2` … behind those that come again.
pub(crate) fn anchors(page: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = parts(page).into_iter().filter_map(|part| match part {
        Part::Heading { text, .. } => Some(text),
        Part::Code(_) | Part::Link(_) | Part::Prose(_) => None,
    });
    headings
        .map(|text| {
            let kept = text
                .chars()
                .filter(|one| one.is_alphanumeric() || matches!(one, ' ' | '-' | '_'));
            let anchor: String = kept
                .flat_map(char::to_lowercase)
                .map(|one| if one == ' ' { '-' } else { one })
                .collect();
            let times = seen.entry(anchor.clone()).or_default();
            *times += 1;
            if *times == 1 {
                anchor
            } else {
                format!("{anchor}-{}", *times - 1)
            }
        })
        .collect()
}

fn html_links(html: &str) -> Vec<Part> {
    let mut links = Vec::new();
    for attribute in [" src=\"", " srcset=\"", " href=\""] {
        for rest in html.split(attribute).skip(1) {
            if let Some((link, _)) = rest.split_once('"') {
                links.push(Part::Link(link.to_owned()));
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart() {
        let page = "## The `gate`\n\nSee [it](docs/gate.md).\n\n```text\n[no](link.md) `nor code`\n```\n\n| `a.rs` |\n| --- |\n";
        assert_eq!(
            parts(page),
            [
                Part::Heading {
                    level: 2,
                    text: "The gate".into(),
                    code: vec!["gate".into()]
                },
                Part::Prose("See ".into()),
                Part::Link("docs/gate.md".into()),
                Part::Prose("it".into()),
                Part::Prose(".".into()),
                Part::Code("a.rs".into()),
            ]
        );
    }

    #[test]
    fn links_of_html_and_of_references_count() {
        let page = "<picture>\n<img alt=\"\" src=\"docs/gate.svg\">\n</picture>\n\n[one][two]\n\n[two]: three.md\n";
        let links: Vec<_> = parts(page)
            .into_iter()
            .filter(|part| matches!(part, Part::Link(_)))
            .collect();
        assert_eq!(
            links,
            [
                Part::Link("docs/gate.svg".into()),
                Part::Link("three.md".into())
            ]
        );
    }

    #[test]
    fn rows_are_read_with_their_section_and_without_the_head() {
        let page = "## Exit codes\n\n| code | what |\n| --- | --- |\n| `0` | all is `well` |\n\n### More\n";
        let cell = |text: &str, code: &str| Cell {
            text: text.into(),
            code: vec![code.into()],
        };
        assert_eq!(
            rows(page),
            [Row {
                section: "Exit codes".into(),
                cells: vec![cell("0", "0"), cell("all is well", "well")],
            }]
        );
    }

    #[test]
    fn a_block_shows_a_file_if_the_comment_is_right_before_it() {
        let page = "<!-- file: a.py -->\n```python\nx = 1\n\ny\n```\n\n```sh\nno\n```\n\n\
            <!-- file: b.py -->\n\nWords.\n\n```python\nno\n```\n";
        assert_eq!(
            shown_files(page),
            [
                ("a.py".to_owned(), "x = 1\n\ny\n".to_owned()),
                ("b.py".to_owned(), String::new()),
            ]
        );
    }

    #[test]
    fn anchors_are_those_of_github() {
        let page = "# Startup phases: `startup-phases`\n\n### P1 Order\n\n### P1 Order\n";
        assert_eq!(
            anchors(page),
            ["startup-phases-startup-phases", "p1-order", "p1-order-1"]
        );
    }
}
