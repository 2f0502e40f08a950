//! The one seam of the server: where connections come from.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, Interest};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::error::ServeError;
use crate::settings::Settings;

/// A byte stream to a client.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {
    /// Whether the client has closed its sending side or reset the connection, judged without
    /// reading: bytes it sent before and that nobody has read yet must not hide it.
    ///
    /// A transport that cannot tell answers `false`; then a client whose unread bytes fill the
    /// buffer is noticed when its time is over.
    fn peer_has_left(&self) -> bool;

    /// Has dropping this break the connection off (TCP: RST) instead of ending it in an orderly
    /// way. Does nothing where there is no such difference.
    fn reset_on_drop(&mut self) {}
}

impl Transport for TcpStream {
    fn peer_has_left(&self) -> bool {
        match self.ready(Interest::READABLE).now_or_never() {
            Some(Ok(ready)) => ready.is_read_closed() || ready.is_error(),
            Some(Err(_)) => true,
            None => false,
        }
    }

    fn reset_on_drop(&mut self) {
        // A connection that is broken already need not be broken off.
        let _ = self.set_zero_linger();
    }
}

impl Transport for DuplexStream {
    fn peer_has_left(&self) -> bool {
        false
    }
}

/// Where connections come from: a TCP listener, or in tests something without a network.
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: Transport;

    /// The next connection and its client's address.
    ///
    /// # Errors
    ///
    /// What the system answers. The server logs it and asks again after 100 ms.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must not lose a connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What the system answers.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = loop {
            match TcpListener::accept(self).await {
                // One client's fault, and over already: the next one need not wait for it.
                Err(error) if is_of_one_client(&error) => {}
                accepted => break accepted?,
            }
        };
        // Messages are written in batches, each with one system call, so there is nothing that
        // waiting for more could save. A connection that has broken meanwhile shows that soon.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Binds `settings.server.listen`, for [`ServerBuilder::listen_on`](crate::ServerBuilder::listen_on):
/// the first thing to do, since clients are refused by the system until then. The backlog fits
/// what may be held.
///
/// # Errors
///
/// The address cannot be bound.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn bind(settings: &Settings) -> Result<TcpListener, ServeError> {
    let address = settings.server.listen;
    bind_tcp(address, settings.queue.max_size).map_err(|error| ServeError::Bind { address, error })
}

/// Binds `settings.admin.listen`, where it is set, for
/// [`ServerBuilder::admin_on`](crate::ServerBuilder::admin_on).
///
/// # Errors
///
/// The address cannot be bound.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn bind_admin(settings: &Settings) -> Result<Option<TcpListener>, ServeError> {
    let Some(address) = settings.admin.listen else {
        return Ok(None);
    };
    let bound = bind_tcp(address, 0).map_err(|error| ServeError::Bind { address, error })?;
    Ok(Some(bound))
}

fn bind_tcp(address: SocketAddr, backlog: usize) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart must not wait for the last process's connections to leave TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(u32::try_from(backlog).unwrap_or(u32::MAX).max(MIN_BACKLOG))
}

/// What the standard library and most servers ask for; the kernel lowers it to
/// `net.core.somaxconn`.
const MIN_BACKLOG: u32 = 1024;
