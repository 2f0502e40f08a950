//! Says once that this start takes far longer than usual, while it does.

use std::convert::Infallible;
use std::future::pending;

use startup_phases::{Report, StepState};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::starts::Usual;
use crate::shared::Shared;

/// Warns if the gate is not open by then, unless there is a better reason than slowness.
pub(super) async fn warn_of_slowness(server: &Shared, began: Instant) -> Infallible {
    let Some(usual) = server.history.usual() else {
        return pending().await;
    };
    if let Some(limit) = usual.far_longer()
        && timeout_at(began + limit, ended(server)).await.is_err()
    {
        let waiting_for = running(&server.phases.report(), usual).unwrap_or_else(|| {
            let failed = server.guard.readiness().failed_checks;
            let failed: Vec<_> = failed.iter().map(ToString::to_string).collect();
            failed.join("; ")
        });
        warn!(
            elapsed = ?began.elapsed(),
            usual = ?usual.durations.open.duration(),
            of_starts = usual.starts,
            waiting_for,
            "this start takes far longer than usual"
        );
    }
    pending().await
}

/// Resolves when there is nothing to wait for any more: the gate has been open, startup has failed,
/// or the server is to stop.
async fn ended(server: &Shared) {
    let failed = async {
        if server.phases.complete().await.is_ok() {
            pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        _ = server.first_opened() => {}
        () = server.stopped() => {}
        () = failed => {}
    }
}

/// The steps at work, each with what it usually takes, and with why its last attempt failed.
fn running(report: &Report, usual: &Usual) -> Option<String> {
    let steps = report.phases.iter().flat_map(|phase| &phase.steps);
    let running: Vec<_> = steps
        .filter(|step| step.state == StepState::Running)
        .map(|step| {
            let usual = usual.durations.steps.get(&step.name);
            let usual = usual.map(|usual| format!(" (usually {:?})", usual.duration()));
            let error = step.error.as_ref().map(|error| format!(": {error}"));
            let (usual, error) = (usual.unwrap_or_default(), error.unwrap_or_default());
            format!("{}{usual}{error}", step.name)
        })
        .collect();
    (!running.is_empty()).then(|| running.join("; "))
}
