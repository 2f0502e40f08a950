//! What the sources say to the outside: lines of the log, HTTP answers, exit codes.
//!
//! Read as tokens, so that comments and the way lines are broken make no difference. Tests are left out.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The macros that write a line of the log, which are called as its level is.
const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// What the sources of the product say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Each line's level, in capitals, and its message.
    pub(super) lines: BTreeSet<(String, String)>,
    /// Each answer's status, as in `404`, and its reason.
    pub(super) answers: BTreeSet<(String, String)>,
    pub(super) exit_codes: BTreeSet<String>,
}

impl Said {
    /// Adds what is said in one source file.
    pub(super) fn read(&mut self, source: &str) -> Result<()> {
        let tokens: TokenStream = source.parse().map_err(|error: proc_macro2::LexError| {
            anyhow!("line {}: {error}", error.span().start().line)
        })?;
        self.walk(tokens);
        Ok(())
    }

    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            // `#[cfg(test)]`, and the item that it belongs to.
            if let [TokenTree::Punct(hash), TokenTree::Group(cfg), ..] = rest
                && hash.as_char() == '#'
                && cfg.stream().to_string().replace(' ', "") == "cfg(test)"
            {
                at += item(rest);
                continue;
            }
            match rest {
                [
                    TokenTree::Ident(name),
                    TokenTree::Punct(bang),
                    TokenTree::Group(call),
                    ..,
                ] if bang.as_char() == '!' && LEVELS.iter().any(|level| name == level) => {
                    self.line(&name.to_string(), call);
                }
                [
                    TokenTree::Ident(answer),
                    TokenTree::Punct(_),
                    TokenTree::Punct(_),
                    TokenTree::Ident(new),
                    TokenTree::Group(call),
                    ..,
                ] if answer == "Answer" || answer == "Self" && new == "new" => {
                    self.answer(call);
                }
                [
                    TokenTree::Ident(kind),
                    TokenTree::Ident(name),
                    TokenTree::Group(body),
                    ..,
                ] if kind == "enum" && name == "Exit" => {
                    let codes = body.stream().into_iter().filter_map(|token| match token {
                        TokenTree::Literal(code) => Some(code.to_string()),
                        _ => None,
                    });
                    self.exit_codes.extend(codes);
                }
                _ => {}
            }
            if let TokenTree::Group(group) = &tokens[at] {
                self.walk(group.stream());
            }
            at += 1;
        }
    }

    fn line(&mut self, macro_name: &str, call: &Group) {
        let last = call.stream().into_iter().last();
        // A message that is nothing but what it is told stands in no source.
        if let Some(message) = last
            .as_ref()
            .and_then(text)
            .filter(|it| !it.starts_with('{'))
        {
            self.lines.insert((macro_name.to_uppercase(), message));
        }
    }

    fn answer(&mut self, call: &Group) {
        let mut arguments = call.stream().into_iter();
        let (status, _comma, reason) = (arguments.next(), arguments.next(), arguments.next());
        let text = |token: Option<TokenTree>| token.as_ref().and_then(text);
        if let (Some(status), Some(reason)) = (text(status), text(reason)) {
            let code = status.split(' ').next().unwrap_or_default();
            self.answers.insert((code.to_owned(), reason));
        }
    }
}

/// How many tokens an attribute and the item behind it are: up to the end of its block, or its `;`.
fn item(tokens: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(end) => end.as_char() == ';',
        _ => false,
    };
    tokens
        .iter()
        .position(ends)
        .map_or(tokens.len(), |end| end + 1)
}

/// What a string literal without escapes says.
fn text(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    let literal = literal.to_string();
    Some(literal.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(source: &str) -> Said {
        let mut said = Said::default();
        said.read(source).unwrap();
        said
    }

    fn pair(one: &str, other: &str) -> (String, String) {
        (one.to_owned(), other.to_owned())
    }

    #[test]
    fn lines_are_found_with_their_level_wherever_they_are_written() {
        let source = "fn a() { match b { _ => tracing::warn!(%error, \"it \\\n failed\"), }\n\
            info!(x = concat!(\"no\"), \"open\"); debug!(\"{warning}\"); println!(\"no\"); }";
        assert_eq!(
            said(&source.replace("\\\n ", "")).lines,
            BTreeSet::from([pair("INFO", "open"), pair("WARN", "it failed")])
        );
    }

    #[test]
    fn what_tests_say_is_left_out() {
        let source = "#[cfg(test)]\nmod tests { fn a() { info!(\"no\") } }\n\
            #[cfg(test)] mod more;\nfn b() { info!(\"yes\") }";
        assert_eq!(said(source).lines, BTreeSet::from([pair("INFO", "yes")]));
    }

    #[test]
    fn answers_and_exit_codes_are_found() {
        let source = "enum Exit { Clean = 0, Fault = 1 }\n\
            fn a() { Answer::new(\"404 Not Found\", \"not_found\", &detail) }";
        let said = said(source);
        assert_eq!(said.answers, BTreeSet::from([pair("404", "not_found")]));
        assert_eq!(
            said.exit_codes,
            BTreeSet::from(["0".to_owned(), "1".to_owned()])
        );
    }
}
