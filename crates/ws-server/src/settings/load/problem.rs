//! What was wrong with the settings.

use std::error::Error;
use std::fmt;

/// One thing that is wrong, and what would be right. Displayed as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `queue.max_size`; none where it is not about one, as with a file that cannot be read.
    pub key: Option<String>,
    /// Where it was set, such as `file ws.toml`, `environment variable PORT` or `flag --set`.
    pub origin: Option<String>,
    /// What was wrong and what would be right.
    pub message: String,
}

impl Problem {
    pub(super) fn about_key(key: &str, origin: Option<String>, message: impl Into<String>) -> Self {
        Self {
            key: Some(key.to_owned()),
            origin,
            message: message.into(),
        }
    }

    pub(super) fn about_source(origin: &str, message: impl Into<String>) -> Self {
        Self {
            key: None,
            origin: Some(origin.to_owned()),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = &self.message;
        let line = match (&self.key, &self.origin) {
            (Some(key), Some(origin)) => format!("{key} ({origin}): {message}"),
            (Some(name), None) | (None, Some(name)) => format!("{name}: {message}"),
            (None, None) => message.clone(),
        };
        f.write_str(&printable(&line))
    }
}

/// `text` on one line: what a file or key is called may hold anything.
pub(super) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Everything that is wrong with the settings, none hidden behind the first. Displayed one line a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// The problems, at least one: those of the sources themselves first, then in the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Error for Problems {}
