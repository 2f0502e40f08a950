//! What can go wrong with a sequence: at building, at running, inside one step.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tokio::task::JoinError;

use crate::{Failure, Report, StopReport};

/// Any error of a step or of a stop hook.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// A sequence that cannot run. It lists every problem, none hidden behind the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    problems: Vec<Problem>,
}

impl BuildError {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// All problems, at least one, in the declared order of the steps they are about.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the startup sequence cannot run: ")?;
        for (position, problem) in self.problems.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Error for BuildError {}

/// One reason why a sequence cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Reports and `after` know a step by its name.
    #[error("a step of phase {phase} has no name")]
    EmptyName {
        /// The step's phase.
        phase: crate::Phase,
    },
    /// Names are unique in the whole sequence, not only in a phase.
    #[error("there are several steps named `{step}`")]
    DuplicateName {
        /// The name.
        step: String,
    },
    /// `after` names nothing.
    #[error("step `{step}` is to follow `{after}`, which does not exist")]
    UnknownAfter {
        /// The step that was to wait.
        step: String,
        /// The name that is not there.
        after: String,
    },
    /// `after` names a step of a later phase, which can never have ended before (P1).
    #[error("step `{step}` is to follow `{after}`, which belongs to a later phase")]
    LaterAfter {
        /// The step that was to wait.
        step: String,
        /// The step of the later phase.
        after: String,
    },
    /// Steps that wait for each other.
    #[error("steps wait for each other: `{}`", steps.join("` after `"))]
    Cycle {
        /// Each follows the next one; the first is named again at the end.
        steps: Vec<String>,
    },
    /// A step that polls without a pause.
    #[error("step `{step}` has an interval of zero")]
    ZeroInterval {
        /// The step.
        step: String,
    },
    /// A step that could only fail.
    #[error("step `{step}` has a time limit of zero")]
    ZeroTimeout {
        /// The step.
        step: String,
    },
}

/// A startup that failed, after everything was stopped that had finished well.
///
/// Its text is that of the [`Failure`]. [`Error::source`] is the step's own error, whose text the
/// failure already contains; there is none for a panic or a time limit without an error.
#[derive(Debug)]
pub struct StartupError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    failure: Failure,
    report: Report,
    stopped: StopReport,
    source: Option<BoxError>,
}

impl StartupError {
    pub(crate) fn new(
        failure: Failure,
        report: Report,
        stopped: StopReport,
        source: Option<BoxError>,
    ) -> Self {
        Self(Box::new(Inner {
            failure,
            report,
            stopped,
            source,
        }))
    }

    /// What failed: phase, step, error.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// How far startup came.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// How the stop hooks of the finished steps ended.
    #[must_use]
    pub fn stopped(&self) -> &StopReport {
        &self.0.stopped
    }
}

impl fmt::Display for StartupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.failure.fmt(f)
    }
}

impl Error for StartupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// How a task of ours, a step or a stop hook, ended badly.
#[derive(Debug)]
pub(crate) enum TaskError {
    Own(BoxError),
    TimedOut {
        limit: Duration,
        last: Option<BoxError>,
    },
    Panicked(String),
    Cancelled,
}

impl TaskError {
    /// The error the step or hook itself returned.
    pub(crate) fn into_own(self) -> Option<BoxError> {
        match self {
            Self::Own(error) => Some(error),
            Self::TimedOut { last, .. } => last,
            Self::Panicked(_) | Self::Cancelled => None,
        }
    }
}

impl From<JoinError> for TaskError {
    fn from(error: JoinError) -> Self {
        let Ok(payload) = error.try_into_panic() else {
            return Self::Cancelled;
        };
        let message = match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => payload
                .downcast_ref::<&str>()
                .copied()
                .unwrap_or_default()
                .to_owned(),
        };
        Self::Panicked(message)
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(error) => Chain(error.as_ref()).fmt(f),
            Self::TimedOut { limit, last: None } => write!(f, "not finished within {limit:?}"),
            Self::TimedOut {
                limit,
                last: Some(last),
            } => {
                write!(f, "not ready within {limit:?}; last attempt: ")?;
                Chain(last.as_ref()).fmt(f)
            }
            Self::Panicked(message) if message.is_empty() => f.write_str("panicked"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// An error and its causes as text. Many errors print their cause themselves, many do not: no text
/// is to be missing or said twice.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn every_cause_is_told_once() {
        let refused = Layer("refused", None);
        let quoting = Layer("connect: refused", Some(Box::new(refused)));
        let outer = Layer("pool", Some(Box::new(quoting)));
        assert_eq!(
            TaskError::Own(Box::new(outer)).to_string(),
            "pool: connect: refused"
        );
    }

    #[test]
    fn a_panic_tells_what_it_said_if_anything() {
        let said = TaskError::Panicked("no pool".to_owned());
        assert_eq!(said.to_string(), "panicked: no pool");
        let silent = TaskError::Panicked(String::new());
        assert_eq!(silent.to_string(), "panicked");
    }

    #[test]
    fn a_time_limit_tells_the_last_error() {
        let limit = Duration::from_millis(1_500);
        let error = TaskError::TimedOut {
            limit,
            last: Some("refused".into()),
        };
        assert_eq!(
            error.to_string(),
            "not ready within 1.5s; last attempt: refused"
        );
        let error = TaskError::TimedOut { limit, last: None };
        assert_eq!(error.to_string(), "not finished within 1.5s");
    }
}
