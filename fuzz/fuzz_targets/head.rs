//! The request head: any bytes, in any pieces, from a client that ends or falls silent.
//!
//! The first line of an input says how the bytes behind it come ([`piece_ends`]); with an `s` in front
//! the client falls silent behind them instead of closing.
//!
//! What must hold: the outcome does not depend on the pieces; no more than the longest head is read
//! before there is an answer, and no byte behind it is lost; what is written is one whole HTTP answer;
//! and whoever gets a 101 has asked for it by RFC 6455.

#![no_main]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use ws_server::fuzzing::{Asked, first_request};
use ws_server::{Request, Transport};
use ws_server_fuzz::{first_line, piece_ends};

/// The longest head.
const MAX_HEAD: usize = 16 * 1024;

const LIMIT: Duration = Duration::from_secs(3);

fuzz_target!(|input: &[u8]| {
    let (how, stream) = first_line(input);
    let falls_silent = how.first() == Some(&b's');
    let whole = asked(stream, vec![stream.len()], falls_silent);
    let pieces = asked(stream, piece_ends(how, stream.len()), falls_silent);
    assert_eq!(whole.outcome, pieces.outcome);
    assert_eq!(whole.answer, pieces.answer);
    for seen in [whole, pieces] {
        check(stream, &seen);
    }
});

#[derive(Debug, PartialEq)]
enum Outcome {
    Accepted {
        target: String,
        fields: Vec<String>,
        /// All that came behind the head.
        behind: Vec<u8>,
    },
    Plain,
    Refused,
}

struct Seen {
    outcome: Outcome,
    answer: Vec<u8>,
    /// How much was read before anything was written.
    read: usize,
}

/// What becomes of a client that sends `stream` in pieces with these ends.
fn asked(stream: &[u8], ends: Vec<usize>, falls_silent: bool) -> Seen {
    thread_local! {
        // Time stands still, and jumps where nothing else can happen.
        static RUNTIME: Runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("nothing is needed from the system");
    }
    let client = Arc::new(Mutex::new(Client {
        stream: stream.to_vec(),
        ends,
        falls_silent,
        read: 0,
        read_at_answer: None,
        answer: Vec::new(),
    }));
    let asked = RUNTIME.with(|it| it.block_on(first_request(Wire(Arc::clone(&client)), LIMIT)));
    let client = client.lock();
    let unread = &client.stream[client.read..];
    let outcome = match asked {
        Asked::Accepted { request, early } => Outcome::Accepted {
            target: request.target().to_owned(),
            fields: fields(&request),
            behind: [&early, unread].concat(),
        },
        Asked::Plain(read) => {
            assert_eq!([&read, unread].concat(), stream, "bytes are lost");
            Outcome::Plain
        }
        Asked::Refused => Outcome::Refused,
    };
    Seen {
        outcome,
        answer: client.answer.clone(),
        read: client.read_at_answer.unwrap_or(client.read),
    }
}

/// Everything a handler can ask of a request, so that asking is tried, too.
fn fields(request: &Request) -> Vec<String> {
    let names = ["host", "Origin", "connection", "sec-websocket-protocol", ""];
    let mut fields = vec![
        request.path().to_owned(),
        format!("{:?} {request:?}", request.query()),
    ];
    fields.extend(
        names
            .iter()
            .flat_map(|name| request.headers(name))
            .map(str::to_owned),
    );
    fields.extend(request.subprotocols().map(str::to_owned));
    fields
}

fn check(stream: &[u8], seen: &Seen) {
    assert!(seen.read <= MAX_HEAD, "{} bytes read", seen.read);
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut answer = httparse::Response::new(&mut fields);
    let length = match answer.parse(&seen.answer) {
        Ok(httparse::Status::Complete(length)) => Some(length),
        Ok(httparse::Status::Partial) if seen.answer.is_empty() => None,
        other => panic!("no answer: {other:?}"),
    };
    let field = |name: &str| {
        let found = answer
            .headers
            .iter()
            .find(|it| it.name.eq_ignore_ascii_case(name));
        found.map(|it| std::str::from_utf8(it.value).expect("text"))
    };
    match &seen.outcome {
        Outcome::Plain => assert_eq!(length, None),
        Outcome::Refused => {
            if let Some(head) = length {
                let (code, body) = (answer.code.expect("a code"), field("content-length"));
                assert!((400..600).contains(&code), "{code}");
                assert_eq!(body, Some((seen.answer.len() - head).to_string().as_str()));
            }
        }
        Outcome::Accepted { behind, .. } => {
            assert_eq!((answer.code, length), (Some(101), Some(seen.answer.len())));
            assert!(field("sec-websocket-accept").is_some_and(|accept| accept.len() == 28));
            let head = stream
                .strip_suffix(behind.as_slice())
                .expect("bytes are lost");
            let asked = asks_for_a_websocket(head, field("sec-websocket-protocol"));
            assert!(asked, "{}", String::from_utf8_lossy(head));
        }
    }
}

/// Whether a head asks for a WebSocket by RFC 6455, section 4.2.1, and offers this subprotocol. Read as
/// naively as can be.
fn asks_for_a_websocket(head: &[u8], subprotocol: Option<&str>) -> bool {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines().skip_while(|line| line.is_empty());
    let request = lines.next().unwrap_or_default();
    let fields: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        // What is not text is no value, but in the one list that is looked at as bytes.
        .filter(|(name, value)| name == "upgrade" || !value.contains(char::REPLACEMENT_CHARACTER))
        .collect();
    let values = |wanted: &'static str| {
        let fields = fields.iter().filter(move |(name, _)| name == wanted);
        fields.map(|(_, value)| *value)
    };
    let lists = |wanted, item: &str| {
        let mut items = values(wanted).flat_map(|value| value.split(','));
        items.any(|it| it.trim().eq_ignore_ascii_case(item))
    };
    let keys: Vec<&str> = values("sec-websocket-key").collect();
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    request.starts_with("GET ")
        && request.ends_with(" HTTP/1.1")
        && lists("connection", "upgrade")
        && lists("upgrade", "websocket")
        && values("sec-websocket-version").next() == Some("13")
        && matches!(keys[..], [key] if key.len() == 24 && key.ends_with("==") && key.chars().all(is_base64))
        && subprotocol.is_none_or(|it| lists("sec-websocket-protocol", it))
}

/// A client, and what it has got.
struct Client {
    stream: Vec<u8>,
    ends: Vec<usize>,
    falls_silent: bool,
    read: usize,
    read_at_answer: Option<usize>,
    answer: Vec<u8>,
}

/// The connection to it.
struct Wire(Arc<Mutex<Client>>);

impl Transport for Wire {
    fn peer_has_left(&self) -> bool {
        false
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut client = self.0.lock();
        let begin = client.read;
        let Some(&end) = client.ends.iter().find(|&&end| end > begin) else {
            return if client.falls_silent {
                Poll::Pending
            } else {
                Poll::Ready(Ok(()))
            };
        };
        let end = end.min(begin + buffer.remaining());
        buffer.put_slice(&client.stream[begin..end]);
        client.read = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut client = self.0.lock();
        let read = client.read;
        client.read_at_answer.get_or_insert(read);
        client.answer.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
