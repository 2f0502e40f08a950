//! Bytes sent back, or passed on, as they came, without a protocol: what is left is the kernel and the
//! runtime.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;

/// Every client has the same key.
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Connection: Upgrade\r\n\
    Upgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const BUFFER: usize = 64 * 1024;

thread_local! {
    /// One for all connections: nothing stays in it between two polls.
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

pub(super) async fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    drop(head);
    stream.write_all(ANSWER).await?;
    let (reader, writer) = stream.split();
    copy(reader, writer).await
}

/// Between its clients and one upstream.
pub(crate) async fn pass_on(address: SocketAddr, upstream: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (client, _) = listener.accept().await?;
        let upstream = TcpStream::connect(upstream).await?;
        client.set_nodelay(true)?;
        upstream.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_upstream, to_upstream) = upstream.into_split();
        // Each way a task of its own, so that none is polled for what the other waits for.
        tokio::spawn(copy(from_client, to_upstream));
        tokio::spawn(copy(from_upstream, to_client));
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    while let Some(left) = poll_fn(|cx| poll_copy(&mut from, &mut to, cx)).await? {
        to.write_all(&left).await?;
    }
    Ok(())
}

/// Writes what has come; returns what the socket did not take, or `None` at the end.
fn poll_copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
) -> Poll<io::Result<Option<Vec<u8>>>> {
    SHARED.with_borrow_mut(|shared| {
        let mut buffer = ReadBuf::new(shared);
        ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        let came = buffer.filled();
        if came.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let taken = match Pin::new(to).poll_write(cx, came) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => 0,
        };
        Poll::Ready(Ok(Some(came[taken..].to_vec())))
    })
}
