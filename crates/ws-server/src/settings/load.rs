//! Reads the settings: sources are laid over one another, then every key is asked for once.

mod choice;
mod effective;
mod known;
mod layers;
mod problem;
mod reader;
mod reload;
mod rule;
mod schema;
mod value;

use std::fmt;
use std::path::Path;

use config::Value;
use readiness_guard::Vars;

pub use self::effective::{Entry, Loaded};
use self::known::Known;
pub use self::problem::{Problem, Problems};
use self::reader::Reader;
pub use self::reload::Change;
use super::Settings;

type ProbeCheck<'a> = dyn Fn(&str) -> Result<(), String> + 'a;

/// Where settings are read from. Later ones win: defaults, file, environment variables, flags.
///
/// ```
/// use readiness_guard::Vars;
/// use ws_server::settings::{Settings, Sources};
///
/// let variables: Vars = [("WS_SERVER__QUEUE__MAX_SIZE", "500"), ("PORT", "9000")].into_iter().collect();
/// let sources = Sources::new(&variables).flag("--set", "queue.max_wait=10s");
/// let loaded = Settings::load(&sources)?;
///
/// assert_eq!(loaded.settings.queue.max_size, 500);
/// assert_eq!(loaded.settings.server.listen, ([0, 0, 0, 0], 9000).into());
/// assert!(loaded.to_string().contains("max_wait = \"10s\"  # flag --set"));
/// # Ok::<(), ws_server::settings::Problems>(())
/// ```
#[must_use]
pub struct Sources<'a> {
    file: Option<&'a Path>,
    variables: &'a Vars,
    flags: Vec<(&'a str, String)>,
    lists: Vec<(&'a str, &'a str, Vec<String>)>,
    probe: Box<ProbeCheck<'a>>,
}

impl<'a> Sources<'a> {
    /// Defaults and environment variables.
    ///
    /// `WS_SERVER__QUEUE__MAX_SIZE` sets `queue.max_size`; items of a list are separated by commas. `PORT`
    /// sets `server.listen` to `0.0.0.0:$PORT` where nothing else sets it, and `STATE_DIRECTORY` or
    /// `XDG_STATE_HOME` sets `startup.history`. A variable that is set to nothing counts as not set.
    pub fn new(variables: &'a Vars) -> Self {
        Self {
            file: None,
            variables,
            flags: Vec::new(),
            lists: Vec::new(),
            probe: Box::new(|_| Ok(())),
        }
    }

    /// Adds a file. Its extension says what it is: `.toml`, `.yaml`, `.yml` or `.json`.
    pub fn file(self, path: &'a Path) -> Self {
        Self {
            file: Some(path),
            ..self
        }
    }

    /// Adds a flag of the command line: what it is called, for the messages, and its `KEY=VALUE`, such as
    /// `queue.max_size=500`. Where two set the same key, the later one wins.
    pub fn flag(mut self, name: &'a str, assignment: impl Into<String>) -> Self {
        self.flags.push((name, assignment.into()));
        self
    }

    /// Adds what the command line says as a list: what that is called, for the messages, the key, and the
    /// items, whatever characters are in them. It wins over [`flag`](Self::flag).
    pub fn list(mut self, name: &'a str, key: &'a str, items: impl Into<Vec<String>>) -> Self {
        self.lists.push((name, key, items.into()));
        self
    }

    /// Has the addresses of the startup steps checked, so that what is wrong with one is reported together
    /// with everything else. The error says what was wrong and what would be right. Default: any is right.
    pub fn check_probes(self, check: impl Fn(&str) -> Result<(), String> + 'a) -> Self {
        Self {
            probe: Box::new(check),
            ..self
        }
    }
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("variables", &self.variables)
            .field("flags", &self.flags)
            .field("lists", &self.lists)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, not only the first: a file that cannot be read or parsed, keys that do not
    /// exist, values of the wrong type or out of range, steps that share a name. A value that a later source
    /// replaces is not looked at. Contradictions between keys are looked for once each key is right.
    pub fn load(sources: &Sources<'_>) -> Result<Loaded, Problems> {
        let known = Known::all();
        let mut problems = Vec::new();
        let tree = layers::merge(sources, &known, &mut problems);
        let mut reader = Reader {
            known,
            entries: Vec::new(),
            problems,
        };
        let settings = reader.read(tree, |root| schema::settings(root, &*sources.probe));
        let Reader {
            entries,
            mut problems,
            ..
        } = reader;
        if problems.is_empty() {
            problems = schema::contradictions(&settings);
        }
        if problems.is_empty() {
            Ok(Loaded { settings, entries })
        } else {
            Err(Problems(problems))
        }
    }
}

impl Known {
    /// The keys the schema asks for, learned by reading nothing with it.
    fn all() -> Self {
        let mut reader = Reader {
            known: Self::default(),
            entries: Vec::new(),
            problems: Vec::new(),
        };
        reader.read(Value::default(), |root| schema::settings(root, &|_| Ok(())));
        Self(reader.entries.into_iter().map(|entry| entry.key).collect())
    }
}
