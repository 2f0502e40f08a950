//! What was read from a client and not decoded yet.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;

use crate::lent::Lent;
use crate::listener::Transport;

/// How often one connection reads until others have their turn: 256 KiB.
const READS: u32 = 4;

pub(super) struct Intake {
    /// From before the buffer was lent, and given first.
    kept: Bytes,
    lent: Option<Lent>,
    /// What of the lent buffer is still to be given.
    rest: Range<usize>,
    /// The end of the stream, or its fault, behind all that came before.
    end: Option<io::Result<usize>>,
    /// How often it has been read since the last pause.
    reads: u32,
}

impl Intake {
    pub(super) fn new(kept: Bytes) -> Self {
        Self {
            kept,
            lent: None,
            rest: 0..0,
            end: None,
            reads: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.rest.is_empty() && self.end.is_none()
    }

    /// Reads what has come. Called where there is nothing left to give.
    pub(super) fn poll_fill<T: Transport>(
        &mut self,
        stream: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.reads == READS {
            // It is asked again once the others were.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.reads += 1;
        let mut came = ReadBuf::new(self.lent.get_or_insert_with(Lent::take));
        let Poll::Ready(read) = Pin::new(stream).poll_read(cx, &mut came) else {
            self.leave();
            return Poll::Pending;
        };
        self.rest = 0..came.filled().len();
        if self.rest.is_empty() {
            self.end = Some(read.map(|()| 0));
            self.leave();
        }
        Poll::Ready(())
    }

    /// The next bytes: as many as are there in one piece.
    pub(super) fn front(&self) -> &[u8] {
        match &self.lent {
            _ if !self.kept.is_empty() => &self.kept,
            Some(buffer) => &buffer[self.rest.clone()],
            None => &[],
        }
    }

    /// So many of the [front](Self::front) are given.
    pub(super) fn advance(&mut self, given: usize) {
        if self.kept.is_empty() {
            self.rest.start += given;
        } else {
            self.kept.advance(given);
            if self.kept.is_empty() {
                // Its memory goes with it.
                self.kept = Bytes::new();
            }
        }
    }

    /// How the stream ended, behind all that came: with nothing more, or a fault. Told once.
    pub(super) fn end(&mut self) -> io::Result<usize> {
        self.end.take().unwrap_or(Ok(0))
    }

    /// Pauses: the buffer is given back, and what is left in it kept.
    pub(super) fn pause(&mut self) {
        self.leave();
        self.reads = 0;
    }

    fn leave(&mut self) {
        if let Some(buffer) = self.lent.take() {
            self.kept = Bytes::copy_from_slice(&buffer[std::mem::take(&mut self.rest)]);
        }
    }
}
