//! What settings that were read again change in a server at work.

use std::fmt;

use super::effective::{Entry, Loaded};

/// A key that is set to something else than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key, such as `queue.release_per_second`.
    pub key: String,
    /// Its value before, as TOML; none where it was not set and has no fixed default.
    pub before: Option<String>,
    /// Its value now.
    pub after: Option<String>,
    /// Whether it has no effect before the next start.
    pub needs_restart: bool,
}

/// `queue.release_per_second: 0 -> 50`. Addresses are shown as they were written, passwords included.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] =
            [&self.before, &self.after].map(|it| it.as_deref().unwrap_or("not set"));
        write!(f, "{}: {before} -> {after}", self.key)
    }
}

impl Loaded {
    /// Takes over from `later` what can be changed in a server at work: `[limits]`, `log.level`,
    /// `queue.release_per_second` and `queue.release_in_flight`. Everything else stays as it was at the
    /// start.
    ///
    /// Returns every key that differs, in the order of the settings, and those that are gone behind
    /// them. One that needs a restart does so each time, until it is what it was or the server is
    /// started anew.
    ///
    /// ```
    /// use readiness_guard::Vars;
    /// use ws_server::settings::{Settings, Sources};
    ///
    /// let variables = Vars::default();
    /// let mut running = Settings::load(&Sources::new(&variables))?;
    /// let later = Sources::new(&variables)
    ///     .flag("--set", "queue.release_per_second=50")
    ///     .flag("--set", "queue.max_size=500");
    /// let changes = running.reload(Settings::load(&later)?);
    ///
    /// assert_eq!(changes[0].to_string(), "queue.max_size: 50 -> 500");
    /// assert!(changes[0].needs_restart && !changes[1].needs_restart);
    /// assert_eq!(running.settings.queue.release_per_second, 50);
    /// assert_eq!(running.settings.queue.max_size, 50);
    /// # Ok::<(), ws_server::settings::Problems>(())
    /// ```
    pub fn reload(&mut self, later: Self) -> Vec<Change> {
        let change = |key: &str, before: Option<&Entry>, after: Option<&Entry>| {
            let [before, after] = [before, after].map(|it| it.and_then(|it| it.value.clone()));
            (before != after).then(|| Change {
                key: key.to_owned(),
                before,
                after,
                needs_restart: !is_live(key),
            })
        };
        let added_or_changed = later
            .entries
            .iter()
            .filter_map(|it| change(&it.key, self.entry(&it.key), Some(it)));
        let removed = self
            .entries
            .iter()
            .filter(|it| later.entry(&it.key).is_none())
            .filter_map(|it| change(&it.key, Some(it), None));
        let changes = added_or_changed.chain(removed).collect();

        for entry in &mut self.entries {
            if is_live(&entry.key)
                && let Some(now) = later.entry(&entry.key)
            {
                entry.clone_from(now);
            }
        }
        let (settings, later) = (&mut self.settings, later.settings);
        settings.limits = later.limits;
        settings.log.level = later.log.level;
        settings.queue.release_per_second = later.queue.release_per_second;
        settings.queue.release_in_flight = later.queue.release_in_flight;
        changes
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// The keys of what [`Loaded::reload`] takes over.
fn is_live(key: &str) -> bool {
    key.starts_with("limits.")
        || matches!(
            key,
            "log.level" | "queue.release_per_second" | "queue.release_in_flight"
        )
}
