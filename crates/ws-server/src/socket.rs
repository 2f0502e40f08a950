//! A WebSocket whose handshake is complete: messages that come whole are read here, and all are written
//! here; whatever else the protocol has is tungstenite's.
//!
//! ```text
//! stream ─► intake ─┬─ a whole message in one frame ──────────────────────┬─► message
//!                   └─ anything else ─► course, to its end ─► tungstenite ┘
//! stream ◄─ outgoing ◄─┬─ messages
//!                      └─ control frames ◄─ tungstenite
//! ```
//!
//! Neither intake nor outgoing waits for anything, so the codec never does.

mod course;
mod intake;
mod outgoing;
mod whole;

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use self::course::Course;
use self::intake::Intake;
use self::outgoing::Outgoing;
pub(crate) use self::outgoing::WRITE_BATCH;
use self::whole::whole_message;
use crate::listener::Transport;
use crate::settings::LimitSettings;

/// What the codec takes at a time from what was read.
const CODEC_BUFFER: usize = 1024;

pub(crate) struct Socket<T> {
    /// Only while it knows something: what came of a message or a frame, that one side has said goodbye, or
    /// that the client broke the protocol.
    codec: Option<Box<WebSocketContext>>,
    stream: T,
    intake: Intake,
    outgoing: Outgoing,
    /// How far the codec has been given what was read.
    course: Course,
    max_message_size: usize,
    max_frame_size: usize,
    /// There is nothing more to be read: the close handshake is over, or the connection is broken.
    ended: bool,
}

impl<T: Transport> Socket<T> {
    /// `early` was read from the stream behind the request.
    pub(crate) fn new(stream: T, early: Bytes, limits: &LimitSettings) -> Self {
        Self {
            codec: None,
            stream,
            intake: Intake::new(early),
            outgoing: Outgoing::default(),
            course: Course::default(),
            max_message_size: limits.max_message_size,
            max_frame_size: limits.max_frame_size,
            ended: false,
        }
    }

    pub(crate) fn stream(&self) -> &T {
        &self.stream
    }

    pub(crate) fn stream_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// The next frame. Pings and the client's close are given out as well, and the answers to them
    /// wait to be flushed; `None` once the close handshake is over and its last frame is written, and
    /// behind any error.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        if self.ended {
            return self.poll_end(cx);
        }
        let can_read = self.codec.as_ref().is_none_or(|codec| codec.can_read());
        if can_read && self.course.is_between_frames() {
            if self.intake.is_empty() {
                // To ask the stream costs a fraction of asking the codec, which would ask it, too.
                ready!(self.intake.poll_fill(&mut self.stream, cx));
            }
            let largest = self.max_message_size.min(self.max_frame_size);
            if self.course.is_between_messages()
                && let Some((message, length)) = whole_message(self.intake.front(), largest)
            {
                self.intake.advance(length);
                return Poll::Ready(Some(Ok(message)));
            }
        }
        match self.with_codec(cx, |codec, now| codec.read(now)) {
            Ok(frame) => Poll::Ready(Some(Ok(without_buffer(frame)))),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                self.ended = true;
                self.poll_end(cx)
            }
            Err(error) => {
                self.ended = true;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        // If that fails, there is nobody left to be told.
        let _ = ready!(self.outgoing.poll_write(&mut self.stream, cx));
        Poll::Ready(None)
    }

    /// Stops reading, though more may have come than was asked for: that is kept.
    pub(crate) fn stop_reading(&mut self) {
        self.intake.pause();
    }

    /// Resolves when a frame may be sent: no whole batch waits to be written.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.outgoing.is_full() {
            ready!(self.outgoing.poll_write(&mut self.stream, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Puts a frame behind those that wait to be flushed.
    ///
    /// A close frame is an error where the client has said goodbye first.
    pub(crate) fn send(&mut self, frame: Frame) -> Result<(), Error> {
        match frame {
            Frame::Text(text) => self.outgoing.push(Data::Text, text.into()),
            Frame::Binary(bytes) => self.outgoing.push(Data::Binary, bytes),
            // The codec has to know.
            control => {
                let mut nothing = Context::from_waker(Waker::noop());
                self.with_codec(&mut nothing, |codec, now| {
                    // A pong that is due comes before a close.
                    codec.flush(now)?;
                    codec.write(now, control)?;
                    codec.flush(now)
                })?;
            }
        }
        Ok(())
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.codec.is_some() {
            match self.with_codec(cx, |codec, now| codec.flush(now)) {
                // With the last there is to say.
                Ok(()) | Err(Error::ConnectionClosed) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let written = ready!(self.outgoing.poll_write(&mut self.stream, cx));
        Poll::Ready(written.map_err(Error::from))
    }

    /// Cancel safe: no frame is lost.
    pub(crate) async fn next(&mut self) -> Option<Result<Frame, Error>> {
        poll_fn(|cx| {
            let next = self.poll_next(cx);
            self.stop_reading();
            next
        })
        .await
    }

    /// Sends a frame once there is room for it.
    pub(crate) async fn feed(&mut self, frame: Frame) -> Result<(), Error> {
        poll_fn(|cx| self.poll_ready(cx)).await?;
        self.send(frame)
    }

    /// Cancel safe: what is not written stays to be flushed.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    fn with_codec<R>(
        &mut self,
        cx: &mut Context<'_>,
        run: impl FnOnce(&mut WebSocketContext, &mut Now<'_, '_, T>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let codec = self.codec.get_or_insert_with(|| {
            let config = WebSocketConfig::default()
                .read_buffer_size(CODEC_BUFFER)
                .max_message_size(Some(self.max_message_size))
                .max_frame_size(Some(self.max_frame_size));
            WebSocketContext::new(Role::Server, Some(config)).into()
        });
        let mut now = Now {
            stream: &mut self.stream,
            intake: &mut self.intake,
            outgoing: &mut self.outgoing,
            course: &mut self.course,
            cx,
        };
        let done = run(codec, &mut now)?;
        if now.course.is_between_messages() && codec.can_write() {
            // But for the answers that are due it is as a new one would be.
            codec.flush(&mut now)?;
            self.codec = None;
        }
        Ok(done)
    }
}

/// The codec gives out its buffer with the message that lies in it: a small one is copied, so that whoever
/// keeps it does not keep more than it.
fn without_buffer(frame: Frame) -> Frame {
    match frame {
        Frame::Text(text) if text.len() < CODEC_BUFFER => Frame::text(text.as_str()),
        Frame::Binary(bytes) if bytes.len() < CODEC_BUFFER => {
            Frame::Binary(Bytes::copy_from_slice(&bytes))
        }
        other => other,
    }
}

/// What there is to read and to write now, as the codec wants it: what would have to be waited for is
/// an error to it. Of what is read it gets one frame at a time.
struct Now<'a, 'cx, T> {
    stream: &'a mut T,
    intake: &'a mut Intake,
    outgoing: &'a mut Outgoing,
    course: &'a mut Course,
    cx: &'a mut Context<'cx>,
}

impl<T: Transport> Read for Now<'_, '_, T> {
    fn read(&mut self, asked: &mut [u8]) -> io::Result<usize> {
        if self.intake.is_empty() && self.intake.poll_fill(self.stream, self.cx).is_pending() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let front = self.intake.front();
        if front.is_empty() {
            return self.intake.end();
        }
        let possible = front.len().min(asked.len());
        let given = self.course.follow(&front[..possible]);
        asked[..given].copy_from_slice(&front[..given]);
        self.intake.advance(given);
        Ok(given)
    }
}

impl<T> Write for Now<'_, '_, T> {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        self.outgoing.put(frames);
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
