//! The HTTP answers that are written without the HTTP server: to requests that asked for a
//! WebSocket, and to those that could not be read.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::head::HeadError;
use crate::refusal::Refused;

/// How long an answer may take to be written, and how long a client is read from after it: closing
/// over unread bytes resets the connection, and a reset can destroy the answer on its way.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// An answer that ends the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: &'static str,
    reason: &'static str,
    fields: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    /// `reason` is for programs, `detail` for whoever has to mend it.
    pub(crate) fn new(status: &'static str, reason: &'static str, detail: &str) -> Self {
        let body = json!({ "reason": reason, "detail": detail }).to_string();
        Self {
            status,
            reason,
            fields: Vec::new(),
            body,
        }
    }

    /// In one word, the same in the body, in the log and in the metrics.
    pub(crate) fn reason(&self) -> &'static str {
        self.reason
    }

    pub(crate) fn status(&self) -> StatusCode {
        let code = self.status.get(..3).and_then(|code| code.parse().ok());
        code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The kind refusal of a client that may come again.
    pub(crate) fn refusal(refused: &Refused) -> Self {
        let millis = refused.retry_after.as_millis();
        let body = json!({ "reason": refused.reason.as_str(), "retry_after_ms": millis });
        // The field counts whole seconds: rounded up, so that nobody comes too early.
        let seconds = millis.div_ceil(1000);
        Self {
            status: "503 Service Unavailable",
            reason: refused.reason.as_str(),
            fields: Vec::new(),
            body: body.to_string(),
        }
        .with("retry-after", seconds.to_string())
    }

    /// What a request that could not be read is answered; `None` where nobody is there.
    pub(crate) fn to_unreadable(error: HeadError) -> Option<Self> {
        Some(match error {
            HeadError::Gone => return None,
            HeadError::TimedOut => Self::new(
                "408 Request Timeout",
                "request_timeout",
                "the request head did not arrive in time",
            ),
            HeadError::TooLong => Self::new(
                "431 Request Header Fields Too Large",
                "head_too_large",
                "the request head is longer than 16 KiB",
            ),
            HeadError::TooManyHeaders => Self::new(
                "431 Request Header Fields Too Large",
                "too_many_fields",
                "the request has more than 100 header fields",
            ),
            HeadError::Version => Self::new(
                "505 HTTP Version Not Supported",
                "http_version",
                "this port speaks HTTP/1.1",
            ),
            HeadError::Malformed(error) => Self::new(
                "400 Bad Request",
                "malformed_request",
                &format!("this is not an HTTP/1.1 request: {error}"),
            ),
        })
    }

    /// The same for the HTTP server to write.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let status = self.status();
        let mut response = Response::new(Full::from(self.body));
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                fields.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &self.fields {
            // Writing to a string cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let length = self.body.len();
        let _ = write!(
            head,
            "content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{}",
            self.body
        );
        head.into_bytes()
    }

    /// Writes the answer, sees to it that it arrives, and ends the connection.
    pub(crate) async fn send(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let sent = timeout(LINGER, stream.write_all(&self.to_bytes())).await;
        if matches!(sent, Ok(Ok(()))) {
            linger(&mut stream).await;
        }
    }
}

/// Shuts the sending side, then reads and throws away what the client still sends, for one second
/// at most.
pub(crate) async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let until_closed = async {
        stream.shutdown().await?;
        // On the heap: in every connection's task it would be there from the beginning.
        let mut thrown_away = vec![0; 2048];
        while stream.read(&mut thrown_away).await? > 0 {}
        io::Result::Ok(())
    };
    // Whatever ends it, an error too, the connection is over now.
    let _ = timeout(LINGER, until_closed).await;
}
