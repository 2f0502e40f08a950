//! Who asks for a page and does not read it is not written to without a limit.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may read nothing of what is ready for it. As long as a WebSocket's client has
/// to answer a ping: who is silent for longer has most likely vanished.
const LIMIT: Duration = Duration::from_secs(10);

/// Sets the limit on the stream it was made with, from when it is known that the answer is ours: how
/// an application's answer is read is between the application and its client.
#[derive(Clone, Default)]
pub(super) struct Limit(Arc<AtomicBool>);

impl Limit {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream whose writing fails once the other side has read nothing for [`LIMIT`].
pub(super) struct Limited<S> {
    stream: S,
    limit: Limit,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Limited<S> {
    pub(super) fn new(stream: S, limit: Limit) -> Self {
        Self {
            stream,
            limit,
            stalled: None,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.stalled = None;
        } else if self.limit.0.load(Ordering::Relaxed) {
            let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(LIMIT)));
            ready!(stalled.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}
