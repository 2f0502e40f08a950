//! What one look at startup shows, and what it means.

use std::fmt;

use startup_phases::{Phase, PhaseWatch, State};

use crate::Reason;

/// How far startup has come, in the words of readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum ReadinessState {
    /// Startup has not reported yet.
    Unknown,
    /// Startup runs; `dependencies` is not reached.
    Initializing,
    /// Phase `dependencies` is reached.
    DependenciesReady,
    /// Phase `services` is reached.
    ServicesReady,
    /// Phase `websocket` is reached.
    WebsocketReady,
    /// Startup failed.
    Failed,
}

impl ReadinessState {
    /// The state in one word, `services_ready` for instance.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ReadinessState::Unknown => "unknown",
            ReadinessState::Initializing => "initializing",
            ReadinessState::DependenciesReady => "dependencies_ready",
            ReadinessState::ServicesReady => "services_ready",
            ReadinessState::WebsocketReady => "websocket_ready",
            ReadinessState::Failed => "failed",
        }
    }
}

impl fmt::Display for ReadinessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One look at startup.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sight {
    pub(crate) state: ReadinessState,
    pub(crate) phase: Option<Phase>,
    pub(crate) reached: Option<Phase>,
}

impl Sight {
    pub(crate) fn of(phases: &PhaseWatch) -> Self {
        // In this order: the phase reached may be ahead of the state, never behind it.
        let state = phases.state();
        let reached = phases.last_reached();
        Self {
            state: match state {
                State::Unknown => ReadinessState::Unknown,
                State::Running(_) | State::Complete => ReadinessState::reached(reached),
                State::Failed(_) => ReadinessState::Failed,
            },
            phase: state.phase(),
            reached,
        }
    }

    pub(crate) fn has_reached(&self, phase: Phase) -> bool {
        self.reached >= Some(phase)
    }

    /// The one rule of readiness: what this look means if nothing more is waited for.
    pub(crate) fn assess(&self, minimum: Phase, checks_pass: bool) -> Result<(), Reason> {
        match self.state {
            ReadinessState::Failed => Err(Reason::StartupFailed),
            ReadinessState::Unknown => Err(Reason::UnknownPhase),
            _ if self.has_reached(minimum) && checks_pass => Ok(()),
            _ if self.has_reached(minimum) => Err(Reason::CheckFailed),
            _ if self.has_reached(Phase::Cache) => Err(Reason::NearReady),
            _ => Err(Reason::PhaseTimeout),
        }
    }
}

impl ReadinessState {
    fn reached(reached: Option<Phase>) -> Self {
        match reached {
            None | Some(Phase::Init) => ReadinessState::Initializing,
            Some(Phase::Dependencies | Phase::Database | Phase::Cache) => {
                ReadinessState::DependenciesReady
            }
            Some(Phase::Services) => ReadinessState::ServicesReady,
            Some(Phase::Websocket | Phase::Finalize) => ReadinessState::WebsocketReady,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(reached: Option<Phase>) -> Sight {
        Sight {
            state: ReadinessState::reached(reached),
            phase: reached.and_then(Phase::next),
            reached,
        }
    }

    #[test]
    fn the_reason_follows_the_phase_reached() {
        let reason = |reached| running(reached).assess(Phase::Websocket, true);
        assert_eq!(reason(None), Err(Reason::PhaseTimeout));
        assert_eq!(reason(Some(Phase::Database)), Err(Reason::PhaseTimeout));
        assert_eq!(reason(Some(Phase::Cache)), Err(Reason::NearReady));
        assert_eq!(reason(Some(Phase::Services)), Err(Reason::NearReady));
        assert_eq!(reason(Some(Phase::Websocket)), Ok(()));
    }

    #[test]
    fn a_failed_check_is_the_reason_only_once_the_phase_is_there() {
        let reason = |reached| running(reached).assess(Phase::Services, false);
        assert_eq!(reason(Some(Phase::Cache)), Err(Reason::NearReady));
        assert_eq!(reason(Some(Phase::Services)), Err(Reason::CheckFailed));
    }

    #[test]
    fn a_failure_outweighs_every_phase_reached() {
        let failed = Sight {
            state: ReadinessState::Failed,
            ..running(Some(Phase::Finalize))
        };
        assert_eq!(failed.assess(Phase::Init, true), Err(Reason::StartupFailed));
    }
}
