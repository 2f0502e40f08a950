//! The settings in effect, and where each came from.

use std::fmt;

use super::problem::printable;
use crate::settings::Settings;

/// Settings without a problem.
///
/// Displayed as the settings in effect: TOML that can be saved as a file and loads to the same settings, with
/// a comment behind every value that is not a default. Addresses are shown as they were written, passwords
/// included.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    pub(super) entries: Vec<Entry>,
}

impl Loaded {
    /// Every key with its value and origin, in the order of the settings.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// One key of the settings in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, such as `queue.max_size` or `startup.steps[0].probe`.
    pub key: String,
    /// The value as TOML; none where the key is not set and has no fixed default.
    pub value: Option<String>,
    /// Where it was set, such as `file ws.toml`, `environment variable PORT` or `flag --set`; none for a
    /// default.
    pub origin: Option<String>,
    /// What happens where there is no value.
    pub(super) absent: &'static str,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for Entry {
            key,
            value,
            origin,
            absent,
        } in &self.entries
        {
            let (parent, name) = key.rsplit_once('.').unwrap_or(("", key));
            if parent != section {
                section = parent;
                match parent.split_once('[') {
                    Some((list, _)) => writeln!(f, "\n[[{list}]]")?,
                    None => writeln!(f, "\n[{parent}]")?,
                }
            }
            match value {
                Some(value) => write!(f, "{name} = {value}")?,
                None => write!(f, "# {name} is not set: {absent}")?,
            }
            match origin {
                Some(origin) => writeln!(f, "  # {}", printable(origin))?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
