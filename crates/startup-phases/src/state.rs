//! What observers are told: the state of startup and each of its transitions.

use std::fmt;
use std::time::Duration;

use crate::Phase;

/// The state of startup (P8: `Unknown` until the sequence is started, never guessed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not started yet.
    Unknown,
    /// In this phase.
    Running(Phase),
    /// All seven phases were reached and every step has ended.
    Complete,
    /// Over, and not well. Final like `Complete`.
    Failed(Failure),
}

impl State {
    /// The state in one word, without its details: `unknown`, `running`, `complete`, `failed`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Running(_) => "running",
            Self::Complete => "complete",
            Self::Failed(_) => "failed",
        }
    }

    /// The phase startup is in, failed in, or (`Complete`) ended with. `None` while unknown.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        match self {
            Self::Unknown => None,
            Self::Running(phase) => Some(*phase),
            Self::Complete => Some(Phase::Finalize),
            Self::Failed(failure) => Some(failure.phase),
        }
    }

    /// The failure, if it is one.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether no transition can follow any more.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Complete | Self::Failed(_))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(phase) => write!(f, "running (phase {} {phase})", phase.number()),
            Self::Failed(failure) => write!(f, "failed ({failure})"),
            Self::Unknown | Self::Complete => f.pad(self.as_str()),
        }
    }
}

/// Why startup failed (P6, P10).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Failure {
    /// The phase startup was in. `Init` if it was never started.
    pub phase: Phase,
    /// The critical step that failed. `None`: no step did, whatever drove the sequence was lost
    /// (P10).
    pub step: Option<String>,
    /// The error, with all of its causes.
    pub error: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "startup failed in phase {}", self.phase)?;
        if let Some(step) = &self.step {
            write!(f, ", step {step}")?;
        }
        write!(f, ": {}", self.error)
    }
}

impl std::error::Error for Failure {}

/// One entry of the sequence's history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// Time since the sequence was started.
    pub at: Duration,
    /// What happened.
    pub event: Event,
}

/// What a [`Transition`] tells. Their order follows from the order in which steps end (P3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The sequence was started.
    Started,
    /// The phase is the current one; its steps follow.
    PhaseEntered(Phase),
    /// A step began its work.
    StepStarted {
        /// The step's phase.
        phase: Phase,
        /// The step's name.
        step: String,
    },
    /// A step ended by itself, by its time limit or by a panic. What a failure cancels has no
    /// such entry: it is in the report.
    StepEnded {
        /// The step's phase.
        phase: Phase,
        /// The step's name.
        step: String,
        /// Whether its failure is startup's failure.
        critical: bool,
        /// How often it was tried.
        attempts: u32,
        /// From its start to its end.
        duration: Duration,
        /// How it ended: well, or with this error.
        outcome: Result<(), String>,
    },
    /// All critical steps of the phase have finished well (P2). Optional ones may still run.
    PhaseReached {
        /// The phase.
        phase: Phase,
        /// From its entry until now.
        duration: Duration,
    },
    /// Every phase was reached and every step has ended. Nothing follows.
    Completed,
    /// Startup is over and has failed. Nothing follows.
    Failed(Failure),
}
