//! Frames that wait to be written.
//!
//! They are put one behind the other into a buffer that is the thread's, as long as the client takes
//! all of it at once; only of one who does not is a copy kept. A large payload at the end of them is
//! not copied at all.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use crate::frame::put_header;
use crate::listener::Transport;

/// From how many bytes on what waits is written without waiting for more.
pub(crate) const WRITE_BATCH: usize = 64 * 1024;

/// From which size on a second place in the system call costs less than a copy of the payload.
const LARGE: usize = 4 * 1024;

/// The largest buffer that a thread keeps: a batch, and a message that goes beyond.
const SHARED_MAX: usize = 4 * WRITE_BATCH;

thread_local! {
    /// Lent to the connection that is writing.
    static SHARED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[derive(Default)]
pub(super) struct Outgoing {
    buffer: Vec<u8>,
    /// The buffer is the thread's.
    is_lent: bool,
    /// How much of the buffer is.
    written: usize,
    /// The payload of the last frame, where it is large: behind the buffer.
    last: Bytes,
}

impl Outgoing {
    /// Appends a whole message.
    pub(super) fn push(&mut self, kind: Data, payload: Bytes) {
        let buffer = self.open();
        put_header(kind, payload.len(), buffer);
        if payload.len() < LARGE {
            buffer.extend_from_slice(&payload);
        } else {
            self.last = payload;
        }
    }

    /// Appends frames that the codec has made.
    pub(super) fn put(&mut self, frames: &[u8]) {
        self.open().extend_from_slice(frames);
    }

    /// The buffer, behind whose end nothing else comes.
    fn open(&mut self) -> &mut Vec<u8> {
        if self.buffer.is_empty() && !self.is_lent {
            self.buffer = SHARED.take();
            self.is_lent = true;
        }
        if !self.last.is_empty() {
            self.buffer
                .extend_from_slice(&std::mem::take(&mut self.last));
        }
        &mut self.buffer
    }

    fn is_empty(&self) -> bool {
        self.written == self.buffer.len() && self.last.is_empty()
    }

    /// What is kept here for this connection alone.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether so much waits that it is to be written before more is put behind it.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() - self.written + self.last.len() > WRITE_BATCH
    }

    /// Resolves when the stream has taken everything.
    ///
    /// Cancel safe: what it has not taken stays.
    pub(super) fn poll_write<T: Transport>(
        &mut self,
        stream: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(stream);
        while !self.is_empty() {
            let waiting = &self.buffer[self.written..];
            let polled = if self.last.is_empty() {
                stream.as_mut().poll_write(cx, waiting)
            } else {
                let both = [IoSlice::new(waiting), IoSlice::new(&self.last)];
                stream.as_mut().poll_write_vectored(cx, &both)
            };
            let Poll::Ready(taken) = polled else {
                self.keep();
                return Poll::Pending;
            };
            let taken = taken?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_buffer = taken.min(waiting.len());
            self.written += of_buffer;
            self.last.advance(taken - of_buffer);
        }
        self.give_back();
        stream.poll_flush(cx)
    }

    /// Keeps what waits in memory of its own, and nothing of what is written.
    fn keep(&mut self) {
        if self.is_lent {
            let waiting = self.buffer.split_off(self.written);
            let last = std::mem::take(&mut self.last);
            self.give_back();
            (self.buffer, self.last) = (waiting, last);
        } else if self.written >= self.buffer.len() / 2 {
            self.buffer.drain(..std::mem::take(&mut self.written));
        }
    }

    fn give_back(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.written = 0;
        // Empty, it would still keep the whole payload.
        self.last = Bytes::new();
        if std::mem::take(&mut self.is_lent) && buffer.capacity() <= SHARED_MAX {
            buffer.clear();
            SHARED.set(buffer);
        }
    }
}
