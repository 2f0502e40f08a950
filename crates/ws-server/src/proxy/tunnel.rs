//! Carries bytes between a client and the upstream once they have agreed on a WebSocket.
//!
//! Nothing is decoded. Frame headers are followed, so that it is known where a close frame can be
//! put in: when the server stops, or the upstream breaks off without one.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::frames::{Frames, Masked, Until, close_frame};
use crate::answer::linger;
use crate::drain::{Stop, Stopping};
use crate::lent::Lent;
use crate::listener::Transport;
use crate::metrics::By;
use crate::visit::{End, Visit};

/// How much may wait to be written until nothing more is read.
const WAITING: usize = 8 * 1024;

/// How long one side may take to end once the other has.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a client is told whose upstream broke off: that a service restarts, and to come again.
const UPSTREAM_LOST: u16 = 1012;

/// One direction: from a reader through a buffer to a writer.
struct Direction {
    buffer: BytesMut,
    frames: Frames,
    until: Until,
    /// How many bytes at the front of the buffer may be written.
    passable: usize,
    /// The close frame that is put in where the reader, or we, end without one.
    goodbye: Option<(u16, Masked)>,
    /// Nothing more is read.
    ended: bool,
    /// Everything is written and the writer is shut, or takes no more.
    shut: bool,
    /// It was the writer that ended first.
    writer_broke: bool,
    unflushed: bool,
}

impl Direction {
    fn new(read: BytesMut, goodbye: Option<(u16, Masked)>) -> Self {
        let mut direction = Self {
            buffer: read,
            frames: Frames::default(),
            until: Until::End,
            passable: 0,
            goodbye,
            ended: false,
            shut: false,
            writer_broke: false,
            unflushed: false,
        };
        direction.pass();
        direction
    }

    fn pass(&mut self) {
        let passed = self.frames.pass(&self.buffer[self.passable..], self.until);
        self.passable += passed.bytes;
        if passed.wanted == 0 {
            self.end();
        }
    }

    /// Passes on until then, and puts in a close frame.
    fn close(&mut self, code: u16, masked: Masked, until: Until) {
        self.goodbye = Some((code, masked));
        self.until = until;
        if !self.ended {
            self.pass();
        }
    }

    /// Reads nothing more, and says goodbye if there is room for that.
    fn end(&mut self) {
        self.ended = true;
        self.buffer.truncate(self.passable);
        if let Some((code, masked)) = self.goodbye
            && self.frames.is_between()
            && !self.frames.has_closed()
        {
            self.buffer.extend_from_slice(&close_frame(code, masked));
            self.passable = self.buffer.len();
        }
    }

    /// Moves what can be moved, until the reader has ended, all is written and the writer is shut,
    /// which it `may_shut`.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut (impl AsyncRead + ?Sized)>,
        writer: Pin<&mut (impl AsyncWrite + ?Sized)>,
        may_shut: bool,
    ) {
        if self.shut {
            return;
        }
        if let Poll::Ready(carried) = self.carry(cx, reader, writer, may_shut) {
            self.writer_broke = carried.is_err() && !self.ended;
            self.ended = true;
            self.shut = true;
        }
    }

    /// Ready when there is nothing more to carry, or nobody to take it.
    fn carry(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut (impl AsyncRead + ?Sized)>,
        mut writer: Pin<&mut (impl AsyncWrite + ?Sized)>,
        may_shut: bool,
    ) -> Poll<io::Result<()>> {
        loop {
            while self.passable > 0 {
                let written = writer
                    .as_mut()
                    .poll_write(cx, &self.buffer[..self.passable])?;
                let Poll::Ready(written) = written else { break };
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.buffer.advance(written);
                self.passable -= written;
                self.unflushed = true;
            }
            if self.ended && self.passable == 0 && may_shut {
                // Inside a frame there is no orderly end: see `drop`.
                return match self.frames.is_between() {
                    true => writer.as_mut().poll_shutdown(cx),
                    false => Poll::Ready(Ok(())),
                };
            }
            // What waits to be written holds up the reading: the slow side slows the other one.
            if self.ended || self.passable >= WAITING {
                return self.flush(cx, writer.as_mut());
            }
            if self.buffer.is_empty() {
                // One large frame must not cost its memory for as long as the connection lives.
                self.buffer = BytesMut::new();
            }
            match self.read(cx, reader.as_mut(), writer.as_mut())? {
                Poll::Ready(0) => self.end(),
                Poll::Ready(_) => {}
                Poll::Pending => return self.flush(cx, writer.as_mut()),
            }
        }
    }

    /// Pending, unless it fails: there is more to come, or to be written.
    fn flush(
        &mut self,
        cx: &mut Context<'_>,
        writer: Pin<&mut (impl AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<()>> {
        if self.unflushed && self.passable == 0 {
            ready!(writer.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Pending
    }

    /// How many bytes were read; 0 at the end, however it came. Fails where the writer does.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut (impl AsyncRead + ?Sized)>,
        writer: Pin<&mut (impl AsyncWrite + ?Sized)>,
    ) -> Poll<io::Result<usize>> {
        let mut lent = Lent::take();
        let mut came = ReadBuf::new(&mut lent);
        if ready!(reader.poll_read(cx, &mut came)).is_err() {
            return Poll::Ready(Ok(0));
        }
        let came = came.filled();
        if self.buffer.is_empty() {
            self.pass_straight(cx, came, writer)?;
        } else {
            self.buffer.extend_from_slice(came);
            self.pass();
        }
        Poll::Ready(Ok(came.len()))
    }

    /// Passes on what comes behind nothing that waits: only what the writer does not take is copied.
    fn pass_straight(
        &mut self,
        cx: &mut Context<'_>,
        came: &[u8],
        writer: Pin<&mut (impl AsyncWrite + ?Sized)>,
    ) -> io::Result<()> {
        let passed = self.frames.pass(came, self.until);
        let mut written = 0;
        if passed.bytes > 0
            && let Poll::Ready(taken) = writer.poll_write(cx, &came[..passed.bytes])?
        {
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            written = taken;
            self.unflushed = true;
        }
        self.buffer.extend_from_slice(&came[written..]);
        self.passable = passed.bytes - written;
        if passed.wanted == 0 {
            self.end();
        }
        Ok(())
    }
}

/// A client and its upstream, both behind their 101.
pub(crate) struct Tunnel<C: Transport, U> {
    client: C,
    upstream: U,
    /// From the client to the upstream.
    up: Direction,
    down: Direction,
    stopping: Option<Stopping>,
    /// Told to stop with this code, we wait for the upstream's goodbye.
    awaits_goodbye: Option<u16>,
    /// Until when one side may go on once the other has ended, or the upstream may work on what it
    /// was sent before the stop.
    patience: Option<Pin<Box<Sleep>>>,
    /// Who was the first to end, and how.
    end: Option<End>,
    /// Last, since whoever is registered may still have a socket.
    visit: Visit,
}

impl<C: Transport, U: AsyncRead + AsyncWrite + Unpin> Tunnel<C, U> {
    /// `from_client` and `from_upstream` were read behind the two heads.
    pub(crate) fn new(
        (client, from_client): (C, BytesMut),
        (upstream, from_upstream): (U, BytesMut),
        stopping: Stopping,
        visit: Visit,
    ) -> Self {
        Self {
            client,
            upstream,
            up: Direction::new(from_client, None),
            down: Direction::new(from_upstream, Some((UPSTREAM_LOST, Masked::No))),
            stopping: Some(stopping),
            awaits_goodbye: None,
            patience: None,
            end: None,
            visit,
        }
    }

    /// Carries until both sides have ended, or one has and the other does not follow in time.
    pub(crate) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        self.tell_end();
        if !self.is_cut() {
            // What the client still sends must not destroy the close frame on its way.
            linger(&mut self.client).await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(stopping) = &mut self.stopping
            && let Poll::Ready(stop) = stopping.poll(cx)
        {
            self.stopping = None;
            // What had come before counts as accepted.
            self.carry(cx);
            self.stop(stop);
        }
        loop {
            self.carry(cx);
            if self.up.shut && self.down.shut {
                return Poll::Ready(());
            }
            if !self.up.ended && !self.down.ended && self.patience.is_none() {
                return Poll::Pending;
            }
            let patience = self
                .patience
                .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + CLOSE_TIMEOUT)));
            ready!(patience.as_mut().poll(cx));
            let Some(code) = self.awaits_goodbye.take() else {
                return Poll::Ready(());
            };
            // The client is told without the upstream.
            self.up.close(code, Masked::Yes, Until::Boundary);
            self.down.close(code, Masked::No, Until::Boundary);
            patience.as_mut().reset(Instant::now() + CLOSE_TIMEOUT);
        }
    }

    fn carry(&mut self, cx: &mut Context<'_>) {
        let Self {
            client, upstream, ..
        } = self;
        let (mut client, mut upstream) = (Pin::new(client), Pin::new(upstream));
        self.down.poll(cx, upstream.as_mut(), client.as_mut(), true);
        // To many servers the end of the stream is the end of everything: they would finish nothing.
        let may_shut = self.awaits_goodbye.is_none() || self.down.ended;
        self.up.poll(cx, client, upstream, may_shut);
        let (received, sent) = (self.up.frames.passed(), self.down.frames.passed());
        self.visit.carried(received, sent);
        self.end = self.end.or_else(|| self.first_end());
    }

    /// Who says goodbye, or breaks off, if nobody has before.
    fn first_end(&self) -> Option<End> {
        let (up, down) = (&self.up, &self.down);
        if let Some(code) = up.frames.close_code() {
            return Some(End::new(code, By::Client));
        }
        if let Some(code) = down.frames.close_code() {
            return Some(End::new(code, By::Upstream));
        }
        if !up.ended && !down.ended {
            return None;
        }
        let client_broke_off = (up.ended && !up.writer_broke) || down.writer_broke;
        Some(if client_broke_off {
            End::lost(By::Client)
        } else if down.ended && !down.frames.is_between() {
            // Inside a frame nothing can be put in.
            End::lost(By::Upstream)
        } else {
            // Which the client is told by a close frame of ours.
            End::new(UPSTREAM_LOST, By::Upstream)
        })
    }

    /// Says goodbye to the upstream. What it still says is passed on up to its own goodbye, for
    /// which the client gets ours: servers answer with codes of their own.
    fn stop(&mut self, Stop { code, work_until }: Stop) {
        let code = code.into();
        self.awaits_goodbye = Some(code);
        self.patience = Some(Box::pin(sleep_until(work_until)));
        // Where one side has said goodbye already, the other one is about to answer.
        if !self.up.frames.has_closed() && !self.down.frames.has_closed() {
            self.end.get_or_insert(End::new(code, By::Server));
            self.up.close(code, Masked::Yes, Until::Boundary);
            self.down.close(code, Masked::No, Until::Close);
        }
    }
}

impl<C: Transport, U> Tunnel<C, U> {
    /// Tells how it ended, once.
    fn tell_end(&mut self) {
        if let Some(end) = self.end {
            self.visit.closed(end);
        }
    }

    /// Whether the client has got a part of a frame, or of what was meant for it.
    fn is_cut(&self) -> bool {
        self.down.passable > 0 || !self.down.frames.is_between()
    }
}

/// Here, since a tunnel is also dropped: when the time of a drain is over.
impl<C: Transport, U> Drop for Tunnel<C, U> {
    fn drop(&mut self) {
        self.tell_end();
        if self.is_cut() {
            // The rest is missing, and no close frame can take its place: the client must not take
            // what it has for whole.
            self.client.reset_on_drop();
        }
    }
}

#[cfg(test)]
mod tests;
