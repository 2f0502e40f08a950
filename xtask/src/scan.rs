//! Finds tests in Rust sources.
//!
//! A source is read as tokens, not as lines: comments, strings, the order of attributes and the way
//! they are broken into lines make no difference, and tests inside a macro call (`proptest! { … }`)
//! are found like any other. A test is a function under an attribute whose path ends in `test`.
//!
//! Limits: an ignored test does not count, since it shows nothing. Names that a macro makes up are
//! not seen, and a test that is compiled out by `cfg` is.

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A test function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) line: usize,
}

/// The tests of one source file, in their order.
pub(crate) fn tests(source: &str) -> Result<Vec<Test>> {
    let tokens: TokenStream = source.parse().map_err(|error: proc_macro2::LexError| {
        anyhow!("line {}: {error}", error.span().start().line)
    })?;
    let mut found = Vec::new();
    walk(tokens, &mut found);
    Ok(found)
}

/// The attributes seen since the last item ended.
#[derive(Default)]
struct Attributes {
    test: bool,
    ignored: bool,
}

impl Attributes {
    /// Takes in the bracketed part of `#[path::to::test(arguments)]`.
    fn note(&mut self, attribute: &Group) {
        let mut last = None;
        for token in attribute.stream() {
            match token {
                TokenTree::Ident(ident) => last = Some(ident.to_string()),
                TokenTree::Punct(colon) if colon.as_char() == ':' => {}
                _ => break,
            }
        }
        match last.as_deref() {
            Some("test") => self.test = true,
            Some("ignore") => self.ignored = true,
            _ => {}
        }
    }
}

fn walk(tokens: TokenStream, found: &mut Vec<Test>) {
    let mut attributes = Attributes::default();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(hash) if hash.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.peek()
                    && group.delimiter() == Delimiter::Bracket
                {
                    attributes.note(group);
                    tokens.next();
                }
            }
            TokenTree::Ident(word) if word == "fn" => {
                if let Some(TokenTree::Ident(name)) = tokens.peek()
                    && attributes.test
                    && !attributes.ignored
                {
                    found.push(Test {
                        name: name.to_string(),
                        line: name.span().start().line,
                    });
                }
                attributes = Attributes::default();
            }
            // Between its attributes and its `fn` a function may say `pub(crate) async unsafe extern "C"`.
            TokenTree::Ident(word)
                if ["pub", "async", "unsafe", "extern", "const"]
                    .iter()
                    .any(|one| word == one) => {}
            TokenTree::Literal(_) => {}
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                walk(group.stream(), found);
            }
            TokenTree::Group(group) => {
                walk(group.stream(), found);
                attributes = Attributes::default();
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => attributes = Attributes::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        tests(source)
            .unwrap()
            .into_iter()
            .map(|test| test.name)
            .collect()
    }

    #[test]
    fn finds_tests_under_any_test_attribute() {
        let source = r##"
            #[test]
            fn p1_plain() {}
            #[tokio::test(start_paused = true)]
            async fn p2_paused() {}
            /// Documented.
            #[tokio::test(
                flavor = "multi_thread",
                worker_threads = 2,
            )]
            #[cfg(unix)]
            pub(crate) async fn p3_many_lines() {}
            #[should_panic(expected = "no")]
            #[test]
            fn p4_any_order() {}
        "##;
        assert_eq!(
            names(source),
            ["p1_plain", "p2_paused", "p3_many_lines", "p4_any_order"]
        );
    }

    #[test]
    fn finds_tests_in_modules_and_in_macro_calls() {
        let source = "
            mod tests { mod inner { #[test] fn q1_nested() {} } }
            proptest! { #[test] fn q2_property(n in 0..9u32) { let _ = n; } }
        ";
        assert_eq!(names(source), ["q1_nested", "q2_property"]);
    }

    #[test]
    fn skips_what_is_no_test() {
        let source = r##"
            // #[test] fn p1_in_a_comment() {}
            const TEXT: &str = "#[test] fn p2_in_a_string() {}";
            const RAW: &str = r#"#[test] fn p3_in_a_raw_string() {}"#;
            fn p4_helper() {}
            #[test]
            const NOT_A_FUNCTION: u8 = 1;
            fn p5_after_it() {}
            #[cfg(test)]
            fn p6_test_helper() {}
            #[test]
            #[ignore = "shows nothing"]
            fn p7_ignored() {}
        "##;
        assert_eq!(names(source), [] as [&str; 0]);
    }

    #[test]
    fn a_test_has_its_line() {
        let found = tests("\n\n#[test]\nfn g1_here() {}\n").unwrap();
        assert_eq!(
            found,
            [Test {
                name: "g1_here".into(),
                line: 4
            }]
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_its_line() {
        let error = tests("\nfn broken( {\n").unwrap_err().to_string();
        assert!(error.starts_with("line "), "{error}");
    }
}
