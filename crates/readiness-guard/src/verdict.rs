//! What a wait found out.

use std::fmt;
use std::time::Duration;

use startup_phases::Phase;

use crate::ReadinessState;

/// The end of a wait.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "verdict", rename_all = "snake_case")
)]
#[must_use]
pub enum Verdict {
    /// A new connection can be served now.
    Ready(Ready),
    /// It cannot, and this is why.
    NotReady(NotReady),
}

impl Verdict {
    /// Whether a new connection can be served now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Verdict::Ready(_))
    }

    /// What was seen, whatever it meant.
    #[must_use]
    pub fn observation(&self) -> &Observation {
        match self {
            Verdict::Ready(ready) => &ready.observation,
            Verdict::NotReady(why) => &why.observation,
        }
    }

    /// `ready`, or the [reason](Reason::as_str): one word, as a metric's label wants it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Ready(_) => "ready",
            Verdict::NotReady(why) => why.reason.as_str(),
        }
    }
}

/// The guard looked and found readiness, or was told not to look.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Ready {
    /// What was seen.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub observation: Observation,
    /// An operator's setting answered, not a look (G8).
    pub bypassed: bool,
}

/// The guard looked and did not find readiness.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NotReady {
    /// What was seen.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub observation: Observation,
    /// Why that is not readiness.
    pub reason: Reason,
}

impl NotReady {
    /// Why there is no readiness.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Whether a client that waits now has a chance to be served. See [`Reason::worth_holding`].
    #[must_use]
    pub fn worth_holding(&self) -> bool {
        self.reason.worth_holding()
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Observation {
            state,
            phase,
            elapsed,
            failed_checks,
            ..
        } = &self.observation;
        write!(
            f,
            "not ready after {elapsed:?}: {} (state {state}",
            self.reason
        )?;
        if let Some(phase) = phase {
            write!(f, ", phase {phase}")?;
        }
        for check in failed_checks {
            write!(f, ", {check}")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for NotReady {}

/// What a wait saw, up to its last look.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Observation {
    /// How far startup has come.
    pub state: ReadinessState,
    /// The phase that startup is in, or that it failed in; none while it is unknown.
    pub phase: Option<Phase>,
    /// How long the wait took.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "elapsed_seconds", serialize_with = "as_seconds")
    )]
    pub elapsed: Duration,
    /// How many times the guard looked.
    pub checks: u64,
    /// The critical checks that said no when last asked.
    pub failed_checks: Vec<FailedCheck>,
    /// The optional checks that said no when last asked, and what was odd about the environment.
    pub warnings: Vec<String>,
}

/// A readiness check that said no.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FailedCheck {
    /// The check's name.
    pub name: String,
    /// What it said.
    pub error: String,
}

impl fmt::Display for FailedCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.error)
    }
}

/// Why there is no readiness (G5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Reason {
    /// Startup is on its way and not far from it: `cache` or a later phase is reached.
    NearReady,
    /// Startup never reported.
    UnknownPhase,
    /// Time ran out in a phase too early to hope for the rest soon.
    PhaseTimeout,
    /// A critical step failed, or whatever drove startup is gone.
    StartupFailed,
    /// Startup is far enough, and a critical check says no.
    CheckFailed,
    /// More looks than the time limit has room for: the clock cannot be trusted (G4).
    IterationBound,
}

impl Reason {
    /// Every reason, for a metric whose label values are all there from the start.
    pub const ALL: [Reason; 6] = [
        Reason::NearReady,
        Reason::UnknownPhase,
        Reason::PhaseTimeout,
        Reason::StartupFailed,
        Reason::CheckFailed,
        Reason::IterationBound,
    ];

    /// The reason in one word, `near_ready` for instance.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::NearReady => "near_ready",
            Reason::UnknownPhase => "unknown_phase",
            Reason::PhaseTimeout => "phase_timeout",
            Reason::StartupFailed => "startup_failed",
            Reason::CheckFailed => "check_failed",
            Reason::IterationBound => "iteration_bound",
        }
    }

    /// Whether a client that waits has a chance to be served. Only a failed startup leaves it none: every
    /// other reason may have passed at the next look, a faulty clock included.
    #[must_use]
    pub fn worth_holding(self) -> bool {
        self != Reason::StartupFailed
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(feature = "serde")]
fn as_seconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(elapsed.as_secs_f64())
}
