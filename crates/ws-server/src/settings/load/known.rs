//! The keys there are, and the nearest one to a key there is not.

use super::problem::Problem;

/// Every key the schema asks for, such as `queue.max_size`, in the order of the settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(pub(super) Vec<String>);

impl Known {
    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.iter().any(|known| known == key)
    }

    pub(super) fn is_section(&self, name: &str) -> bool {
        !self.children(name).is_empty()
    }

    /// The problem of a key nobody asks for. `beside` are the keys of its own section, where those are not
    /// known beforehand: in the item of a list.
    pub(super) fn unknown(&self, key: &str, origin: Option<String>, beside: &[String]) -> Problem {
        let message = if self.is_section(key) {
            format!("is a section; it has {}", names(&self.children(key)))
        } else if let Some(nearest) = self.nearest(key, beside) {
            format!("unknown key; did you mean {nearest}?")
        } else {
            let (section, _) = key.rsplit_once('.').unwrap_or_default();
            let known = if beside.is_empty() {
                &self.children(section)
            } else {
                beside
            };
            if section.is_empty() || known.is_empty() {
                format!("unknown key; there are {}", names(&self.children("")))
            } else {
                format!("unknown key; {section} has {}", names(known))
            }
        };
        Problem::about_key(key, origin, message)
    }

    /// What is directly inside a section: keys and further sections. Empty for what is no section.
    fn children(&self, section: &str) -> Vec<String> {
        let prefix = if section.is_empty() {
            String::new()
        } else {
            format!("{section}.")
        };
        let mut children = Vec::new();
        for rest in self.0.iter().filter_map(|key| key.strip_prefix(&prefix)) {
            let (name, _) = rest.split_once('.').unwrap_or((rest, ""));
            let child = format!("{prefix}{name}");
            if !children.contains(&child) {
                children.push(child);
            }
        }
        children
    }

    fn nearest(&self, key: &str, beside: &[String]) -> Option<String> {
        let mut candidates = self.children("");
        candidates.extend_from_slice(&self.0);
        candidates.extend_from_slice(beside);
        let by_distance = candidates.into_iter().map(|known| {
            let whole = strsim::damerau_levenshtein(key, &known);
            let moved = 1 + strsim::damerau_levenshtein(name(key), name(&known));
            (whole.min(moved), whole, known)
        });
        let (distance, _, nearest) = by_distance.min()?;
        // About one slip in three letters: beyond that a guess misleads more than a list does.
        (distance <= 1 + name(key).len() / 3).then_some(nearest)
    }
}

/// The last part of a key.
fn name(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, name)| name)
}

fn names(keys: &[String]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| name(key)).collect();
    names.join(", ")
}
