//! From a request that asks for a WebSocket to a socket that has one.
//!
//! The types make it impossible to send or read a frame too early: a [`Pending`] request can only
//! be answered, and only [`Pending::accept`], which writes the 101, gives a [`Socket`].

use std::fmt::Write as _;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::answer::Answer;
use crate::head::Method;
use crate::listener::Transport;
use crate::request::Request;
use crate::settings::LimitSettings;
use crate::socket::Socket;

/// How many bytes of a client that does not wait for its 101 are read and kept.
const MAX_EARLY: usize = 64 * 1024;

/// A valid request for a WebSocket that has not been answered yet.
pub(crate) struct Pending<T> {
    stream: T,
    request: Request,
    early: BytesMut,
}

impl<T: Transport> Pending<T> {
    /// Checks the request; an invalid one is given back with its answer.
    pub(crate) fn new(
        stream: T,
        method: Method,
        request: Request,
        early: Bytes,
    ) -> Result<Self, (T, Answer)> {
        match check(method, &request) {
            Ok(()) => Ok(Self {
                stream,
                request,
                early: early.into(),
            }),
            Err(answer) => Err((stream, answer)),
        }
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Writes the 101. What the client had sent early is read first from the socket.
    pub(crate) async fn accept(
        mut self,
        subprotocol: Option<&str>,
        limits: &LimitSettings,
    ) -> io::Result<Socket<T>> {
        let key = self.request.header("sec-websocket-key").unwrap_or_default();
        let mut head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {}\r\n",
            derive_accept_key(key.as_bytes())
        );
        if let Some(subprotocol) = subprotocol {
            // Writing to a string cannot fail.
            let _ = write!(head, "sec-websocket-protocol: {subprotocol}\r\n");
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.flush().await?;
        Ok(Socket::new(self.stream, self.early.freeze(), limits))
    }

    /// The socket, and what the client sent early.
    #[cfg(feature = "proxy")]
    pub(crate) fn into_parts(self) -> (T, BytesMut) {
        (self.stream, self.early)
    }

    pub(crate) async fn answer(self, answer: &Answer) {
        answer.send(self.stream).await;
    }

    /// Resolves when the client has left. What it sends early meanwhile is kept.
    ///
    /// Cancel safe: no byte is lost.
    pub(crate) async fn left(&mut self) {
        while self.early.len() < MAX_EARLY {
            match self.stream.read_buf(&mut self.early).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        // Reading no further hides the event that the client leaves, so it is looked for.
        crate::hold::look_for_leaving(|| self.stream.peer_has_left()).await;
    }
}

fn check(method: Method, request: &Request) -> Result<(), Answer> {
    let bad = |detail: &str| Err(Answer::new("400 Bad Request", "bad_handshake", detail));
    if method != Method::Get {
        let detail = "a WebSocket is asked for with GET";
        return Err(
            Answer::new("405 Method Not Allowed", "bad_handshake", detail).with("allow", "GET"),
        );
    }
    if !request
        .list("connection")
        .any(|it| it.eq_ignore_ascii_case("upgrade"))
    {
        return bad("the Connection field must contain \"Upgrade\"");
    }
    match request.header("sec-websocket-version") {
        Some("13") => {}
        version => {
            let version = version.unwrap_or("missing");
            let detail = format!("Sec-WebSocket-Version is {version}; this server speaks 13");
            return Err(
                Answer::new("426 Upgrade Required", "bad_handshake", &detail)
                    .with("upgrade", "websocket")
                    .with("sec-websocket-version", "13"),
            );
        }
    }
    let mut keys = request.headers("sec-websocket-key");
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => Ok(()),
        (None, _) => bad("the Sec-WebSocket-Key field is missing"),
        (Some(_), Some(_)) => bad("there is more than one Sec-WebSocket-Key field"),
        _ => bad("Sec-WebSocket-Key must be 16 bytes in base64"),
    }
}

fn is_key(key: &str) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "GET / HTTP/1.1\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
                         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn check_head(head: &str) -> Result<(), Answer> {
        check(Method::Get, &Request::new(head.to_owned().into()))
    }

    #[test]
    fn a_valid_request_passes() {
        assert_eq!(check_head(VALID), Ok(()));
    }

    #[test]
    fn every_fault_is_named() {
        for (part, instead, says) in [
            ("keep-alive, Upgrade", "keep-alive", "Connection"),
            ("version: 13", "version: 8", "Sec-WebSocket-Version is 8"),
            (
                "sec-websocket-version: 13\r\n",
                "",
                "Sec-WebSocket-Version is missing",
            ),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl", "16 bytes"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "***", "16 bytes"),
            (
                "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                "",
                "Key field is missing",
            ),
            (
                "upgrade: websocket\r\n",
                "upgrade: websocket\r\nsec-websocket-key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n",
                "more than one Sec-WebSocket-Key",
            ),
        ] {
            let answer = check_head(&VALID.replace(part, instead)).expect_err(says);
            assert!(
                format!("{answer:?}").contains(says),
                "{answer:?} should say {says}"
            );
        }
    }
}
