//! A connection in memory that behaves like TCP where it matters: windows, segments, FIN, RST, and
//! an answer destroyed by a close over unread bytes.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_server::Transport;

use super::story::{Moment, Story};

/// How a connection behaves, both ways.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nature {
    /// How many bytes may be on their way.
    pub(super) window: usize,
    /// How many of them one read gives at most.
    pub(super) segment: usize,
    /// In how many of a hundred cases whoever is on the server's side is told to look again before it
    /// gets anything done: so tasks overtake one another in every order, without any time passing.
    pub(super) hesitation: u8,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// Nothing more will be written.
    fin: bool,
    /// How many bytes were written, and read, so far.
    written: u64,
    read: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
    first_byte: Option<Moment>,
    /// How far somebody wants to know when the reader has come.
    marks: VecDeque<u64>,
    reached: Vec<Moment>,
}

impl Pipe {
    fn wake(&mut self) {
        let both = [self.reader.take(), self.writer.take()];
        both.into_iter().flatten().for_each(Waker::wake);
    }
}

struct Link {
    /// Written by the first end, and by the second.
    pipes: [Pipe; 2],
    /// The end has been closed: what is sent to it is answered with a reset.
    closed: [bool; 2],
    /// The end has been told of a reset.
    reset: [bool; 2],
    nature: Nature,
    dice: fastrand::Rng,
    story: Story,
}

/// One end of a connection. Dropped, it is closed as the system does it for a process: with a FIN, or
/// with a reset where bytes were left unread.
pub(super) struct End {
    link: Arc<Mutex<Link>>,
    me: usize,
    hesitates: bool,
    resets_on_drop: bool,
}

/// A connection: the end of whoever connects, and that of whoever accepts. `of_server` says which of
/// them hesitates.
pub(super) fn link(nature: Nature, seed: u64, story: &Story, of_server: usize) -> [End; 2] {
    let link = Arc::new(Mutex::new(Link {
        pipes: Default::default(),
        closed: [false; 2],
        reset: [false; 2],
        nature,
        dice: fastrand::Rng::with_seed(seed),
        story: story.clone(),
    }));
    [0, 1].map(|me| End {
        link: Arc::clone(&link),
        me,
        hesitates: me == of_server,
        resets_on_drop: false,
    })
}

impl Link {
    fn hesitates(&mut self, cx: &Context<'_>) -> bool {
        let hesitates = self.dice.u8(0..100) < self.nature.hesitation;
        if hesitates {
            cx.waker().wake_by_ref();
        }
        hesitates
    }

    /// The other end learns that `me` is gone; what it has not read yet is lost to it.
    fn reset_by(&mut self, me: usize) {
        let other = 1 - me;
        self.reset[other] = true;
        self.pipes[me].bytes.clear();
        self.pipes.iter_mut().for_each(Pipe::wake);
    }

    fn close(&mut self, me: usize, with_reset: bool) {
        if std::mem::replace(&mut self.closed[me], true) || self.reset[me] {
            return;
        }
        let unread = !self.pipes[1 - me].bytes.is_empty();
        if with_reset || unread {
            self.reset_by(me);
        }
        self.pipes[me].fin = true;
        self.pipes.iter_mut().for_each(Pipe::wake);
    }

    fn poll_read(&mut self, me: usize, cx: &Context<'_>, most: usize) -> Poll<io::Result<Vec<u8>>> {
        if self.reset[me] {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = most.min(self.nature.segment);
        let pipe = &mut self.pipes[1 - me];
        if pipe.bytes.is_empty() && !pipe.fin {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = most.min(pipe.bytes.len());
        let bytes = pipe.bytes.drain(..taken).collect();
        pipe.read += taken as u64;
        while pipe.marks.front().is_some_and(|&mark| mark <= pipe.read) {
            pipe.marks.pop_front();
            pipe.reached.push(self.story.moment());
        }
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(bytes))
    }

    fn poll_write(&mut self, me: usize, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.reset[me] || self.pipes[me].fin {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.closed[1 - me] {
            // It goes out, and a reset comes back.
            self.reset_by(1 - me);
            return Poll::Ready(Ok(bytes.len()));
        }
        let pipe = &mut self.pipes[me];
        let taken = bytes
            .len()
            .min(self.nature.window.saturating_sub(pipe.bytes.len()));
        if taken == 0 && !bytes.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.bytes.extend(&bytes[..taken]);
        pipe.written += taken as u64;
        pipe.first_byte.get_or_insert_with(|| self.story.moment());
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(taken))
    }
}

impl End {
    /// Ends the sending side.
    pub(super) fn shut(&self) {
        let mut link = self.link.lock();
        link.pipes[self.me].fin = true;
        link.pipes[self.me].wake();
    }

    /// Closes both sides, in the way that was asked for.
    pub(super) fn close(&self, with_reset: bool) {
        self.link.lock().close(self.me, with_reset);
    }

    /// When the other end has read so many bytes of ours is to be noted.
    pub(super) fn mark(&self, bytes: u64) {
        self.link.lock().pipes[self.me].marks.push_back(bytes);
    }

    /// When the marks were reached, in their order.
    pub(super) fn reached(&self) -> Vec<Moment> {
        self.link.lock().pipes[self.me].reached.clone()
    }

    /// When the other end wrote its first byte.
    pub(super) fn first_answer(&self) -> Option<Moment> {
        self.link.lock().pipes[1 - self.me].first_byte
    }

    fn hesitates(&self, link: &mut Link, cx: &Context<'_>) -> bool {
        self.hesitates && link.hesitates(cx)
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_into(cx, buffer)
    }
}

impl End {
    pub(super) fn poll_read_into(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut link = self.link.lock();
        if self.hesitates(&mut link, cx) {
            return Poll::Pending;
        }
        let came = link.poll_read(self.me, cx, buffer.remaining());
        came.map_ok(|bytes| buffer.put_slice(&bytes))
    }

    pub(super) fn poll_write_from(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut link = self.link.lock();
        if self.hesitates(&mut link, cx) {
            return Poll::Pending;
        }
        link.poll_write(self.me, cx, bytes)
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_from(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut();
        Poll::Ready(Ok(()))
    }
}

impl Transport for End {
    fn peer_has_left(&self) -> bool {
        let link = self.link.lock();
        link.reset[self.me] || link.pipes[1 - self.me].fin
    }

    fn reset_on_drop(&mut self) {
        self.resets_on_drop = true;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close(self.resets_on_drop);
    }
}
