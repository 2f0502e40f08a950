//! SIGHUP: the settings are read again, and what can be changed at work is.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, IsTerminal as _};

use readiness_guard::Vars;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};
use ws_server::Reloader;
use ws_server::settings::{Change, Loaded};

use crate::cli::SettingsArgs;
use crate::{plan, telemetry};

/// Whether SIGHUP is somebody's wish. On a terminal it says that the terminal is gone, and ends this
/// process.
pub(crate) fn hangup_is_a_wish() -> bool {
    !io::stderr().is_terminal()
}

/// Reads the settings again at each SIGHUP, from where they came from at the start, and has what can
/// be changed of `running` changed.
pub(crate) async fn at_hangup(
    args: &SettingsArgs,
    vars: &Vars,
    mut running: Loaded,
    reloader: Reloader,
) -> Infallible {
    if !hangup_is_a_wish() {
        return pending().await;
    }
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            warn!(%error, "cannot listen for SIGHUP");
            return pending().await;
        }
    };
    // Before there is a log nobody could be told anything; a signal that comes meanwhile waits.
    let level = telemetry::level().await;
    while hangups.recv().await.is_some() {
        let (args, vars) = (args.clone(), vars.clone());
        let read = spawn_blocking(move || args.read(&vars)).await;
        let later = match read {
            Ok(Ok(later)) => later,
            Ok(Err(problems)) => {
                for problem in problems.iter() {
                    error!(%problem, "settings not reloaded, the old ones stay in effect");
                }
                continue;
            }
            Err(error) => {
                error!(%error, "settings not reloaded, the old ones stay in effect");
                continue;
            }
        };
        let before = running.settings.log.level;
        let changes = running.reload(later);
        reloader.apply(&running.settings);
        let after = running.settings.log.level;
        // Told at whichever of the two levels tells more.
        if after > before {
            level.set(after);
        }
        tell(&changes);
        if changes.iter().any(|it| it.key == "limits.max_connections") {
            let max_connections = running.settings.limits.max_connections;
            if let Err(error) = plan::provide_descriptors(max_connections) {
                warn!(%error, "cannot tell how many files may be open");
            }
        }
        if after < before {
            level.set(after);
        }
    }
    pending().await
}

fn tell(changes: &[Change]) {
    let (later, now): (Vec<_>, Vec<_>) = changes.iter().partition(|it| it.needs_restart);
    if now.is_empty() {
        info!("settings reloaded, nothing was changed");
    } else {
        let now: Vec<_> = now.iter().map(ToString::to_string).collect();
        info!(changed = now.join(", "), "settings reloaded");
    }
    // Without its value, which may be a secret.
    for Change { key, .. } in later {
        warn!(%key, "a setting has changed that needs a restart");
    }
}
