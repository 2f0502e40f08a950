//! The process environment, as a value.

use std::collections::BTreeMap;
use std::fmt;

/// A snapshot of environment variables.
///
/// [`from_process`](Vars::from_process) is the one place that reads the process environment; everything
/// else takes a `Vars`, so a test states the environment it means:
///
/// ```
/// # use readiness_guard::Vars;
/// let vars: Vars = [("ENVIRONMENT", "staging")].into_iter().collect();
/// assert_eq!(vars.get("ENVIRONMENT"), Some("staging"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Vars(BTreeMap<String, String>);

impl Vars {
    /// What the process was given. A name or value that is not Unicode is left out: nothing here could
    /// say anything sensible about it.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the process environment is read"
    )]
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of one variable. Names are case-sensitive.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Every variable, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Vars {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// Names only: values are where the secrets are.
impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_keeps_values_to_itself() {
        let vars: Vars = [("DATABASE_URL", "postgres://app:secret@db")]
            .into_iter()
            .collect();
        assert_eq!(format!("{vars:?}"), r#"{"DATABASE_URL"}"#);
    }

    #[test]
    fn all_of_them_come_sorted_by_name() {
        let vars: Vars = [("PORT", "80"), ("ENVIRONMENT", "test")]
            .into_iter()
            .collect();
        let all: Vec<_> = vars.iter().collect();
        assert_eq!(all, [("ENVIRONMENT", "test"), ("PORT", "80")]);
    }

    #[test]
    fn the_process_environment_is_read() {
        // Cargo sets this one for every test it runs.
        assert_eq!(
            Vars::from_process().get("CARGO_PKG_NAME"),
            Some("readiness-guard")
        );
    }
}
