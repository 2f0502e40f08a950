//! What a seed stands for: one deployment, its clients, and everything that happens to them.
//!
//! Plain data. Who draws it is in `draw`, who acts it out in `world`.

mod draw;
mod parts;

use std::time::Duration;

use startup_phases::Phase;
use ws_server::settings::{HoldMode, RefuseWith, Settings};

pub(super) use self::draw::scenario;
pub(super) use self::parts::{
    Ask, Behind, Caller, Errand, How, Leave, Monitor, Mood, Plan, PlannedStep, StepEnd, Then, When,
};

/// One deployment.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) settings: Settings,
    pub(super) steps: Vec<PlannedStep>,
    pub(super) monitor: Option<Monitor>,
    pub(super) behind: Behind,
    pub(super) clients: Vec<Plan>,
    /// When the server is told to stop; at the latest when all clients have ended.
    pub(super) stop_at: Option<Duration>,
    /// When the whole process is given up at once, as at a second signal.
    pub(super) abort_at: Option<Duration>,
    /// When somebody looks at the status.
    pub(super) looks: Vec<Duration>,
    /// Until when clients are patient: none of them stays longer.
    pub(super) horizon: Duration,
    /// See `link::Nature`.
    pub(super) hesitation: u8,
}

impl Scenario {
    /// The phase at which the gate may open.
    pub(super) fn opens_at(&self) -> Phase {
        let settings = &self.settings;
        settings
            .startup
            .open_after
            .max(settings.guard.minimum_phase)
    }

    pub(super) fn is_proxy(&self) -> bool {
        matches!(self.behind, Behind::Upstream(_))
    }

    /// Whether a client that is held has its 101.
    pub(super) fn holds_frames(&self) -> bool {
        self.settings.queue.hold == HoldMode::Frames
    }

    /// Whether a refusal is a close frame.
    pub(super) fn refuses_with_close(&self) -> bool {
        self.settings.queue.refuse_with == RefuseWith::Close
    }

    /// When nobody is let in any more, if it is told to stop at `at`.
    pub(super) fn drain_begins(&self, at: Duration) -> Duration {
        at + self.settings.shutdown.delay
    }

    /// From when on the upstream is like what; nothing where there is none.
    pub(super) fn moods(&self) -> &[(Duration, Mood)] {
        match &self.behind {
            Behind::Upstream(moods) => moods,
            Behind::Handler { .. } => &[],
        }
    }

    /// What the upstream is like at that moment.
    pub(super) fn mood(&self, at: Duration) -> Mood {
        let mut earlier = self.moods().iter().rev();
        earlier
            .find(|(from, _)| *from <= at)
            .map_or(Mood::Down, |(_, mood)| *mood)
    }
}
