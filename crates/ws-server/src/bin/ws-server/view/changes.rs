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

#[cfg(test)]
mod tests {
    use super::*;

    fn running(phase: &str, size: u64) -> Meaning {
        let mut document = Document::default();
        document.startup.state = "running".to_owned();
        document.startup.phase = Some(phase.to_owned());
        document.readiness.reason = Some("phase_timeout".to_owned());
        document.queue.size = size;
        Meaning::of(&document)
    }

    #[test]
    fn a_line_tells_the_gate_the_startup_and_who_waits() {
        let mut changes = Changes::default();
        let begin = tokio::time::Instant::now().into_std();
        assert_eq!(
            changes.seen(begin, running("services", 12)).as_deref(),
            Some(
                "closed (phase_timeout), startup running in phase services, 12 held, oldest 0.0 s, 0 live"
            )
        );
        let mut document = Document::default();
        document.startup.state = "complete".to_owned();
        document.startup.elapsed_seconds = 4.018;
        document.queue.open = true;
        document.connections.live = 3;
        assert_eq!(
            changes.seen(begin, Meaning::of(&document)).as_deref(),
            Some("open, startup complete in 4.02 s, nobody is held, 3 live")
        );
    }

    #[test]
    fn a_change_of_state_is_told_at_once_and_one_of_size_once_a_second() {
        let mut changes = Changes::default();
        let begin = tokio::time::Instant::now().into_std();
        let mut is_told = |millis, meaning| {
            changes
                .seen(begin + Duration::from_millis(millis), meaning)
                .is_some()
        };
        assert!(is_told(0, running("cache", 0)));
        assert!(!is_told(1, running("cache", 0)));
        assert!(!is_told(10, running("cache", 1)));
        assert!(is_told(20, running("services", 1)));
        assert!(!is_told(1019, running("services", 2)));
        assert!(is_told(1020, running("services", 2)));
        assert!(!is_told(9000, running("services", 2)));
        assert!(is_told(9001, Meaning::unreachable("connection refused")));
        assert!(!is_told(9002, Meaning::unreachable("connection refused")));
        assert!(is_told(9003, running("services", 2)));
    }
}
