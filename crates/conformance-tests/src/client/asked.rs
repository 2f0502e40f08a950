//! A request and its answer, byte by byte where a test wants that.

use bytes::BytesMut;
use futures::FutureExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Client, Stream};

/// The head of a request for a WebSocket, with these fields besides the necessary ones.
#[must_use]
pub fn upgrade(target: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

/// A frame as clients send it: the byte with FIN and opcode, then the payload, masked with zeros.
///
/// # Panics
///
/// For payloads above 64 KiB.
#[must_use]
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..=125) => frame.push(0x80 | length),
        _ => {
            let length = u16::try_from(payload.len()).expect("at most 64 KiB");
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A text message in one frame.
#[must_use]
pub fn text_frame(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    fields: Vec<(String, String)>,
    /// The body, as far as the answer says that there is one.
    pub body: String,
}

impl Answer {
    fn read_head(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        Self {
            status: status.and_then(|it| it.parse().ok()).expect("a status"),
            fields: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: String::new(),
        }
    }

    /// The value of a field, by its name in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(it, _)| it == name)?;
        Some(&field.1)
    }

    /// The values of all fields of this name, which is in lower case.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(it, _)| it == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Why a request was refused, in one word.
    #[must_use]
    pub fn reason(&self) -> String {
        self.json()["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A connection on which a request was sent.
#[derive(Debug)]
pub struct Asked<S> {
    stream: S,
    read: BytesMut,
}

impl<S: Stream> Asked<S> {
    /// Sends these bytes, which begin with a request head.
    ///
    /// # Panics
    ///
    /// If the server does not take them.
    pub async fn with(mut stream: S, request: impl AsRef<[u8]>) -> Self {
        let sent = stream.write_all(request.as_ref()).await;
        sent.expect("the server takes a request");
        let read = BytesMut::new();
        Self { stream, read }
    }

    /// The stream below.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream below, given up by this client.
    #[must_use]
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// Sends more bytes.
    ///
    /// # Panics
    ///
    /// If the server does not take them.
    pub async fn sends(&mut self, bytes: &[u8]) {
        let sent = self.stream.write_all(bytes).await;
        sent.expect("the server takes it");
    }

    /// Asserts that not a byte has come so far.
    ///
    /// # Panics
    ///
    /// If one has, or the connection has ended.
    pub fn is_unanswered(&mut self) {
        let came = self.stream.read_buf(&mut self.read).now_or_never();
        assert!(came.is_none(), "{came:?}: {:?}", self.read);
    }

    /// The answer.
    ///
    /// # Panics
    ///
    /// If there is none, or one cut short.
    pub async fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|it| it == b"\r\n\r\n") {
                break end;
            }
            self.read_on().await;
        };
        let head = self.read.split_to(end + 4);
        let mut answer = Answer::read_head(&String::from_utf8_lossy(&head[..end]));
        if let Some(length) = answer.field("content-length") {
            let length: usize = length.parse().expect("a length");
            while self.read.len() < length {
                self.read_on().await;
            }
            answer.body = String::from_utf8_lossy(&self.read.split_to(length)).into_owned();
        }
        answer
    }

    /// The next line of what follows the answer's head, without its end; `None` where the server has
    /// ended the connection instead.
    ///
    /// # Panics
    ///
    /// If the connection breaks.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.iter().position(|&it| it == b'\n') {
                let line = self.read.split_to(end + 1);
                return Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            let came = self.stream.read_buf(&mut self.read).await;
            if came.expect("no reset") == 0 {
                return None;
            }
        }
    }

    async fn read_on(&mut self) {
        let came = self.stream.read_buf(&mut self.read).await;
        let came = came.unwrap_or_else(|error| panic!("{error} after {:?}", self.read));
        assert!(came > 0, "it ended after {:?}", self.read);
    }

    /// Everything that comes until the server ends the connection in an orderly way.
    ///
    /// # Panics
    ///
    /// If it ends otherwise.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self
            .stream
            .read_buf(&mut self.read)
            .await
            .expect("no reset")
            > 0
        {}
        self.read.split().to_vec()
    }

    /// Asserts that nothing more comes and the server ends the connection in an orderly way.
    ///
    /// # Panics
    ///
    /// Otherwise.
    pub async fn ends(mut self) {
        let came = self.stream.read_buf(&mut self.read).await;
        assert_eq!(came.ok(), Some(0), "{:?}", self.read);
    }

    /// The WebSocket, once the request was answered with one.
    ///
    /// # Panics
    ///
    /// If it was refused.
    pub async fn client(self) -> Client<S> {
        self.chosen().await.0
    }

    /// The WebSocket, and the answer that gave it.
    ///
    /// # Panics
    ///
    /// If it was refused.
    pub async fn chosen(mut self) -> (Client<S>, Answer) {
        let answer = self.answer().await;
        assert_eq!(answer.status, 101, "{answer:?}");
        let accept = answer.field("sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let read = self.read.to_vec();
        let role = Role::Client;
        let socket = WebSocketStream::from_partially_read(self.stream, read, role, None).await;
        (Client(socket), answer)
    }
}
