//! Whether and when an application that has ended is started again. No clock, no process.

use std::time::{Duration, Instant};

use ws_server::settings::{ChildSettings, Restart};

/// A run of this length was no failed start: the next row begins.
const A_GOOD_RUN: Duration = Duration::from_secs(60);

/// What is done about an application that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    StartAt(Instant),
    /// Its exit code becomes ours.
    GiveUp,
}

/// The rules, and how often in a row they have been used.
#[derive(Debug)]
pub(super) struct Restarts {
    restart: Restart,
    /// 0: no limit.
    max: u32,
    interval: Duration,
    in_a_row: u32,
    started: Instant,
}

impl Restarts {
    /// The first start was at `started`.
    pub(super) fn new(settings: &ChildSettings, started: Instant) -> Self {
        Self {
            restart: settings.restart,
            max: settings.max_restarts,
            interval: settings.restart_interval,
            in_a_row: 0,
            started,
        }
    }

    /// It was started again.
    pub(super) fn started(&mut self, now: Instant) {
        self.started = now;
    }

    /// It has ended; `well` means with 0.
    pub(super) fn ended(&mut self, now: Instant, well: bool) -> Next {
        if now.duration_since(self.started) >= A_GOOD_RUN {
            self.in_a_row = 0;
        }
        let wanted = match self.restart {
            Restart::Always => true,
            Restart::OnFailure => !well,
            Restart::Never => false,
        };
        if !wanted || (self.max > 0 && self.in_a_row >= self.max) {
            return Next::GiveUp;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        Next::StartAt(now.max(self.started + self.interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings(restart: Restart) -> ChildSettings {
        ChildSettings {
            restart,
            ..ChildSettings::default()
        }
    }

    /// An instant to count from.
    fn t0() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn two_starts_are_an_interval_apart_and_a_longer_run_costs_no_wait() {
        let t0 = t0();
        let mut restarts = Restarts::new(&settings(Restart::Always), t0);
        let soon = t0 + SECOND / 10;
        assert_eq!(restarts.ended(soon, false), Next::StartAt(t0 + SECOND));
        restarts.started(t0 + SECOND);
        let late = t0 + 5 * SECOND;
        assert_eq!(restarts.ended(late, false), Next::StartAt(late));
    }

    #[test]
    fn how_it_ended_decides() {
        for (restart, well, again) in [
            (Restart::Always, true, true),
            (Restart::Always, false, true),
            (Restart::OnFailure, true, false),
            (Restart::OnFailure, false, true),
            (Restart::Never, true, false),
            (Restart::Never, false, false),
        ] {
            let t0 = t0();
            let next = Restarts::new(&settings(restart), t0).ended(t0, well);
            assert_eq!(next != Next::GiveUp, again, "{restart:?} {well}");
        }
    }

    #[test]
    fn so_many_restarts_in_a_row_and_no_more() {
        let t0 = t0();
        let mut restarts = Restarts::new(&settings(Restart::Always), t0);
        for _ in 0..10 {
            assert_ne!(restarts.ended(t0, true), Next::GiveUp);
        }
        assert_eq!(restarts.ended(t0, true), Next::GiveUp);
        // A good run begins a new row.
        assert_ne!(restarts.ended(t0 + A_GOOD_RUN, true), Next::GiveUp);
    }

    #[test]
    fn zero_is_no_limit() {
        let t0 = t0();
        let endless = ChildSettings {
            max_restarts: 0,
            ..ChildSettings::default()
        };
        let mut restarts = Restarts::new(&endless, t0);
        assert!((0..1000).all(|_| restarts.ended(t0, false) != Next::GiveUp));
    }
}
