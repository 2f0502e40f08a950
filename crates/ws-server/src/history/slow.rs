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

/// The steps at work, each with what it usually takes.
fn running(report: &Report, usual: &Usual) -> Option<String> {
    let steps = report.phases.iter().flat_map(|phase| &phase.steps);
    let running: Vec<_> = steps
        .filter(|step| step.state == StepState::Running)
        .map(|step| match usual.durations.steps.get(&step.name) {
            Some(usual) => format!("{} (usually {:?})", step.name, usual.duration()),
            None => step.name.clone(),
        })
        .collect();
    (!running.is_empty()).then(|| running.join(", "))
}
