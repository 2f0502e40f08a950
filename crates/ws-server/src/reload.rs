//! Changing what can be changed in a server that is at work.

use std::fmt;
use std::sync::{Arc, Weak};

use ws_queue::Gate;

use crate::registry::Client;
use crate::settings::Settings;
use crate::shared::Shared;

/// Changes the limits and the pace of a server at work. Cheap to clone; without effect once the server
/// has ended, which it does not keep alive.
#[derive(Clone)]
pub struct Reloader {
    server: Weak<Shared>,
    gate: Weak<Gate<Client>>,
}

impl Reloader {
    pub(crate) fn new(server: &Arc<Shared>, gate: &Arc<Gate<Client>>) -> Self {
        Self {
            server: Arc::downgrade(server),
            gate: Arc::downgrade(gate),
        }
    }

    /// Puts in effect what of `settings` can be put in effect now, and nothing else of them:
    ///
    /// * [`limits`](Settings::limits), for everyone who comes or is admitted from now on. Who is served
    ///   already keeps its own; over a lower `max_connections` nobody is closed, and nobody let in until
    ///   there are fewer.
    /// * `queue.release_per_second` and `queue.release_in_flight`, at once, in the middle of a release
    ///   too.
    ///
    /// With the feature `settings-load`, `Loaded::reload` tells which other keys have changed and have
    /// to wait for the next start.
    pub fn apply(&self, settings: &Settings) {
        if let Some(server) = self.server.upgrade() {
            server.set_limits(settings.limits.clone());
        }
        if let Some(gate) = self.gate.upgrade() {
            let queue = &settings.queue;
            gate.set_release(queue.release_per_second, queue.release_in_flight);
        }
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}
