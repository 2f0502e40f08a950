//! Pings, the answers to them, and idle connections: when something is due. No clock of its own.

use std::time::Duration;

use tokio::time::Instant;

use crate::settings::LimitSettings;

/// What the time has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A ping is to be sent; [`KeepAlive::take_ping`] gives it out.
    Ping,
    /// The client did not answer the last one.
    Lost,
    /// There was no message, in either direction, for too long.
    Idle,
}

pub(super) struct KeepAlive {
    ping_interval: Duration,
    pong_timeout: Duration,
    idle_timeout: Duration,
    next_ping: Option<Instant>,
    pong_due: Option<Instant>,
    idle_due: Option<Instant>,
    wants_ping: bool,
    /// Something was heard since the last [`Self::due`].
    heard: bool,
    /// Nothing is being read, so silence says nothing about the client.
    paused: bool,
}

impl KeepAlive {
    pub(super) fn new(now: Instant, limits: &LimitSettings) -> Self {
        let after = |limit: Duration| (!limit.is_zero()).then(|| now + limit);
        Self {
            ping_interval: limits.ping_interval,
            pong_timeout: limits.pong_timeout,
            idle_timeout: limits.idle_timeout,
            next_ping: after(limits.ping_interval),
            pong_due: None,
            idle_due: after(limits.idle_timeout),
            wants_ping: false,
            heard: false,
            paused: false,
        }
    }

    /// A frame of any kind came: the client is there.
    pub(super) fn heard(&mut self) {
        self.heard = true;
        self.paused = false;
    }

    /// A message came or goes: the connection is not idle. Answers to our own pings do not count,
    /// for they come as long as the client is there.
    ///
    /// The clock is read only where idle time is limited: this is called for every message.
    pub(super) fn active(&mut self, now: impl FnOnce() -> Instant) {
        if let Some(idle_due) = &mut self.idle_due {
            *idle_due = now() + self.idle_timeout;
        }
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn take_ping(&mut self) -> bool {
        std::mem::take(&mut self.wants_ping)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        [self.next_ping, self.pong_due, self.idle_due]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        if std::mem::take(&mut self.heard) {
            self.pong_due = None;
        }
        if std::mem::take(&mut self.paused) {
            self.pong_due = self.pong_due.map(|_| now + self.pong_timeout);
            self.idle_due = self.idle_due.map(|_| now + self.idle_timeout);
        }
        if self.pong_due.is_some_and(|due| due <= now) {
            return Some(Due::Lost);
        }
        if self.idle_due.is_some_and(|due| due <= now) {
            return Some(Due::Idle);
        }
        if self.next_ping.is_some_and(|due| due <= now) {
            self.next_ping = Some(now + self.ping_interval);
            self.pong_due.get_or_insert(now + self.pong_timeout);
            self.wants_ping = true;
            return Some(Due::Ping);
        }
        None
    }
}
