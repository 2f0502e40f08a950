//! What is worth a line where lines stay: a change of what the state of a server means.

use std::time::{Duration, Instant};

use super::document::Document;
use super::line::exact;
use super::lines::{failure, held};

/// How often a line tells of nothing but more or fewer who wait.
const INTERVAL: Duration = Duration::from_secs(1);

/// A document in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// How far startup is, and whether the gate is open.
    state: String,
    /// Who waits there.
    size: Option<u64>,
    rest: String,
}

impl Meaning {
    pub(crate) fn of(document: &Document) -> Self {
        let startup = &document.startup;
        let readiness = &document.readiness;
        let startup = match startup.state.as_str() {
            "running" => format!(
                "startup running in phase {}",
                startup.phase.as_deref().unwrap_or_default()
            ),
            "complete" => format!("startup complete in {}", exact(startup.elapsed_seconds)),
            "failed" => failure(document),
            other => format!("startup {other}"),
        };
        let gate = match document.queue.open {
            _ if document.draining => "stopping",
            true => "open",
            false => "closed",
        };
        let why = if document.queue.open {
            None
        } else {
            readiness.reason.as_ref()
        };
        let why = why.map(|reason| format!(" ({reason})"));
        Self {
            state: format!("{gate}{}, {startup}", why.unwrap_or_default()),
            size: Some(document.queue.size),
            rest: format!(
                ", {}, {} live",
                held(&document.queue),
                document.connections.live
            ),
        }
    }

    pub(crate) fn unreachable(why: &str) -> Self {
        Self {
            state: format!("not reachable: {why}"),
            size: None,
            rest: String::new(),
        }
    }
}

/// What has been told.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    told: Option<(Instant, Meaning)>,
}

impl Changes {
    /// The line that is due, if one is: at once where the state has changed, and once a second
    /// where only the number of those who wait has.
    pub(crate) fn seen(&mut self, now: Instant, meaning: Meaning) -> Option<String> {
        let is_due = match &self.told {
            None => true,
            Some((_, told)) if told.state != meaning.state => true,
            Some((at, told)) => {
                told.size != meaning.size && now.saturating_duration_since(*at) >= INTERVAL
            }
        };
        is_due.then(|| {
            let line = format!("{}{}", meaning.state, meaning.rest);
            self.told = Some((now, meaning));
            line
        })
    }
}
