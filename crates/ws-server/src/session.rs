//! Serves one admitted connection: one task that owns the socket and runs the handler.
//!
//! Each time the task is woken it reads what has come, lets the handler work on it, and writes
//! what the handler made of it with one flush. So a burst of messages costs a few system calls,
//! and pings are answered while the handler waits for something else.

mod alarm;
mod goodbye;
mod keep_alive;
mod work;
mod writing;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, join};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tracing::debug;

use self::alarm::Alarm;
pub(crate) use self::goodbye::{goodbye_for, say_goodbye};
use self::keep_alive::{Due, KeepAlive};
use self::work::Work;
use crate::answer::{LINGER, linger};
use crate::drain::{Stop, Stopping};
use crate::handler::BoxError;
use crate::listener::Transport;
use crate::mailbox::{Batch, Mailbox, Rest, Size};
use crate::message::{Message, Utf8Bytes};
use crate::metrics::By;
use crate::settings::LimitSettings;
use crate::socket::Socket;
use crate::visit::{End, Visit};

/// How long a client may take to answer a close frame. Well under the default drain time, and
/// longer than any living client's round trip.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many pongs may wait to be written before nothing more is read: nobody who reads has as many.
const MAX_PONGS: usize = 64;

enum Stage {
    /// Messages flow both ways.
    Open,
    /// Nothing more is read; the handler finishes with what had been accepted.
    Finishing { goodbye: CloseFrame, until: Instant },
    /// What the handler sent is written, then the close frame; then the client's is awaited.
    Closing {
        goodbye: Option<CloseFrame>,
        until: Instant,
    },
    /// The socket has nothing more to give or to take.
    Over,
}

pub(crate) struct Session<T> {
    socket: Socket<T>,
    mailbox: Arc<Mailbox>,
    /// What was read and the mailbox has not got yet.
    came: Batch,
    /// How much the handler had not looked at when the mailbox was last asked: by now it may be less.
    ahead: Size,
    /// What the mailbox gave and is not written yet.
    leaving: Batch,
    /// The mailbox had more to be written when it was last asked.
    more: bool,
    work: Work,
    stopping: Stopping,
    stage: Stage,
    end: End,
    /// The client has said goodbye: the answer to that is the last there is to write.
    client_closed: bool,
    /// Cleared when the socket gives nothing more: the client's close, its end, or its fault.
    readable: bool,
    /// The inbox was full when it was last looked at.
    wants_room: bool,
    /// The socket took no more when it was last written to.
    blocked: bool,
    unflushed: bool,
    /// How many pings came since the last flush.
    pongs: usize,
    keep_alive: KeepAlive,
    alarm: Alarm,
    /// Last, since whoever is registered may still have a socket.
    visit: Visit,
}

impl<T: Transport> Session<T> {
    pub(crate) fn new(
        visit: Visit,
        socket: Socket<T>,
        mailbox: Arc<Mailbox>,
        handler: BoxFuture<'static, Result<(), BoxError>>,
        limits: &LimitSettings,
        stopping: Stopping,
    ) -> Self {
        let now = Instant::now();
        let keep_alive = KeepAlive::new(now, limits);
        Self {
            socket,
            ahead: mailbox.ahead(),
            mailbox,
            came: Batch::default(),
            leaving: Batch::default(),
            more: false,
            work: Work::new(handler),
            stopping,
            stage: Stage::Open,
            end: End::lost(By::Client),
            client_closed: false,
            readable: true,
            wants_room: false,
            blocked: false,
            unflushed: false,
            pongs: 0,
            alarm: Alarm::new(keep_alive.next_due()),
            keep_alive,
            visit,
        }
    }

    /// Serves until both the socket and the handler have come to their end.
    ///
    /// Borrowed, since a future that owned it would have room for it twice.
    pub(crate) async fn run(&mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        self.visit.closed(self.end);
        // The client need not wait until its handler has tidied up.
        let stream = self.socket.stream_mut();
        let hang_up = async {
            if self.end.is_lost() {
                // Whether that still works or not, there is nobody left to be told.
                let _ = timeout(LINGER, stream.shutdown()).await;
            } else {
                // It may still be sending; closing over that would destroy the close frame.
                linger(stream).await;
            }
        };
        join(hang_up, self.work.finish(&self.visit)).await;
    }

    /// Resolves when the socket has come to its end.
    ///
    /// One turn usually does all there is to do: whatever could do more later has the waker then.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.read(cx);
            // Behind the reading: what had come before counts as accepted.
            self.heed_stop(cx);
            let mut again = self.run_handler(cx);
            again |= self.rest(cx);
            again |= self.write(cx);
            again |= self.heed_time(cx);
            if matches!(self.stage, Stage::Over) {
                return Poll::Ready(());
            }
            if !again {
                self.visit.settle();
                return Poll::Pending;
            }
        }
    }

    /// Reads what has come and gives it to the handler, as long as there is room.
    fn read(&mut self, cx: &mut Context<'_>) {
        if self.ahead.is_full() {
            self.ahead = self.mailbox.ahead();
        }
        // A socket that gives nothing more wants no room for it.
        self.wants_room = false;
        let end = loop {
            if !self.readable {
                break None;
            }
            self.wants_room =
                matches!(self.stage, Stage::Open) && (self.ahead + self.came.size()).is_full();
            // Behind the client's answer to our close the socket ends at once, written or not.
            let is_answered = matches!(self.stage, Stage::Closing { .. }) && self.client_closed;
            let must_flush = self.pongs >= MAX_PONGS || (is_answered && self.unflushed);
            if self.wants_room
                || must_flush
                || matches!(self.stage, Stage::Finishing { .. } | Stage::Over)
            {
                // Unless it is the client who keeps us waiting: then its time runs.
                if !self.blocked && !must_flush {
                    self.keep_alive.pause();
                }
                break None;
            }
            match self.socket.poll_next(cx) {
                Poll::Ready(Some(Ok(Frame::Close(goodbye)))) => break Some(Ok(goodbye)),
                Poll::Ready(Some(Ok(frame))) => self.take(frame),
                Poll::Ready(Some(Err(fault))) => break Some(Err(Some(fault))),
                Poll::Ready(None) => break Some(Err(None)),
                Poll::Pending => break None,
            }
        };
        self.socket.stop_reading();
        if self.came.is_empty() {
            self.mailbox.rise();
        } else {
            self.mailbox.deliver(cx, &mut self.came);
        }
        // Behind what came before it.
        match end {
            Some(Ok(goodbye)) => self.hear_goodbye(goodbye),
            Some(Err(Some(fault))) => self.fault(&fault),
            Some(Err(None)) => self.over(),
            None => {}
        }
    }

    fn take(&mut self, frame: Frame) {
        self.keep_alive.heard();
        let message = match frame {
            Frame::Text(text) => Message::Text(text),
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Ping(_) => {
                self.unflushed = true;
                self.pongs += 1;
                return;
            }
            Frame::Pong(_) | Frame::Frame(_) | Frame::Close(_) => return,
        };
        if matches!(self.stage, Stage::Open) {
            self.keep_alive.active(Instant::now);
            self.visit.received(message.len());
            self.came.push(message);
        }
    }

    /// The client says goodbye. The socket answers by itself; once that is written, it ends with the
    /// next read.
    fn hear_goodbye(&mut self, goodbye: Option<CloseFrame>) {
        let code = goodbye.map_or(CloseCode::Status, |it| it.code);
        if !matches!(self.stage, Stage::Closing { .. }) {
            self.end = End::new(code, By::Client);
        }
        self.client_closed = true;
        self.unflushed = true;
        self.close(code, Utf8Bytes::default());
    }

    /// The client broke the protocol, or the connection broke.
    fn fault(&mut self, fault: &Error) {
        let Some(CloseFrame { code, reason }) = goodbye_for(fault) else {
            return self.over();
        };
        debug!(id = self.visit.id(), %fault, "client broke the protocol");
        self.readable = false;
        self.close(code, reason);
    }

    /// Lets the handler work. Its end ends the connection.
    fn run_handler(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready((code, reason)) = self.work.poll(cx, &self.visit) else {
            return false;
        };
        // What it asked for itself comes before what follows from its end.
        if let Some((code, reason)) = self.mailbox.asked_to_close() {
            self.close(code, reason);
        }
        self.close(code, Utf8Bytes::from_static(reason));
        true
    }

    /// The server is stopping: what had been accepted is still worked on.
    fn heed_stop(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.stage, Stage::Open) {
            return;
        }
        let Poll::Ready(Stop { code, work_until }) = self.stopping.poll(cx) else {
            return;
        };
        let goodbye = CloseFrame {
            code,
            reason: Utf8Bytes::default(),
        };
        self.stage = Stage::Finishing {
            goodbye,
            until: work_until,
        };
        self.mailbox.end_inbox();
        self.rearm();
    }

    // Open | Finishing -> Closing
    fn close(&mut self, code: CloseCode, reason: Utf8Bytes) {
        let goodbye = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Open => CloseFrame { code, reason },
            // Whatever ends the handler of a server that is stopping, that is why.
            Stage::Finishing { goodbye, .. } => goodbye,
            other @ (Stage::Closing { .. } | Stage::Over) => {
                self.stage = other;
                return;
            }
        };
        if !self.client_closed {
            self.end = End::new(goodbye.code, By::Server);
        }
        let until = Instant::now() + CLOSE_TIMEOUT;
        self.stage = Stage::Closing {
            goodbye: Some(goodbye),
            until,
        };
        self.mailbox.end_inbox();
        self.mailbox.end_outbox();
        self.rearm();
    }

    // any -> Over
    fn over(&mut self) {
        self.readable = false;
        self.stage = Stage::Over;
        self.mailbox.end_inbox();
        self.mailbox.end_outbox();
    }

    /// Takes what the handler wants to be written, or done: whatever it wants from now on wakes this
    /// task. Whether there is something to read for now: there is room, or an answer is waited for.
    fn rest(&mut self, cx: &Context<'_>) -> bool {
        let can_write = !self.blocked && !self.client_closed && self.leaving.is_empty();
        let Rest { ahead, more, close } = self.mailbox.rest(cx, can_write, &mut self.leaving);
        (self.ahead, self.more) = (ahead, more);
        let Some((code, reason)) = close else {
            return self.wants_room && !ahead.is_full();
        };
        self.close(code, reason);
        true
    }

    fn heed_time(&mut self, cx: &mut Context<'_>) -> bool {
        let mut again = false;
        while self.alarm.poll(cx).is_ready() {
            let now = Instant::now();
            match &mut self.stage {
                Stage::Finishing { until, .. } if *until <= now => {
                    debug!(id = self.visit.id(), "handler did not finish in time");
                    self.close(CloseCode::Away, Utf8Bytes::default());
                }
                Stage::Closing { until, .. } if *until <= now => self.over(),
                Stage::Open => match self.keep_alive.due(now) {
                    Some(Due::Ping) => again = true,
                    Some(Due::Lost) => {
                        debug!(id = self.visit.id(), "client did not answer a ping");
                        self.over();
                    }
                    Some(Due::Idle) => {
                        self.close(CloseCode::Away, Utf8Bytes::from_static("idle"));
                    }
                    None => {}
                },
                Stage::Finishing { .. } | Stage::Closing { .. } | Stage::Over => {}
            }
            again |= !matches!(self.stage, Stage::Open);
            self.rearm();
            if matches!(self.stage, Stage::Over) {
                break;
            }
        }
        again
    }

    /// Sets the alarm to whatever comes first now.
    fn rearm(&mut self) {
        let next = match &self.stage {
            Stage::Open => self.keep_alive.next_due(),
            Stage::Finishing { until, .. } | Stage::Closing { until, .. } => Some(*until),
            Stage::Over => None,
        };
        self.alarm.set(next);
    }
}

impl<T> Drop for Session<T> {
    fn drop(&mut self) {
        // Whoever still holds the connection or a sender learns that it has ended.
        self.mailbox.leave();
        if !self.end.is_lost() {
            // Its goodbye was said, though its time was over before it was answered.
            self.visit.closed(self.end);
        }
    }
}
