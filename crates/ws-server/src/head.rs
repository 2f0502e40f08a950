//! Reads the first request head of a connection, whoever the client is and however it behaves.
//!
//! The parser is httparse's; this file owns what surrounds it: how much, how long, and what an
//! unreadable request is answered.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::request::{MAX_HEADERS, Request};

/// The longest head: what hyper, nginx and HAProxy allow too, and enough for large cookies.
const MAX_HEAD: usize = 16 * 1024;

/// Most heads fit into one; it grows where they do not.
const FIRST_READ: usize = 1024;

/// A request head, and what the client sent behind it.
#[derive(Debug)]
pub(crate) enum Head {
    /// It asks for an upgrade to a WebSocket.
    Upgrade {
        method: Method,
        request: Request,
        early: Bytes,
    },
    /// Anything else: all bytes read, for the HTTP server to read again.
    Plain { read: Bytes },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Other,
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// The client left, or sent nothing at all: there is nobody to answer.
    Gone,
    /// Part of a head came, and the rest not in time.
    TimedOut,
    TooLong,
    TooManyHeaders,
    /// What came is not HTTP.
    Malformed(httparse::Error),
    /// Neither HTTP/1.1 nor HTTP/1.0.
    Version,
}

pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    limit: Duration,
) -> Result<Head, HeadError> {
    let mut buffer = BytesMut::with_capacity(FIRST_READ);
    match timeout(limit, fill(stream, &mut buffer)).await {
        Ok(Ok(length)) => parse(buffer, length),
        Ok(Err(error)) => Err(error),
        Err(_) if buffer.is_empty() => Err(HeadError::Gone),
        Err(_) => Err(HeadError::TimedOut),
    }
}

/// Reads until the empty line that ends a head, and answers how long the head is.
async fn fill(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Result<usize, HeadError> {
    let mut searched = 0;
    loop {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(FIRST_READ);
        }
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return Err(HeadError::Gone),
            Ok(_) => {}
        }
        // Whoever does not even begin like HTTP is told at once, and not when its time is over.
        if !buffer[0].is_ascii_alphabetic() && !matches!(buffer[0], b'\r' | b'\n') {
            return Err(HeadError::Malformed(httparse::Error::Token));
        }
        if let Some(end) = end_of_head(buffer, searched) {
            return Ok(end);
        }
        searched = buffer.len();
        if buffer.len() >= MAX_HEAD {
            return Err(HeadError::TooLong);
        }
    }
}

/// Where the head ends, with either of the line ends that the parser accepts; the first
/// `searched` bytes are known not to hold that place.
fn end_of_head(buffer: &[u8], searched: usize) -> Option<usize> {
    // Empty lines before the request are the client's to send, and end nothing.
    let begin = buffer
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let from = searched.saturating_sub(2).max(begin);
    (from..buffer.len()).find_map(|at| {
        let ends = [b"\n\n".as_slice(), b"\n\r\n"];
        ends.into_iter()
            .find(|end| buffer[at..].starts_with(end))
            .map(|end| at + end.len())
    })
}

fn parse(mut buffer: BytesMut, length: usize) -> Result<Head, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(&buffer[..length]) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => {
            return Err(HeadError::Malformed(httparse::Error::NewLine));
        }
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
        Err(httparse::Error::Version) => return Err(HeadError::Version),
        Err(error) => return Err(HeadError::Malformed(error)),
    }
    let names_websocket = request.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("upgrade")
            && header
                .value
                .split(|&byte| byte == b',')
                .any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    });
    // To HTTP/1.0 an upgrade means nothing: whoever passed it on would not carry what follows.
    if !names_websocket || request.version != Some(1) {
        return Ok(Head::Plain {
            read: buffer.freeze(),
        });
    }
    let method = if request.method == Some("GET") {
        Method::Get
    } else {
        Method::Other
    };
    // Copied, so that a held connection keeps what it needs and not the buffer it came in.
    let early = Bytes::copy_from_slice(&buffer[length..]);
    buffer.truncate(length);
    let request = Request::new(Bytes::copy_from_slice(&buffer));
    Ok(Head::Upgrade {
        method,
        request,
        early,
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    async fn read_bytes(bytes: &[u8]) -> Result<Head, HeadError> {
        let (mut client, mut server) = duplex(1 << 20);
        client.write_all(bytes).await.expect("fits");
        read(&mut server, LIMIT).await
    }

    fn upgrade(head: Result<Head, HeadError>) -> (Request, Bytes) {
        match head {
            Ok(Head::Upgrade {
                method: Method::Get,
                request,
                early,
            }) => (request, early),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reads_an_upgrade_and_keeps_what_came_behind_it() {
        let head = b"GET /chat?room=1 HTTP/1.1\r\nHost: a\r\nUpgrade: h2c, WebSocket\r\n\r\nearly";
        let (request, early) = upgrade(read_bytes(head).await);
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
        assert_eq!(request.header("HOST"), Some("a"));
        assert_eq!(&early[..], b"early");
    }

    #[tokio::test(start_paused = true)]
    async fn reads_a_head_that_comes_byte_by_byte_however_lines_end() {
        for head in [
            "\r\nGET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            "GET / HTTP/1.1\nUpgrade: websocket\n\n",
        ] {
            let (mut client, mut server) = duplex(1);
            let send = async {
                for byte in head.bytes() {
                    client.write_all(&[byte]).await.expect("is read");
                }
            };
            let (head, ()) = tokio::join!(read(&mut server, LIMIT), send);
            upgrade(head);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn gives_a_plain_request_on_untouched() {
        let bytes = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\nrest";
        let Ok(Head::Plain { read }) = read_bytes(bytes).await else {
            panic!("not plain")
        };
        assert_eq!(&read[..], bytes);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upgrade_asked_for_in_http_1_0_is_none() {
        let old = read_bytes(b"GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\n").await;
        assert!(matches!(old, Ok(Head::Plain { .. })), "{old:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn tells_garbage_at_once() {
        let garbage = read_bytes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
        assert!(
            matches!(garbage, Err(HeadError::Malformed(_))),
            "{garbage:?}"
        );
        let garbage = read_bytes(b"hello there\r\n\r\n").await;
        assert!(
            matches!(garbage, Err(HeadError::Malformed(_))),
            "{garbage:?}"
        );
        let http2 = read_bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(matches!(http2, Err(HeadError::Version)), "{http2:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn cuts_off_half_a_head_at_the_limit() {
        let t0 = Instant::now();
        let (mut client, mut server) = duplex(64);
        client.write_all(b"GET / HT").await.expect("fits");
        assert_eq!(
            read(&mut server, LIMIT).await.unwrap_err(),
            HeadError::TimedOut
        );
        assert_eq!(t0.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_a_head_without_end() {
        let long = [
            b"GET / HTTP/1.1\r\nCookie: ".as_slice(),
            &vec![b'a'; 1 << 19],
        ]
        .concat();
        assert_eq!(read_bytes(&long).await.unwrap_err(), HeadError::TooLong);
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(MAX_HEADERS + 1)
        );
        assert_eq!(
            read_bytes(many.as_bytes()).await.unwrap_err(),
            HeadError::TooManyHeaders
        );
    }

    #[tokio::test(start_paused = true)]
    async fn has_nobody_to_answer_where_nothing_came() {
        let (client, mut server) = duplex(64);
        assert_eq!(read(&mut server, LIMIT).await.unwrap_err(), HeadError::Gone);
        drop(client);
        assert_eq!(read(&mut server, LIMIT).await.unwrap_err(), HeadError::Gone);
    }
}
