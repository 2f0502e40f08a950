//! A WebSocket whose handshake is complete: tungstenite speaks the protocol, and what it reads and
//! writes goes through here.
//!
//! tungstenite is given what `intake.rs` has read, and what is to be written waits in `outgoing.rs`
//! until it is flushed: neither waits for anything, so the codec never does.

mod intake;
mod outgoing;

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use self::intake::Intake;
use self::outgoing::Outgoing;
pub(crate) use self::outgoing::WRITE_BATCH;
use crate::listener::Transport;
use crate::settings::LimitSettings;

/// What the codec takes at a time from what was read, into a buffer that stays resident for as long
/// as a connection lives.
const CODEC_BUFFER: usize = 1024;

/// From which size on a message leaves the codec with a buffer that is not worth keeping.
const LARGE: usize = 16 * 1024;

pub(crate) struct Socket<T> {
    codec: WebSocketContext,
    stream: T,
    intake: Intake,
    outgoing: Outgoing,
    /// How many bytes the codec has got and, as far as is known, not made frames of: at least as many
    /// as it really has.
    in_codec: usize,
    /// There is nothing more to be read: the close handshake is over, or the connection is broken.
    ended: bool,
}

impl<T: Transport> Socket<T> {
    /// `early` was read from the stream behind the request.
    pub(crate) fn new(stream: T, early: Bytes, limits: &LimitSettings) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(CODEC_BUFFER)
            .max_message_size(Some(limits.max_message_size))
            .max_frame_size(Some(limits.max_frame_size));
        Self {
            codec: WebSocketContext::new(Role::Server, Some(config)),
            stream,
            intake: Intake::new(early),
            outgoing: Outgoing::default(),
            in_codec: 0,
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
        if self.in_codec == 0 && self.intake.is_empty() && self.codec.can_read() {
            // To ask the stream costs a fraction of asking the codec, which would ask it, too.
            ready!(self.intake.poll_fill(&mut self.stream, cx));
        }
        match self.with_codec(cx, |codec, now| codec.read(now)) {
            Ok(frame) => {
                self.in_codec = self.in_codec.saturating_sub(length_at_least(&frame));
                if frame.len() > LARGE && self.in_codec == 0 && self.codec.can_write() {
                    // Its buffer has grown to that size, and there is nothing in it.
                    self.with_codec(cx, |codec, now| codec.flush(now))?;
                    self.codec =
                        WebSocketContext::new(Role::Server, Some(*self.codec.get_config()));
                }
                Poll::Ready(Some(Ok(frame)))
            }
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
        match self.with_codec(cx, |codec, now| codec.flush(now)) {
            // With the last there is to say.
            Ok(()) | Err(Error::ConnectionClosed) => {}
            Err(error) => return Poll::Ready(Err(error)),
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
        let mut now = Now {
            stream: &mut self.stream,
            intake: &mut self.intake,
            outgoing: &mut self.outgoing,
            in_codec: &mut self.in_codec,
            cx,
        };
        run(&mut self.codec, &mut now)
    }
}

/// With how many bytes a client can send this, at the least.
fn length_at_least(frame: &Frame) -> usize {
    const MASK: usize = 4;
    let payload = frame.len();
    let header = match payload {
        ..126 => 2,
        126..65_536 => 4,
        _ => 10,
    };
    header + MASK + payload
}

/// What there is to read and to write now, as the codec wants it: what would have to be waited for is
/// an error to it.
struct Now<'a, 'cx, T> {
    stream: &'a mut T,
    intake: &'a mut Intake,
    outgoing: &'a mut Outgoing,
    in_codec: &'a mut usize,
    cx: &'a mut Context<'cx>,
}

impl<T: Transport> Read for Now<'_, '_, T> {
    fn read(&mut self, asked: &mut [u8]) -> io::Result<usize> {
        if self.intake.is_empty() && self.intake.poll_fill(self.stream, self.cx).is_pending() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let given = self.intake.give(asked)?;
        *self.in_codec += given;
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
