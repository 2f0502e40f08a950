//! `/status`, as far as it is shown: what is missing is at nothing, what is unknown is left out, so
//! that a server of another version can be watched.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The document. Only what makes it one has to be there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Document {
    pub(crate) startup: Startup,
    #[serde(default)]
    pub(crate) readiness: Readiness,
    pub(crate) queue: Queue,
    #[serde(default)]
    pub(crate) connections: Connections,
    #[serde(default)]
    pub(crate) draining: bool,
    #[serde(default)]
    pub(crate) opened: Option<Opened>,
    #[serde(default)]
    pub(crate) messages: Messages,
    #[serde(default)]
    pub(crate) refused: Refused,
    #[serde(default)]
    pub(crate) history: Option<History>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Startup {
    /// `unknown`, `running`, `complete` or `failed`.
    pub(crate) state: String,
    pub(crate) phase: Option<String>,
    pub(crate) elapsed_seconds: f64,
    pub(crate) failed: Option<Failure>,
    pub(crate) phases: Vec<Phase>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Failure {
    pub(crate) phase: String,
    pub(crate) step: Option<String>,
    pub(crate) error: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Phase {
    pub(crate) phase: String,
    /// `pending`, `running`, `reached` or `failed`.
    pub(crate) state: String,
    pub(crate) duration_seconds: Option<f64>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) critical: bool,
    /// `pending`, `running`, `done`, `failed` or `cancelled`.
    pub(crate) state: String,
    pub(crate) duration_seconds: Option<f64>,
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Readiness {
    pub(crate) reason: Option<String>,
    pub(crate) bypassed: bool,
    pub(crate) failed_checks: Vec<FailedCheck>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct FailedCheck {
    pub(crate) name: String,
    pub(crate) error: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Queue {
    pub(crate) open: bool,
    pub(crate) size: u64,
    pub(crate) max_size: u64,
    pub(crate) oldest_age_seconds: f64,
    pub(crate) entered: u64,
    pub(crate) admitted: u64,
    pub(crate) expired: u64,
    pub(crate) abandoned: u64,
    pub(crate) refused_full: u64,
    pub(crate) refused_early: u64,
    pub(crate) refused_failed: u64,
    pub(crate) refused_draining: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Connections {
    pub(crate) live: u64,
    pub(crate) total: u64,
}

/// What became of those who were held when the gate was opened last.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Opened {
    pub(crate) after_seconds: f64,
    pub(crate) held: u64,
    pub(crate) admitted: u64,
    pub(crate) took_seconds: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Messages {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Who was refused without ever coming to the queue, which counts the others itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Refused {
    pub(crate) connection_limit: u64,
}

/// Medians of earlier starts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct History {
    pub(crate) open_seconds: f64,
    pub(crate) phases: BTreeMap<String, f64>,
    pub(crate) steps: BTreeMap<String, f64>,
}
