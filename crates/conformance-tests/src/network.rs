//! A network without a network: connections in memory, for tests in virtual time.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use ws_server::{Listener, Transport};

/// How much may be on its way in one direction: as much as TCP would take at least.
const WINDOW: usize = 64 * 1024;

/// Where a server can be reached.
pub trait Net: Send + Sync {
    /// The client's end of a connection.
    type Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static;

    /// A new connection.
    fn connect(&self) -> impl Future<Output = Self::Stream> + Send;
}

/// The clients' side of a network in memory whose server reads and writes `T`.
#[derive(Debug)]
pub struct Memory<T = DuplexStream> {
    connections: mpsc::UnboundedSender<(T, SocketAddr)>,
    ports: AtomicU16,
}

/// The server's side.
#[derive(Debug)]
pub struct MemoryListener<T = DuplexStream>(mpsc::UnboundedReceiver<(T, SocketAddr)>);

/// A network in memory.
#[must_use]
pub fn memory<T>() -> (Memory<T>, MemoryListener<T>) {
    let (connections, listener) = mpsc::unbounded_channel();
    let ports = AtomicU16::new(1024);
    (Memory { connections, ports }, MemoryListener(listener))
}

impl<T> Memory<T> {
    /// Gives the server its end of a connection that comes from `ip`. The server may be gone.
    pub fn hand_over(&self, stream: T, ip: IpAddr) {
        let port = self.ports.fetch_add(1, Ordering::Relaxed);
        let _ = self.connections.send((stream, SocketAddr::new(ip, port)));
    }
}

impl Memory {
    /// A connection from this address.
    #[must_use]
    pub fn connect_from(&self, ip: IpAddr) -> DuplexStream {
        let (client, server) = duplex(WINDOW);
        self.hand_over(server, ip);
        client
    }

    /// A connection on which no more than `window` bytes can be on their way.
    #[must_use]
    pub fn connect_through(&self, window: usize) -> DuplexStream {
        let (client, server) = duplex(window);
        self.hand_over(server, Ipv4Addr::LOCALHOST.into());
        client
    }
}

impl Net for Memory {
    type Stream = DuplexStream;

    async fn connect(&self) -> DuplexStream {
        self.connect_from(Ipv4Addr::LOCALHOST.into())
    }
}

impl<T: Transport> Listener for MemoryListener<T> {
    type Stream = T;

    async fn accept(&mut self) -> io::Result<(T, SocketAddr)> {
        match self.0.recv().await {
            Some(connection) => Ok(connection),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, 80).into())
    }
}

/// The real network: where a server listens.
impl Net for SocketAddr {
    type Stream = TcpStream;

    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP stream");
        stream
    }
}
