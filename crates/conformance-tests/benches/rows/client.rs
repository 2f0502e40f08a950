//! A client that costs next to nothing, so that ten thousand of them measure the server and not
//! themselves: a socket, a few hundred bytes, no task of its own.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The key of RFC 6455's own example; what the server makes of it is not looked at.
const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\n\
    Host: localhost\r\n\
    Connection: Upgrade\r\n\
    Upgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FINAL_TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

/// A connection that has asked for its upgrade. Answers longer than the buffer are faults.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: [u8; 512],
    filled: usize,
}

/// Why a client was not served.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(u16),
    Closed(u16),
    Broken(io::Error),
}

impl Client {
    /// Connects and asks for the upgrade, without waiting for an answer.
    pub(crate) async fn ask(server: SocketAddr) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        stream.write_all(REQUEST).await?;
        Ok(Self {
            stream,
            buffer: [0; 512],
            filled: 0,
        })
    }

    /// Waits for the whole head of the 101.
    pub(crate) async fn upgraded(&mut self) -> Result<(), Failure> {
        let end = loop {
            if let Some(at) = self
                .received()
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
            {
                break at + 4;
            }
            self.receive().await?;
        };
        let status = self.received().get(9..12).map(<[u8]>::to_ascii_lowercase);
        let status = status.and_then(|digits| String::from_utf8(digits).ok()?.parse().ok());
        match status.ok_or_else(|| broken("no status line"))? {
            101 => self.forget(end),
            other => return Err(Failure::Refused(other)),
        }
        Ok(())
    }

    /// The socket alone, for whoever goes on without a task.
    pub(crate) fn into_std(self) -> io::Result<std::net::TcpStream> {
        if self.filled > 0 {
            return Err(io::Error::other("bytes that came unasked"));
        }
        self.stream.into_std()
    }

    /// Sends a text of less than 126 bytes and waits until it comes back. Pings are passed over: nobody
    /// stays for as long as an answer to one may take.
    pub(crate) async fn echo(&mut self, text: &[u8]) -> Result<(), Failure> {
        let length = u8::try_from(text.len()).ok().filter(|&length| length < 126);
        let length = length.ok_or_else(|| broken("a text that is too long"))?;
        let mut frame = vec![FINAL_TEXT, 0x80 | length];
        frame.extend(MASK);
        frame.extend(
            text.iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.stream.write_all(&frame).await?;
        loop {
            let length = self.frame().await?;
            match self.buffer[0] {
                PING => self.forget(2 + length),
                CLOSE => return Err(Failure::Closed(self.close_code(length))),
                FINAL_TEXT if &self.buffer[2..2 + length] == text => {
                    self.forget(2 + length);
                    return Ok(());
                }
                _ => return Err(broken("no echo")),
            }
        }
    }

    /// Waits for a whole frame at the beginning of the buffer; returns the length of its payload.
    async fn frame(&mut self) -> Result<usize, Failure> {
        loop {
            if let [_, length, rest @ ..] = self.received() {
                let length = usize::from(*length);
                if length >= 126 {
                    return Err(broken("a longer frame than was sent"));
                }
                if rest.len() >= length {
                    return Ok(length);
                }
            }
            self.receive().await?;
        }
    }

    fn close_code(&self, length: usize) -> u16 {
        // RFC 6455, 7.1.5: a close frame without a code counts as 1005.
        if length < 2 {
            1005
        } else {
            u16::from_be_bytes([self.buffer[2], self.buffer[3]])
        }
    }

    fn received(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        match self.stream.read(&mut self.buffer[self.filled..]).await? {
            0 => Err(broken("an early end")),
            read => {
                self.filled += read;
                Ok(())
            }
        }
    }

    fn forget(&mut self, bytes: usize) {
        self.buffer.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
    }
}

fn broken(why: &str) -> Failure {
    Failure::Broken(io::Error::other(why))
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "status {status}"),
            Self::Closed(code) => write!(f, "closed with {code}"),
            Self::Broken(error) => error.fmt(f),
        }
    }
}
