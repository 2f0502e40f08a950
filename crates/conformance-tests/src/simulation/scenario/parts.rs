//! The parts of a scenario.

use std::time::Duration;

use startup_phases::Phase;

/// A step of startup.
#[derive(Clone, Debug)]
pub(crate) struct PlannedStep {
    pub(crate) phase: Phase,
    pub(crate) name: String,
    pub(crate) critical: bool,
    pub(crate) takes: Duration,
    pub(crate) end: StepEnd,
    /// How long undoing it takes, if it can be undone.
    pub(crate) undoing: Option<Duration>,
}

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepEnd {
    Well,
    Fails,
    Panics,
}

impl PlannedStep {
    /// Whether startup fails with it.
    pub(crate) fn is_fatal(&self) -> bool {
        self.critical && self.end != StepEnd::Well
    }
}

/// Something that must hold, beside the phase, for the gate to be open.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    /// How long an answer takes; none where it is known without looking.
    pub(crate) looked_at: Option<Duration>,
    /// From when on it holds, or does not: in order, the first at zero.
    pub(crate) holds: Vec<(Duration, bool)>,
}

impl Monitor {
    pub(crate) fn holds_at(&self, at: Duration) -> bool {
        let earlier = self.holds.iter().rev().find(|(from, _)| *from <= at);
        earlier.is_some_and(|(_, holds)| *holds)
    }

    /// Whether it holds at any moment of that time, or up to its begin.
    pub(crate) fn holds_within(&self, from: Duration, to: Duration) -> bool {
        let from = from.saturating_sub(Duration::from_nanos(1));
        let changes = self.holds.iter().filter(|(at, _)| (from..=to).contains(at));
        self.holds_at(from) || changes.into_iter().any(|(_, holds)| *holds)
    }

    /// Whether it holds at all moments of that time.
    pub(crate) fn holds_throughout(&self, from: Duration, to: Duration) -> bool {
        let mut changes = self.holds.iter().filter(|(at, _)| (from..=to).contains(at));
        self.holds_at(from) && changes.all(|(_, holds)| *holds)
    }
}

/// What admission leads to.
#[derive(Clone, Debug)]
pub(crate) enum Behind {
    /// An echo that takes so long for a message.
    Handler { takes: Duration, isolated: bool },
    /// Another server: from when on it is like what.
    Upstream(Vec<(Duration, Mood)>),
}

/// What an upstream is like for a while. With each change it is another process: what the one before
/// had open is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Connections are refused.
    Down,
    /// Connections are neither accepted nor refused.
    Deaf,
    /// It answers after so long.
    Well(Duration),
    /// It accepts, and drops the connection before it has answered: after so long, with some of the
    /// answer written or none.
    Drops { after: Duration, halfway: bool },
    /// It answers with this status instead of a WebSocket.
    Answers(u16),
    /// It answers, and breaks off inside the first frame it sends that is larger than that.
    BreaksInside { larger_than: usize },
}

/// A client: when it comes, and what for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) at: Duration,
    pub(crate) errand: Errand,
}

#[derive(Clone, Debug)]
pub(crate) enum Errand {
    WebSocket(Caller),
    /// A request for one of the pages, or with a body for what is behind the proxy.
    Page {
        method: &'static str,
        path: &'static str,
        body: usize,
    },
}

/// A client that wants a WebSocket.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// In how many pieces its request head comes, and how long it pauses between two.
    pub(crate) pieces: u32,
    pub(crate) pause: Duration,
    /// How many of its messages follow the head at once, without waiting for an answer.
    pub(crate) early: usize,
    /// What it says: the bytes of each message, and how long it waits before it.
    pub(crate) says: Vec<(usize, Duration)>,
    /// Whether the text of a message asks the handler for something; which message, and for what.
    pub(crate) asks: Option<(usize, Ask)>,
    /// Whether it sends a ping before each message.
    /// How large a message is that is too large.
    pub(crate) too_large: usize,
    pub(crate) pings: bool,
    pub(crate) leaves: Option<Leave>,
    /// When it stops to read, counted from its connecting, and for how long.
    pub(crate) stalls: Option<(Duration, Duration)>,
    pub(crate) then: Then,
    /// How often it comes again after a refusal.
    pub(crate) returns: u32,
    pub(crate) window: usize,
    pub(crate) segment: usize,
}

/// What one message asks for, or is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// That the handler fails.
    Fail,
    /// That it panics.
    Panic,
    /// That it ends the connection with 1000.
    Bye,
    /// The message is larger than allowed.
    TooLarge,
    /// It is no frame at all.
    Nonsense,
}

/// What a client does that has heard all there is to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Closes the connection in the proper way.
    Closes,
    /// Stays, until it is closed or the horizon comes.
    Stays,
}

/// A client that goes before its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leave {
    pub(crate) when: When,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    AfterConnecting(Duration),
    AfterItsAnswer(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Its process ends.
    Closes,
    /// With a reset.
    Resets,
    /// Without a word: nothing is read or sent any more, and nobody is told.
    Vanishes,
    /// It ends its sending side and reads on.
    ShutsSending,
}
