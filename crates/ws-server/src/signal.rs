//! What is known without looking: a condition of readiness that tells of its own changes (S2, Q8).

use std::future::pending;

use tokio::sync::watch;

/// Whether something holds that must hold for the gate to be open; nothing is known of it if there
/// is none, and nothing more once its sender is gone.
#[derive(Clone)]
pub(crate) struct Signal(Option<watch::Receiver<bool>>);

impl Signal {
    pub(crate) fn new(holds: Option<watch::Receiver<bool>>) -> Self {
        Self(holds)
    }

    /// Resolves when something was sent since the last time. Cancel safe.
    pub(crate) async fn sent(&mut self) {
        if let Some(holds) = &mut self.0
            && holds.changed().await.is_ok()
        {
            return;
        }
        pending::<()>().await;
    }

    /// Resolves when it does not hold, at once where it does not already. Cancel safe.
    pub(crate) async fn lost(&mut self) {
        if let Some(holds) = &mut self.0
            && holds.wait_for(|holds| !holds).await.is_ok()
        {
            return;
        }
        pending::<()>().await;
    }
}
