//! The report as JSON and the like: a flat state, durations in seconds.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::{Degraded, Failure, Phase, PhaseReport, Report};

#[derive(Serialize)]
struct Flat<'a> {
    state: &'static str,
    phase: Option<Phase>,
    phase_number: Option<u8>,
    elapsed_seconds: f64,
    failed: Option<&'a Failure>,
    degraded: &'a [Degraded],
    phases: &'a [PhaseReport],
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let phase = self.state.phase();
        Flat {
            state: self.state.as_str(),
            phase,
            phase_number: phase.map(Phase::number),
            elapsed_seconds: seconds(self.elapsed),
            failed: self.state.failure(),
            degraded: &self.degraded,
            phases: &self.phases,
        }
        .serialize(serializer)
    }
}

/// Whole microseconds: what is below is noise, and makes the text unreadable.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

pub(crate) fn seconds_if_any<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(seconds).serialize(serializer)
}
