//! How long earlier starts took, kept in a small file (`startup.history`).
//!
//! From it come the estimate that the refused are told (S5), what the status says is usual, and a
//! warning when a start takes far longer. Nothing depends on it: a file that cannot be used is a
//! warning, and the next complete start replaces it.

mod file;
mod slow;
mod starts;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::pending;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use startup_phases::{Phase, Report};
use tokio::time::Instant;
use tracing::warn;

use self::slow::warn_of_slowness;
pub(crate) use self::starts::Usual;
use self::starts::{Durations, Seconds, Start, Starts};
use crate::shared::Shared;

/// What is known of earlier starts: nothing before their file was read, and where there were none.
#[derive(Default)]
pub(crate) struct History(OnceLock<Known>);

struct Known {
    usual: Usual,
    /// When the gate would open if this start were like them.
    opens: Instant,
}

impl History {
    /// What starts with the steps of this one usually take.
    pub(crate) fn usual(&self) -> Option<&Usual> {
        self.0.get().map(|known| &known.usual)
    }

    /// How much longer it usually takes until the gate opens; zero where this start is overdue.
    pub(crate) fn time_left(&self, now: Instant) -> Option<Duration> {
        let known = self.0.get()?;
        Some(known.opens.saturating_duration_since(now))
    }
}

/// Learns from earlier starts, and leaves to later ones what this one took, once it is complete and
/// the gate has been open. Under `guard.bypass` it leaves nothing: a gate that opens without anybody
/// having looked says nothing about when it usually does. To be polled from the beginning of startup
/// on.
pub(crate) async fn keep(server: &Shared) -> Infallible {
    let Some(path) = &server.settings.startup.history else {
        return pending().await;
    };
    let began = Instant::now();
    let began_unix_seconds = unix_seconds();
    let mut starts = earlier(path.clone(), server).await;
    if let Some(usual) = starts.usual(&names(&server.phases.report())) {
        let opens = began + usual.durations.open.duration();
        server.history.0.get_or_init(|| Known { usual, opens });
        server.journal.changed();
    }
    let opened = tokio::select! {
        biased;
        opened = completed(server) => opened,
        never = warn_of_slowness(server, began) => match never {},
    };
    if server.settings.guard.bypass {
        return pending().await;
    }
    starts.add(Start {
        began: began_unix_seconds,
        durations: durations(opened - began, &server.phases.report()),
    });
    if let Err(error) = file::write(path.clone(), &starts).await {
        let file = path.display();
        warn!(%file, %error, "the history of starts (startup.history) cannot be written");
    }
    pending().await
}

async fn earlier(path: PathBuf, server: &Shared) -> Starts {
    let file = path.display().to_string();
    match file::read(path).await {
        Ok(starts) => starts,
        Err(error) => {
            // The first steps may be what installs a log.
            let _ = server.phases.reached(Phase::Init).await;
            warn!(file, %error, "the history of starts (startup.history) is ignored");
            Starts::default()
        }
    }
}

/// Resolves with when the gate was first opened, once startup is complete too; never if it fails.
async fn completed(server: &Shared) -> Instant {
    if server.phases.complete().await.is_err() {
        return pending().await;
    }
    server.first_opened().await
}

fn names(report: &Report) -> BTreeSet<&str> {
    let steps = report.phases.iter().flat_map(|phase| &phase.steps);
    steps.map(|step| &*step.name).collect()
}

fn durations(open: Duration, report: &Report) -> Durations {
    let phases = report.phases.iter();
    let steps = report.phases.iter().flat_map(|phase| &phase.steps);
    let steps: BTreeMap<_, _> = steps
        .filter_map(|it| Some((it.name.clone(), Seconds::of(it.duration?))))
        .collect();
    Durations {
        open: Seconds::of(open),
        phases: phases
            .filter_map(|it| Some((it.phase, Seconds::of(it.duration?))))
            .collect(),
        steps,
    }
}

/// For whoever reads the file: nothing is measured with it.
#[expect(
    clippy::disallowed_methods,
    reason = "when a start began is told by the wall clock, and means nothing to us"
)]
fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
