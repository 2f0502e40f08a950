//! What a session writes: pings, what its handler sent, and the close frame behind all that.

use std::task::Context;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use super::{CLOSE_TIMEOUT, MAX_PONGS, Session, Stage};
use crate::listener::Transport;

impl<T: Transport> Session<T> {
    /// Writes what waits to be written, then the close frame where one is due, and flushes once.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> bool {
        if matches!(self.stage, Stage::Over) {
            return false;
        }
        match self.try_write(cx) {
            Ok(again) => again,
            Err(_) => {
                self.over();
                true
            }
        }
    }

    /// Whether there may be more to do now: to read what the flush has made way for, or to end.
    fn try_write(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let was_blocked = self.blocked;
        self.blocked = loop {
            if self.socket.poll_ready(cx)?.is_pending() {
                break true;
            }
            let Some(frame) = self.next_frame() else {
                break false;
            };
            self.socket.send(frame)?;
            self.unflushed = true;
            if was_blocked {
                // It reads, so it is there.
                self.keep_alive.heard();
            }
        };
        let mut again = false;
        if self.unflushed && self.socket.poll_flush(cx)?.is_ready() {
            self.unflushed = false;
            again = self.blocked || self.pongs >= MAX_PONGS || self.client_closed;
            (self.blocked, self.pongs) = (false, 0);
        }
        let said_goodbye = matches!(self.stage, Stage::Closing { goodbye: None, .. });
        if said_goodbye && !self.unflushed && !self.readable {
            // There is no answer that could still be read.
            self.over();
        }
        Ok(again)
    }

    fn next_frame(&mut self) -> Option<Frame> {
        if self.client_closed {
            return None;
        }
        if self.keep_alive.take_ping() {
            return Some(Frame::Ping(Bytes::new()));
        }
        if self.leaving.is_empty() && self.more {
            self.more = self.mailbox.next_to_write(&mut self.leaving);
        }
        if let Some(message) = self.leaving.pop() {
            self.keep_alive.active(Instant::now);
            self.visit.sent(message.len());
            if let Stage::Closing { until, .. } = &mut self.stage {
                // As long as the client reads, it may read all that was sent before the close.
                *until = Instant::now() + CLOSE_TIMEOUT;
            }
            return Some(message.into());
        }
        let Stage::Closing { goodbye, until } = &mut self.stage else {
            return None;
        };
        let frame = goodbye.take()?;
        *until = Instant::now() + CLOSE_TIMEOUT;
        Some(Frame::Close(Some(frame)))
    }
}
