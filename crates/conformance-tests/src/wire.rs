//! A client that hides nothing: it sends any bytes at all, and shows every answer and every frame
//! that came over the wire.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::happens;

/// A request for a WebSocket that every server of RFC 6455 accepts.
pub const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A connection. Dropping it closes it.
///
/// # Panics
///
/// What is awaited does not happen within 60 s.
#[derive(Debug)]
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    /// Connects, and says nothing yet.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = happens("connected", TcpStream::connect(address)).await;
        Self(BufReader::new(stream.expect("a server listens")))
    }

    /// Connects and asks for a WebSocket.
    pub async fn upgrading(address: SocketAddr) -> Self {
        let mut wire = Self::connect(address).await;
        wire.send(UPGRADE.as_bytes()).await;
        wire
    }

    /// Connects, asks for a WebSocket and gets it.
    pub async fn open(address: SocketAddr) -> Self {
        let mut wire = Self::upgrading(address).await;
        wire.opened().await;
        wire
    }

    /// Sends these bytes.
    pub async fn send(&mut self, bytes: &[u8]) {
        let sent = happens("sent", self.0.write_all(bytes)).await;
        sent.expect("a server that reads");
    }

    /// Sends a text message.
    pub async fn text(&mut self, text: &str) {
        self.send(&frame(0x1, text.as_bytes())).await;
    }

    /// Sends a text message, and the echo is the next frame that comes back.
    pub async fn echoes(&mut self, text: &str) {
        self.text(text).await;
        assert_eq!(self.frame().await, Frame::Text(text.to_owned()));
    }

    /// The answer to a request.
    pub async fn answer(&mut self) -> Answer {
        happens("an answer", self.read_answer())
            .await
            .expect("an answer")
    }

    /// The answer is 101.
    pub async fn opened(&mut self) {
        let answer = self.answer().await;
        assert_eq!(answer.status, 101, "{answer:?}");
        let accept = answer.field("sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    /// The next frame, or the end of the connection.
    pub async fn frame(&mut self) -> Frame {
        match happens("a frame", self.read_frame()).await {
            Ok(frame) => frame,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Frame::End,
            Err(_) => Frame::Reset,
        }
    }

    /// All that still comes, up to the end of the connection. A close frame is answered.
    pub async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let seen = self.frame().await;
            match seen {
                Frame::End | Frame::Reset => return frames,
                Frame::Close(..) => {
                    let answer = frame(0x8, &1000u16.to_be_bytes());
                    // The server may be gone before it has the answer.
                    let _ = self.0.write_all(&answer).await;
                }
                _ => {}
            }
            frames.push(seen);
        }
    }

    /// Takes the connection apart into its two directions, to write and read at the same time.
    ///
    /// # Panics
    ///
    /// Something has been read already.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        assert!(self.0.buffer().is_empty());
        self.0.into_inner()
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        let stream = self.0.into_inner();
        stream.set_zero_linger().expect("an open socket");
    }

    async fn read_answer(&mut self) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).expect("a head is text");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let fields = lines.filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let mut answer = Answer {
            status: status.and_then(|it| it.parse().ok()).expect("a status"),
            fields: fields.collect(),
            body: String::new(),
        };
        if let Some(length) = answer.field("content-length") {
            let mut body = vec![0; length.parse().expect("a length")];
            self.0.read_exact(&mut body).await?;
            answer.body = String::from_utf8(body).expect("a body of text");
        }
        Ok(answer)
    }

    /// Servers send no masks and, to us, no fragments.
    async fn read_frame(&mut self) -> std::io::Result<Frame> {
        let first = self.0.read_u8().await?;
        let length = match self.0.read_u8().await? {
            126 => u64::from(self.0.read_u16().await?),
            127 => self.0.read_u64().await?,
            short => short.into(),
        };
        let mut payload = vec![0; usize::try_from(length).expect("it fits")];
        self.0.read_exact(&mut payload).await?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        Ok(match first {
            0x81 => Frame::Text(text(&payload)),
            0x82 => Frame::Binary(payload),
            0x88 if payload.is_empty() => Frame::Close(1005, String::new()),
            0x88 => Frame::Close(
                u16::from_be_bytes([payload[0], payload[1]]),
                text(&payload[2..]),
            ),
            0x89 => Frame::Ping(payload),
            0x8a => Frame::Pong(payload),
            other => panic!("a frame that begins with {other:#x}"),
        })
    }
}

/// The bytes of a client's frame: unfragmented, masked with zeros.
#[must_use]
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => bytes.push(0x80 | length as u8),
        Ok(length) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// What a server sends over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame; 1005 is one without a code.
    Close(u16, String),
    /// Not a frame: the server has closed the connection.
    End,
    /// Not a frame: the server has reset the connection.
    Reset,
}

/// An answer to an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status, such as 503.
    pub status: u16,
    /// Header fields, the names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body, where the answer says how long it is.
    pub body: String,
}

impl Answer {
    /// The first header field of this name, which is given in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(own, _)| own == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// It is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It is a kind refusal for this reason (S5): 503, and when to come again.
    ///
    /// # Panics
    ///
    /// It is not.
    pub fn is_refusal(&self, reason: &str) {
        assert_eq!(self.status, 503, "{self:?}");
        let body = self.json();
        assert_eq!(body["reason"], reason);
        let millis = body["retry_after_ms"].as_u64().expect("a number");
        assert!(millis > 0, "{self:?}");
        let seconds = self.field("retry-after").and_then(|it| it.parse().ok());
        let rounded_up = Duration::from_millis(millis).as_secs_f64().ceil() as u64;
        assert_eq!(seconds, Some(rounded_up), "{self:?}");
    }
}

impl Frame {
    /// It is a kind refusal (S5): 1013, and when to come again.
    ///
    /// # Panics
    ///
    /// It is not.
    pub fn is_refusal(&self) {
        let Self::Close(1013, reason) = self else {
            panic!("{self:?}");
        };
        let millis = reason.strip_prefix("retry_after_ms=");
        let millis: Option<u64> = millis.and_then(|it| it.parse().ok());
        assert!(millis.is_some_and(|it| it > 0), "{self:?}");
    }
}
