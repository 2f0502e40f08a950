//! The one way a probe connects.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use url::Url;

use super::error::Seen;

/// How long one address of a name may take to accept; then the next one has its turn. Across the
/// world it takes a third of a second. A lost packet would be sent again after this second: the
/// next attempt does the same.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// A host and a port, not resolved.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// A name or an IP address, IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Endpoint {
    /// The host and port of `url`; without `default_port` the port must be there.
    pub(super) fn of(url: &Url, default_port: Option<u16>) -> Result<Self, String> {
        let scheme = url.scheme();
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| format!("no host after {scheme}://"))?
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        match url.port_or_known_default().or(default_port) {
            None => Err(format!("no port: write {scheme}://HOST:PORT")),
            Some(0) => Err("port 0 is no port to connect to: write 1 to 65535".to_owned()),
            Some(port) => Ok(Self { host, port }),
        }
    }

    /// Resolves the name, now, and connects to the first of its addresses that accepts.
    pub(super) async fn connect(&self) -> Result<TcpStream, Seen> {
        let addresses: Vec<SocketAddr> = lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|error| Seen::new(format!("cannot resolve {}: {error}", self.host)))?
            .collect();
        let mut failures = Vec::with_capacity(addresses.len());
        for address in addresses {
            match connect_to(address).await {
                Ok(stream) => return Ok(stream),
                Err(seen) => failures.push((address, seen)),
            }
        }
        Err(match failures.len() {
            0 => Seen::new(format!("{} has no address", self.host)),
            1 => failures.remove(0).1,
            _ => Seen::at_each(&failures),
        })
    }
}

async fn connect_to(address: SocketAddr) -> Result<TcpStream, Seen> {
    let stream = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(address))
        .await
        .map_err(|_| Seen::silence(CONNECT_LIMIT))??;
    if is_own_echo(&stream)? {
        return Err(Seen::new(
            "the connection ended in itself: nothing listens there",
        ));
    }
    // Whoever sends through it sends whole requests or batches: nothing is saved by waiting for more.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection to a free loopback port may get that very port as its own end: TCP's simultaneous
/// open then connects the socket to itself, and whatever is sent comes back. It says nothing about
/// a service (G8).
fn is_own_echo(stream: &TcpStream) -> io::Result<bool> {
    Ok(stream.local_addr()? == stream.peer_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    #[tokio::test]
    async fn a_socket_connected_to_itself_is_found_out() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        let stream = socket.connect(own).await.expect("simultaneous open");
        assert!(is_own_echo(&stream).unwrap());
    }

    #[tokio::test]
    async fn a_socket_connected_to_a_listener_is_not_taken_for_itself() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = connect_to(listener.local_addr().unwrap()).await.unwrap();
        assert!(!is_own_echo(&stream).unwrap());
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_tried() {
        // `localhost` is ::1 before 127.0.0.1 on many systems; only the second one listens.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint {
            host: "localhost".to_owned(),
            port,
        };
        endpoint.connect().await.expect("127.0.0.1 listens");
    }
}
