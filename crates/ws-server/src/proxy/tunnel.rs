//! Carries bytes between a client and the upstream once they have agreed on a WebSocket.
//!
//! Nothing is decoded. Frame headers are followed, so that it is known where a close frame can be
//! put in when the server stops or one side breaks off without one.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::frames::{Frames, Masked, close_frame};
use crate::answer::linger;
use crate::drain::{Stop, Stopping};
use crate::listener::Transport;

/// How much is read at once. One system call for a frame of usual size, and little to keep for a
/// connection that is idle.
const READ_SIZE: usize = 8 * 1024;

/// How long one side may take to end once the other has.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a client is told whose upstream broke off: that a service restarts, and to come again.
const UPSTREAM_LOST: u16 = 1012;

/// One direction: from a reader through a buffer to a writer.
struct Direction {
    buffer: BytesMut,
    frames: Frames,
    /// How many bytes at the front of the buffer may be written.
    passable: usize,
    /// How many bytes the buffer needs before more may be.
    wanted: usize,
    /// The reader has ended, or is not listened to any more.
    ended: bool,
    shut: bool,
    unflushed: bool,
    /// The close frame that is put in for a reader that ends without one.
    instead: Option<(u16, Masked)>,
}

impl Direction {
    fn new(read: BytesMut, instead: Option<(u16, Masked)>) -> Self {
        let mut direction = Self {
            buffer: read,
            frames: Frames::default(),
            passable: 0,
            wanted: 1,
            ended: false,
            shut: false,
            unflushed: false,
            instead,
        };
        direction.pass();
        direction
    }

    fn pass(&mut self) {
        let passed = self.frames.pass(&self.buffer[self.passable..]);
        self.passable += passed.bytes;
        self.wanted = self.passable + passed.wanted;
    }

    /// Ends the direction with a close frame, if there is still room for one.
    fn close(&mut self, code: u16, masked: Masked) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.buffer.truncate(self.passable);
        if self.frames.is_between() && !self.frames.has_closed() {
            self.buffer.extend_from_slice(&close_frame(code, masked));
            self.pass();
        }
    }

    /// Moves what can be moved, until the reader has ended, all is written and the writer is shut.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut (impl AsyncRead + ?Sized)>,
        writer: Pin<&mut (impl AsyncWrite + ?Sized)>,
    ) {
        if !self.shut && self.carry(cx, reader, writer).is_ready() {
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
                self.wanted -= written;
                self.unflushed = true;
            }
            if self.ended {
                if self.passable > 0 {
                    return Poll::Pending;
                }
                return writer.as_mut().poll_shutdown(cx);
            }
            // What waits to be written holds up the reading: the slow side slows the other one.
            if self.passable >= READ_SIZE {
                return Poll::Pending;
            }
            let missing = self.wanted.saturating_sub(self.buffer.len());
            self.buffer.reserve(missing.max(READ_SIZE));
            match self.read(cx, reader.as_mut()) {
                Poll::Ready(0) => match self.instead {
                    Some((code, masked)) => self.close(code, masked),
                    None => {
                        self.ended = true;
                        self.buffer.truncate(self.passable);
                    }
                },
                Poll::Ready(_) => self.pass(),
                Poll::Pending => {
                    if self.unflushed && self.passable == 0 {
                        ready!(writer.as_mut().poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// How many bytes were read; 0 at the end, however it came.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut (impl AsyncRead + ?Sized)>,
    ) -> Poll<usize> {
        // On the stack, so that a connection without traffic keeps no buffer.
        let mut chunk = [0; READ_SIZE];
        let mut chunk = ReadBuf::new(&mut chunk);
        Poll::Ready(match ready!(reader.poll_read(cx, &mut chunk)) {
            Ok(()) => {
                self.buffer.extend_from_slice(chunk.filled());
                chunk.filled().len()
            }
            Err(_) => 0,
        })
    }
}

/// A client and its upstream, both behind their 101.
pub(crate) struct Tunnel<C, U> {
    client: C,
    upstream: U,
    /// From the client to the upstream.
    up: Direction,
    down: Direction,
    stopping: Option<Stopping>,
    /// Runs from the end of one direction, or from the stop, to that of the other.
    over_at: Option<Pin<Box<Sleep>>>,
}

impl<C: Transport, U: AsyncRead + AsyncWrite + Unpin> Tunnel<C, U> {
    /// `from_client` and `from_upstream` were read behind the two heads.
    pub(crate) fn new(
        (client, from_client): (C, BytesMut),
        (upstream, from_upstream): (U, BytesMut),
        stopping: Stopping,
    ) -> Self {
        Self {
            client,
            upstream,
            up: Direction::new(from_client, None),
            down: Direction::new(from_upstream, Some((UPSTREAM_LOST, Masked::No))),
            stopping: Some(stopping),
            over_at: None,
        }
    }

    /// Carries until both sides have ended, or one has and the other does not follow in time.
    pub(crate) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        // What the client still sends must not destroy the close frame on its way.
        linger(&mut self.client).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(stopping) = &mut self.stopping
            && let Poll::Ready(Stop { code, .. }) = stopping.poll(cx)
        {
            self.stopping = None;
            self.up.close(code.into(), Masked::Yes);
            self.down.close(code.into(), Masked::No);
        }
        let Self {
            client, upstream, ..
        } = self;
        self.up.poll(cx, Pin::new(client), Pin::new(upstream));
        self.down.poll(cx, Pin::new(upstream), Pin::new(client));
        if self.up.shut && self.down.shut {
            return Poll::Ready(());
        }
        if self.up.ended || self.down.ended {
            let over_at = || Box::pin(sleep_until(Instant::now() + CLOSE_TIMEOUT));
            ready!(self.over_at.get_or_insert_with(over_at).as_mut().poll(cx));
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
