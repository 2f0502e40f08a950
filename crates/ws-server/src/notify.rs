//! The receiving end of systemd's protocol by which a service says that it is ready.

use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use tokio::net::UnixDatagram;

/// More than anybody has to say: what follows is cut off, as systemd does.
const MAX_DATAGRAM: usize = 4 << 10;

/// What a service says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Said {
    /// `READY=1`: it can be used from now on.
    Ready,
    /// `STOPPING=1`: it is about to end.
    Stopping,
}

/// A socket on which a service says that it is ready: what its variable `NOTIFY_SOCKET` names.
///
/// Dropping it removes its file. Whoever may write to the file can say anything; an abstract one is
/// open to everybody on the machine.
pub struct NotifySocket {
    socket: UnixDatagram,
    /// None if abstract.
    file: Option<PathBuf>,
}

impl NotifySocket {
    /// Listens at an absolute path, or, on Linux, at an abstract name written `@NAME`. A socket at
    /// the path to which nobody listens any more is replaced.
    ///
    /// # Errors
    ///
    /// What the system answers; somebody else listens there, or something that is no socket is in
    /// the way.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub fn bind(address: &str) -> io::Result<Self> {
        if let Some(name) = address.strip_prefix('@') {
            let socket = bind_abstract(name)?;
            socket.set_nonblocking(true)?;
            return Ok(Self {
                socket: UnixDatagram::from_std(socket)?,
                file: None,
            });
        }
        let path = Path::new(address);
        let bound = match UnixDatagram::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_abandoned(path) => {
                fs::remove_file(path)?;
                UnixDatagram::bind(path)
            }
            bound => bound,
        };
        Ok(Self {
            socket: bound?,
            file: Some(path.to_owned()),
        })
    }

    /// The next thing the service says that we understand.
    ///
    /// # Errors
    ///
    /// What the system answers.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing that was said is lost.
    pub async fn hear(&self) -> io::Result<Said> {
        let mut datagram = [0; MAX_DATAGRAM];
        loop {
            let length = self.socket.recv(&mut datagram).await?;
            if let Some(said) = said(&datagram[..length]) {
                return Ok(said);
            }
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind_abstract(name: &str) -> io::Result<net::UnixDatagram> {
    use std::os::linux::net::SocketAddrExt as _;

    net::UnixDatagram::bind_addr(&net::SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind_abstract(_name: &str) -> io::Result<net::UnixDatagram> {
    Err(ErrorKind::Unsupported.into())
}

/// What whoever listened there before has left behind.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    let nobody_listens = || {
        let answer = net::UnixDatagram::unbound().and_then(|socket| socket.connect(path));
        answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    is_socket && nobody_listens()
}

/// One assignment a line; what comes later counts.
fn said(datagram: &[u8]) -> Option<Said> {
    let lines = datagram.split(|byte| *byte == b'\n').rev();
    lines.into_iter().find_map(|line| match line {
        b"READY=1" => Some(Said::Ready),
        b"STOPPING=1" => Some(Said::Stopping),
        _ => None,
    })
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Gone already: then there is nothing to do.
            let _ = fs::remove_file(file);
        }
    }
}

impl fmt::Debug for NotifySocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NotifySocket").field(&self.socket).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_one_assignment_a_line() {
        assert_eq!(said(b"READY=1"), Some(Said::Ready));
        assert_eq!(said(b"STATUS=up\nREADY=1\nMAINPID=7\n"), Some(Said::Ready));
        assert_eq!(said(b"READY=1\nSTOPPING=1"), Some(Said::Stopping));
        for other in [
            &b""[..],
            b"READY=0",
            b"READY=11",
            b"XREADY=1",
            b"WATCHDOG=1",
        ] {
            assert_eq!(said(other), None);
        }
    }

    #[tokio::test]
    async fn an_abandoned_socket_is_replaced_and_one_in_use_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let address = path.to_str().unwrap();
        // A socket of std leaves its file behind.
        drop(net::UnixDatagram::bind(&path).unwrap());
        let socket = NotifySocket::bind(address).unwrap();
        let taken = NotifySocket::bind(address).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);

        let service = net::UnixDatagram::unbound().unwrap();
        service.send_to(b"STATUS=up", &path).unwrap();
        service.send_to(b"READY=1", &path).unwrap();
        assert_eq!(socket.hear().await.unwrap(), Said::Ready);
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_in_the_way_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        fs::write(&path, "precious").unwrap();
        NotifySocket::bind(path.to_str().unwrap()).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
