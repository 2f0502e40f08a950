//! A WebSocket whose handshake is complete: tungstenite speaks the protocol, and what it reads and
//! writes goes through here.
//!
//! As much as has come is read with one system call, into a buffer that all connections of a thread
//! share: so an idle connection keeps none, and a burst of messages costs one call.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use crate::listener::Transport;
use crate::settings::LimitSettings;

/// How much is read at once: a message of 16 KiB with its header, or several hundred small ones. Also
/// how much of one connection may lie here that the codec has not asked for.
const READ_AT_ONCE: usize = 32 * 1024;

/// What the codec takes from that at a time, into a buffer that stays resident for as long as a
/// connection lives.
const CODEC_BUFFER: usize = 1024;

/// From how many bytes on a batch is written without waiting for its end.
pub(crate) const WRITE_BATCH: usize = 64 * 1024;

thread_local! {
    static SHARED: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_AT_ONCE].into());
}

pub(crate) struct Socket<T> {
    codec: WebSocketContext,
    stream: T,
    /// What was read and the codec has not asked for.
    ahead: Bytes,
    /// The codec has something to write that the stream did not take.
    blocked: bool,
    /// There is nothing more to be read: the close handshake is over, or the connection is broken.
    ended: bool,
}

impl<T: Transport> Socket<T> {
    /// `early` was read from the stream behind the request.
    pub(crate) fn new(stream: T, early: Bytes, limits: &LimitSettings) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(CODEC_BUFFER)
            .write_buffer_size(WRITE_BATCH)
            .max_message_size(Some(limits.max_message_size))
            .max_frame_size(Some(limits.max_frame_size));
        Self {
            codec: WebSocketContext::new(Role::Server, Some(config)),
            stream,
            ahead: early,
            blocked: false,
            ended: false,
        }
    }

    pub(crate) fn stream(&self) -> &T {
        &self.stream
    }

    pub(crate) fn stream_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// The next frame; `None` once the close handshake is over, and behind any error. Pings and the
    /// client's close are given out as well; the answers to them wait to be flushed.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let read = ready!(self.with_codec(cx, |codec, io| codec.read(io)));
        self.ended = read.is_err();
        Poll::Ready(match read {
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => None,
            read => Some(read),
        })
    }

    /// Whether a frame may be sent: those before it have been taken by the stream, or wait in a batch.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.blocked {
            return self.poll_flush(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Puts a frame behind those that wait to be flushed, of which a whole batch is written at once.
    pub(crate) fn send(&mut self, cx: &mut Context<'_>, frame: Frame) -> Result<(), Error> {
        let sent = self.with_codec(cx, |codec, io| codec.write(io, frame));
        self.blocked = sent.is_pending();
        match sent {
            Poll::Ready(sent) => sent,
            // It is kept.
            Poll::Pending => Ok(()),
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let flushed = ready!(self.with_codec(cx, |codec, io| codec.flush(io)));
        self.blocked = false;
        Poll::Ready(match flushed {
            // What was flushed was the last there is to say.
            Err(Error::ConnectionClosed) => Ok(()),
            flushed => flushed,
        })
    }

    /// Sends a frame once there is room for it.
    pub(crate) async fn feed(&mut self, frame: Frame) -> Result<(), Error> {
        let mut frame = Some(frame);
        poll_fn(|cx| {
            ready!(self.poll_ready(cx))?;
            Poll::Ready(frame.take().map_or(Ok(()), |frame| self.send(cx, frame)))
        })
        .await
    }

    /// Cancel safe: no frame is lost.
    pub(crate) async fn next(&mut self) -> Option<Result<Frame, Error>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Cancel safe: what is not written stays to be flushed.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    fn with_codec<R>(
        &mut self,
        cx: &mut Context<'_>,
        run: impl FnOnce(&mut WebSocketContext, &mut Now<'_, '_, T>) -> Result<R, Error>,
    ) -> Poll<Result<R, Error>> {
        let mut now = Now {
            stream: &mut self.stream,
            ahead: &mut self.ahead,
            cx,
        };
        match run(&mut self.codec, &mut now) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            done => Poll::Ready(done),
        }
    }
}

/// What the stream gives and takes now, as the codec wants it: what would have to be waited for is an
/// error to it.
struct Now<'a, 'cx, T> {
    stream: &'a mut T,
    ahead: &'a mut Bytes,
    cx: &'a mut Context<'cx>,
}

impl<T: Transport> Read for Now<'_, '_, T> {
    fn read(&mut self, asked: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            return SHARED.with_borrow_mut(|shared| {
                let mut came = ReadBuf::new(shared);
                or_blocked(Pin::new(&mut *self.stream).poll_read(self.cx, &mut came))?;
                let (now, later) = came.filled().split_at(came.filled().len().min(asked.len()));
                asked[..now.len()].copy_from_slice(now);
                if !later.is_empty() {
                    *self.ahead = Bytes::copy_from_slice(later);
                }
                Ok(now.len())
            });
        }
        let length = self.ahead.len().min(asked.len());
        self.ahead.copy_to_slice(&mut asked[..length]);
        if self.ahead.is_empty() {
            // Its memory goes with it.
            *self.ahead = Bytes::new();
        }
        Ok(length)
    }
}

impl<T: Transport> Write for Now<'_, '_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_blocked(Pin::new(&mut *self.stream).poll_write(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        or_blocked(Pin::new(&mut *self.stream).poll_flush(self.cx))
    }
}

fn or_blocked<R>(done: Poll<io::Result<R>>) -> io::Result<R> {
    match done {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// Binary, masked with zeros.
    fn frame(payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).expect("a frame of middle length");
        let mut frame = vec![0x82, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    async fn binary(socket: &mut Socket<DuplexStream>) -> Bytes {
        match socket.next().await {
            Some(Ok(Frame::Binary(payload))) => payload,
            other => panic!("a binary message, not {other:?}"),
        }
    }

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order_whatever_comes_at_once() {
        let sent: Vec<Vec<u8>> = (0..200)
            .map(|n| vec![n as u8; n * 37 % 5000])
            .chain([vec![1; 3 * READ_AT_ONCE / 2]])
            .collect();
        let stream: Vec<u8> = sent.iter().flat_map(|payload| frame(payload)).collect();
        for at_once in [1000, READ_AT_ONCE, stream.len()] {
            let (mut client, server) = duplex(at_once);
            let early = Bytes::copy_from_slice(&stream[..700]);
            let mut socket = Socket::new(server, early, &LimitSettings::default());
            let send = async { client.write_all(&stream[700..]).await.expect("it is open") };
            let receive = async {
                for payload in &sent {
                    assert!(binary(&mut socket).await == payload[..]);
                }
            };
            tokio::join!(send, receive);
            drop(client);
            assert!(socket.next().await.is_some_and(|end| end.is_err()));
            assert!(socket.next().await.is_none() && socket.ahead.is_empty());
        }
    }

    #[tokio::test]
    async fn sockets_that_share_the_buffer_do_not_share_what_was_read() {
        let (mut clients, mut sockets): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| duplex(READ_AT_ONCE))
            .map(|(client, server)| {
                let limits = LimitSettings::default();
                (client, Socket::new(server, Bytes::new(), &limits))
            })
            .unzip();
        for (name, client) in (1..).zip(&mut clients) {
            let both = [frame(&[name; 2000]), frame(&[name; 3000])].concat();
            client.write_all(&both).await.expect("there is room");
        }
        for length in [2000, 3000] {
            for (name, socket) in (1..).zip(&mut sockets) {
                assert!(binary(socket).await == vec![name; length]);
            }
        }
    }
}
