//! `cargo xtask contracts`: which tests show which contract.
//!
//! The contracts are the third-level headings of `docs/CONTRACTS.md`: a number and a name. A test
//! shows the contracts that its name begins with: `q1_s3_held_client_is_served` shows Q1 and S3.
//! Tests are looked for in `src` and `tests` of every crate under `crates/`.
//!
//! The check fails when
//! * the numbers of a letter are not 1, 2, 3 … in this order,
//! * a contract has no test, unless it says `Status: later`,
//! * a contract that says `Status: later` has a test: the line must go, or become `partly later`,
//! * a test's name begins with a number that is no contract's.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};

use crate::scan;
use crate::workspace::{Workspace, none_of};

const PAGE: &str = "docs/CONTRACTS.md";
const LETTERS: &str = "PGQSXO";

/// A contract's name: a letter and a number. Ordered as the page has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    letter: char,
    value: u32,
}

impl Number {
    /// `P3` or `p3`; not `P03`, not `P3x`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let letter = text.chars().next()?.to_ascii_uppercase();
        let digits = text.get(1..)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        (LETTERS.contains(letter) && plain)
            .then(|| digits.parse().ok())?
            .map(|value| Self { letter, value })
    }

    /// The numbers that a test's name begins with.
    fn all_of(test: &str) -> impl Iterator<Item = Self> {
        test.split('_').map_while(Self::parse)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.letter, self.value)
    }
}

/// How much of a contract is built.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Status {
    Built,
    PartlyLater(String),
    Later,
}

/// A contract as the page has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contract {
    pub(crate) number: Number,
    name: String,
    status: Status,
}

/// A test whose name begins with contract numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Showing {
    numbers: Vec<Number>,
    name: String,
    place: String,
}

pub(crate) fn run(workspace: &Workspace, _arguments: &[String]) -> Result<()> {
    print!("{}", table(&contracts(workspace)?, &tests(workspace)?));
    println!("{}", check(workspace)?);
    Ok(())
}

/// Every contract with a test and no test without a contract; says what is still open.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let contracts = contracts(workspace)?;
    let tests = tests(workspace)?;
    none_of(&problems(&contracts, &tests))?;
    Ok(summary(&contracts, &tests))
}

/// The contracts of `docs/CONTRACTS.md`, in its order.
pub(crate) fn contracts(workspace: &Workspace) -> Result<Vec<Contract>> {
    parse(&workspace.read(PAGE)?).context(PAGE)
}

fn parse(page: &str) -> Result<Vec<Contract>> {
    let mut contracts: Vec<Contract> = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            let (number, name) = heading.split_once(' ').unwrap_or((heading, ""));
            let number = Number::parse(number)
                .with_context(|| format!("{line:?} begins with no contract number"))?;
            contracts.push(Contract {
                number,
                name: name.trim().to_owned(),
                status: Status::Built,
            });
        } else if let Some(status) = line.strip_prefix("Status: ") {
            let contract = contracts
                .last_mut()
                .with_context(|| format!("{line:?} stands before any contract"))?;
            contract.status = match status.trim().split_once("partly later:") {
                Some(("", what)) if !what.trim().is_empty() => {
                    Status::PartlyLater(what.trim().to_owned())
                }
                None if status.trim() == "later" => Status::Later,
                _ => anyhow::bail!(
                    "{line:?} is neither `Status: later` nor `Status: partly later: WHAT`"
                ),
            };
        }
    }
    Ok(contracts)
}

fn tests(workspace: &Workspace) -> Result<Vec<Showing>> {
    let sources = workspace.files("crates", "rs")?;
    let mut found = Vec::new();
    for path in sources {
        let directory = path.iter().nth(2);
        if !directory.is_some_and(|name| name == "src" || name == "tests") {
            continue;
        }
        for test in
            scan::tests(&workspace.read(&path)?).with_context(|| path.display().to_string())?
        {
            let numbers: Vec<_> = Number::all_of(&test.name).collect();
            if !numbers.is_empty() {
                found.push(Showing {
                    numbers,
                    name: test.name,
                    place: format!("{}:{}", path.display(), test.line),
                });
            }
        }
    }
    Ok(found)
}

fn problems(contracts: &[Contract], tests: &[Showing]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut next: BTreeMap<char, u32> = BTreeMap::new();
    for contract in contracts {
        let Contract {
            number,
            name,
            status,
        } = contract;
        let expected = next.entry(number.letter).or_insert(1);
        if number.value != *expected {
            problems.push(format!(
                "{PAGE}: {number} stands where {}{expected} should",
                number.letter
            ));
        }
        *expected = number.value + 1;

        let shown_by = tests.iter().find(|test| test.numbers.contains(number));
        match (status, shown_by) {
            (Status::Later, Some(test)) => {
                problems.push(format!(
                    "{number} {name}: marked as later, but {} has {}",
                    test.place, test.name
                ));
            }
            (Status::Built | Status::PartlyLater(_), None) => {
                problems.push(format!("{number} {name}: no test shows it"));
            }
            (Status::Later, None) | (Status::Built | Status::PartlyLater(_), Some(_)) => {}
        }
    }
    for Showing {
        numbers,
        name,
        place,
    } in tests
    {
        for number in numbers
            .iter()
            .filter(|number| contracts.iter().all(|one| one.number != **number))
        {
            problems.push(format!(
                "{place}: {name} names {number}, which is no contract"
            ));
        }
    }
    problems
}

fn table(contracts: &[Contract], tests: &[Showing]) -> String {
    let mut text = String::new();
    for Contract {
        number,
        name,
        status,
    } in contracts
    {
        text.push_str(&format!("{number} {name}\n"));
        match status {
            Status::Built => {}
            Status::PartlyLater(what) => text.push_str(&format!("    (later: {what})\n")),
            Status::Later => text.push_str("    (later)\n"),
        }
        for test in tests.iter().filter(|test| test.numbers.contains(number)) {
            text.push_str(&format!("    {}  {}\n", test.name, test.place));
        }
    }
    text
}

fn summary(contracts: &[Contract], tests: &[Showing]) -> String {
    let open = contracts
        .iter()
        .filter_map(|contract| match &contract.status {
            Status::Built => None,
            Status::PartlyLater(what) => Some(format!(
                "\nopen in part: {} {}: {what}",
                contract.number, contract.name
            )),
            Status::Later => Some(format!("\nopen: {} {}", contract.number, contract.name)),
        });
    format!(
        "{} contracts, {} tests{}",
        contracts.len(),
        tests.len(),
        open.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Contracts\n\n## Phases\n\n### P1 Order\n\nText.\n\n### P2 Bounded\n\nText.\n\n\
                        ## Server\n\n### S1 Drain\n\nStatus: later\n\nText.\n";

    fn showing(name: &str) -> Showing {
        Showing {
            numbers: Number::all_of(name).collect(),
            name: name.into(),
            place: "tests/a.rs:1".into(),
        }
    }

    fn found(page: &str, tests: &[&str]) -> Vec<String> {
        let tests: Vec<_> = tests.iter().map(|name| showing(name)).collect();
        problems(&parse(page).unwrap(), &tests)
    }

    fn numbers(test: &str) -> String {
        Number::all_of(test)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_test_shows_the_numbers_its_name_begins_with() {
        assert_eq!(numbers("q1_s3_held_client_is_served"), "Q1 S3");
        assert_eq!(numbers("p10_dropped"), "P10");
        assert_eq!(numbers("wakes_p1_waiters"), "");
        assert_eq!(numbers("x1_q10_held"), "X1 Q10");
        assert_eq!(numbers("y1_p1"), "");
        assert_eq!(numbers("p_1"), "");
        assert_eq!(numbers("p01_s3x"), "");
    }

    #[test]
    fn contracts_are_read_with_name_and_status() {
        let page = "### S12 Limits\n\nStatus: partly later: origins, idle time\n\nText.\n";
        let limits = Contract {
            number: Number {
                letter: 'S',
                value: 12,
            },
            name: "Limits".into(),
            status: Status::PartlyLater("origins, idle time".into()),
        };
        assert_eq!(parse(page).unwrap(), [limits]);
        assert_eq!(parse(PAGE).unwrap()[2].status, Status::Later);
    }

    #[test]
    fn a_page_that_cannot_be_read_is_an_error() {
        assert!(parse("### Order\n").is_err());
        assert!(parse("### P1 Order\n\nStatus: soon\n").is_err());
        assert!(parse("### P1 Order\n\nStatus: partly later:\n").is_err());
        assert!(parse("Status: later\n").is_err());
    }

    #[test]
    fn a_contract_for_every_test_and_a_test_for_every_contract_passes() {
        assert_eq!(found(PAGE, &["p1_p2_all_in_order"]), [] as [&str; 0]);
    }

    #[test]
    fn a_contract_without_a_test_fails() {
        assert_eq!(
            found(PAGE, &["p1_in_order"]),
            ["P2 Bounded: no test shows it"]
        );
    }

    #[test]
    fn a_contract_partly_built_needs_a_test_too() {
        let page = "### P1 Order\n\nStatus: partly later: the rest\n";
        assert_eq!(found(page, &[]), ["P1 Order: no test shows it"]);
        assert_eq!(found(page, &["p1_in_order"]), [] as [&str; 0]);
    }

    #[test]
    fn a_test_of_an_unknown_contract_fails() {
        let found = found(PAGE, &["p1_p2_in_order", "p1_g7_in_order"]);
        assert_eq!(
            found,
            ["tests/a.rs:1: p1_g7_in_order names G7, which is no contract"]
        );
    }

    #[test]
    fn a_contract_marked_later_that_has_a_test_fails() {
        let found = found(PAGE, &["p1_p2_in_order", "s1_drains"]);
        assert_eq!(
            found,
            ["S1 Drain: marked as later, but tests/a.rs:1 has s1_drains"]
        );
    }

    #[test]
    fn a_number_left_out_or_given_twice_fails() {
        let page = "### P1 A\n### P3 B\n### P3 C\n";
        let found = found(page, &["p1_p3_a"]);
        assert_eq!(
            found,
            [
                "docs/CONTRACTS.md: P3 stands where P2 should",
                "docs/CONTRACTS.md: P3 stands where P4 should"
            ]
        );
    }

    #[test]
    fn the_table_and_the_summary_say_what_is_open() {
        let contracts = parse(PAGE).unwrap();
        let tests = [showing("p1_p2_in_order")];
        assert_eq!(
            table(&contracts, &tests),
            "P1 Order\n    p1_p2_in_order  tests/a.rs:1\nP2 Bounded\n    p1_p2_in_order  tests/a.rs:1\nS1 Drain\n    (later)\n"
        );
        assert_eq!(
            summary(&contracts, &tests),
            "3 contracts, 1 tests\nopen: S1 Drain"
        );
    }

    #[test]
    fn tests_are_found_in_src_and_tests_only() {
        let directory = tempfile::tempdir().unwrap();
        for path in ["a/src/lib.rs", "a/tests/deep/b.rs", "a/benches/c.rs"] {
            let path = directory.path().join("crates").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "#[test] fn p1_here() {} #[test] fn unnumbered() {}").unwrap();
        }
        let places: Vec<_> = tests(&Workspace::at(directory.path()))
            .unwrap()
            .into_iter()
            .map(|test| test.place)
            .collect();
        assert_eq!(
            places,
            ["crates/a/src/lib.rs:1", "crates/a/tests/deep/b.rs:1"]
        );
    }
}
