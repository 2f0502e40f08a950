//! What happened, for every phase and step (P9).

use std::fmt;
use std::time::Duration;

use crate::{Phase, State, timeline};

/// Startup as it stands, or as it ended. Printed, it is a timeline.
///
/// With the feature `serde` it serializes with all durations as seconds: `duration_seconds`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The state of startup.
    pub state: State,
    /// Time since the start; stands still once the state is final, zero while it is unknown.
    pub elapsed: Duration,
    /// The optional steps that failed, in declared order (P4).
    pub degraded: Vec<Degraded>,
    /// All seven phases in their order.
    pub phases: Vec<PhaseReport>,
}

/// An optional step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Degraded {
    /// The step's phase.
    pub phase: Phase,
    /// The step's name.
    pub step: String,
    /// What it failed with.
    pub error: String,
}

/// One phase of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PhaseReport {
    /// The phase.
    pub phase: Phase,
    /// How far it came.
    pub state: PhaseState,
    /// When it was entered, since the start; `None` if it was not.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "started_seconds",
            serialize_with = "crate::json::seconds_if_any"
        )
    )]
    pub started: Option<Duration>,
    /// From its entry until it was reached, or until now.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "duration_seconds",
            serialize_with = "crate::json::seconds_if_any"
        )
    )]
    pub duration: Option<Duration>,
    /// Its steps in declared order.
    pub steps: Vec<StepReport>,
}

/// How far a phase came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase")
)]
pub enum PhaseState {
    /// Not entered.
    Pending,
    /// Entered; at least one critical step has not finished.
    Running,
    /// All critical steps have finished well. Optional ones may still run.
    Reached,
    /// Startup failed before it was reached.
    Failed,
}

/// One step of a [`PhaseReport`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StepReport {
    /// The step's name.
    pub name: String,
    /// Whether its failure is startup's failure.
    pub critical: bool,
    /// How far it came.
    pub state: StepState,
    /// How often it was tried, the attempt under way included.
    pub attempts: u32,
    /// When it was started, since the start of startup; `None` if it was not.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "started_seconds",
            serialize_with = "crate::json::seconds_if_any"
        )
    )]
    pub started: Option<Duration>,
    /// From its start to its end, or until now.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "duration_seconds",
            serialize_with = "crate::json::seconds_if_any"
        )
    )]
    pub duration: Option<Duration>,
    /// What it failed with. Of a polling step that is at work, or was dropped at work, what its last
    /// attempt failed with; `None` once the step has finished well.
    pub error: Option<String>,
}

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase")
)]
pub enum StepState {
    /// Not started.
    Pending,
    /// At work.
    Running,
    /// Finished well.
    Done,
    /// Ended with an error, at its time limit or in a panic.
    Failed,
    /// Dropped at work because startup had failed.
    Cancelled,
}

impl StepState {
    pub(crate) const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for Report {
    /// A timeline of at most 100 columns: a line for each phase and step, with bars on one axis.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        timeline::write(self, f)
    }
}
