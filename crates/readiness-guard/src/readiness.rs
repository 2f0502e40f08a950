//! What is known about readiness between two looks.

use startup_phases::Phase;

use crate::{FailedCheck, ReadinessState, Reason};

/// Readiness as far as it is known now: what the status shows.
///
/// Serializes as the five fields `ready`, `state`, `reason`, `bypassed` and `failed_checks`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Readiness {
    /// The last look found everything in order, and startup has not failed since; or it is bypassed.
    pub ready: bool,
    /// How far startup has come.
    pub state: ReadinessState,
    /// The phase that startup is in, or that it failed in; none while it is unknown.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub phase: Option<Phase>,
    /// Why it is not ready. None while it is ready, and while the first wait has nothing to say yet.
    pub reason: Option<Reason>,
    /// An operator's setting answers in place of the guard (G8).
    pub bypassed: bool,
    /// The critical checks that said no when last asked.
    pub failed_checks: Vec<FailedCheck>,
    /// The optional checks that said no when last asked, and what was odd about the environment.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub warnings: Vec<String>,
}
