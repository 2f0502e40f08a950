//! X4: a close code, not a dead socket.

use std::io::ErrorKind;

use conformance_tests::client::{Asked, Client, frame, text_frame, upgrade};
use conformance_tests::happens;
use conformance_tests::running::Running;
use conformance_tests::servers::Port;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::upstream::{self, Upstream};
use super::{as_it_is, in_front_of};

/// A client and an upstream that have their WebSocket.
struct Pair {
    client: Asked<TcpStream>,
    asked: upstream::Asked,
    upstream: Upstream,
    server: Running<SocketAddr>,
    port: Port,
}

impl Pair {
    async fn new() -> Self {
        let port = Port::reserve();
        let mut upstream = Upstream::on(&port);
        let server = in_front_of(&port, as_it_is).await;
        let mut client = server.dial().await;
        let asked = upstream.opens().await;
        assert_eq!(client.answer().await.status, 101);
        Self {
            client,
            asked,
            upstream,
            server,
            port,
        }
    }

    /// The upstream sends `bytes` and is gone; gives all that the client gets.
    async fn loses_it_behind(mut self, bytes: &[u8], end: impl FnOnce(upstream::Asked)) -> Vec<u8> {
        self.asked.sends(bytes).await;
        // What was sent before a reset may be lost with it, unless it has been read.
        let mut seen = vec![0; passable(bytes)];
        let came = happens(
            "what can be passed on",
            self.client.stream().read_exact(&mut seen),
        );
        came.await.expect("whole frames");
        end(self.asked);
        seen.extend(happens("the end", self.client.rest()).await);
        seen
    }
}

/// How much of the bytes is passed on before more come: whole frames, and parts of large ones.
fn passable(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 2) {
        let long = |length: usize| {
            let bytes = bytes.get(at + 2..at + 2 + length)?;
            let length = bytes
                .iter()
                .fold(0, |sum, &byte| sum * 256 + usize::from(byte));
            Some((length, 2 + bytes.len()))
        };
        let header = match header[1] & 0x7f {
            126 => long(2),
            127 => long(8),
            short => Some((short.into(), 2)),
        };
        let Some((length, head)) = header else {
            return at;
        };
        match at + head + length {
            end if end <= bytes.len() => at = end,
            _ if length > 64 * 1024 => return bytes.len(),
            _ => return at,
        }
    }
    at
}

const LOST: &[u8] = &[0x88, 2, 0x03, 0xf4];

const ENDS: [fn(upstream::Asked); 2] = [drop, upstream::Asked::reset];

#[tokio::test]
async fn x4_between_two_frames_a_lost_upstream_is_a_1012() {
    for end in ENDS {
        for before in [&b""[..], b"\x81\x05hello", b"\x01\x03fra", b"\x89\x00"] {
            let seen = Pair::new().await.loses_it_behind(before, end).await;
            assert_eq!(seen, [before, LOST].concat());
        }
    }
}

#[tokio::test]
async fn x4_inside_a_small_frame_a_lost_upstream_is_a_1012() {
    let long = [&b"\x82\x7e\xff\xff"[..], &[7; 65_534]].concat();
    let longest = [&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &[7; 65_535]].concat();
    for end in ENDS {
        for part in [
            &b"\x81"[..],
            b"\x82\x7e\x01",
            b"\x81\x05hell",
            &long,
            &longest,
        ] {
            let before = b"\x81\x05hello";
            let bytes = [before, part].concat();
            let seen = Pair::new().await.loses_it_behind(&bytes, end).await;
            assert_eq!(seen, [&before[..], LOST].concat());
        }
    }
}

#[tokio::test]
async fn x4_inside_a_large_frame_the_connection_is_reset() {
    for end in ENDS {
        let part = [&b"\x82\x7f\0\0\0\0\0\x01\0\x01"[..], &[7; 65_536]].concat();
        let mut pair = Pair::new().await;
        pair.asked.sends(&part).await;
        let stream = pair.client.stream();
        let mut seen = vec![0; part.len()];
        let came = happens("the part", stream.read_exact(&mut seen));
        came.await.expect("the part");
        assert_eq!(seen, part);
        end(pair.asked);
        // Nothing is put into the middle of a frame.
        let error = happens("the end", stream.read(&mut [0])).await.err();
        assert_eq!(error.map(|it| it.kind()), Some(ErrorKind::ConnectionReset));
    }
}

#[tokio::test]
async fn x4_the_upstreams_own_close_is_passed_on_and_nothing_behind_it() {
    let close = b"\x88\x09\x0f\xa1goodbye";
    for end in ENDS {
        assert_eq!(Pair::new().await.loses_it_behind(close, end).await, close);
    }
}

#[tokio::test]
async fn x4_a_close_handshake_is_left_to_the_two() {
    let mut pair = Pair::new().await;
    let close = frame(0x88, &4001u16.to_be_bytes());
    pair.client.sends(&close).await;
    assert_eq!(pair.asked.reads(close.len()).await, close);
    pair.asked.sends(b"\x88\x02\x0f\xa1").await;
    drop(pair.asked);
    assert_eq!(
        happens("the end", pair.client.rest()).await,
        b"\x88\x02\x0f\xa1"
    );
    pair.server.shows("/connections/live", 0).await;
}

#[tokio::test]
async fn x4_a_client_that_is_lost_is_lost_to_the_upstream_too() {
    for reset in [false, true] {
        let mut pair = Pair::new().await;
        let sent = [text_frame("whole"), text_frame("part")[..5].to_vec()].concat();
        pair.client.sends(&sent).await;
        let whole = text_frame("whole");
        assert_eq!(pair.asked.reads(whole.len()).await, whole);
        if reset {
            let stream = pair.client.into_stream();
            stream.set_zero_linger().expect("an open socket");
        } else {
            drop(pair.client);
        }
        assert_eq!(pair.asked.rest().await, b"", "no half a frame");
        drop(pair.asked);
        pair.server.shows("/connections/live", 0).await;
    }
}

#[tokio::test]
async fn x2_x4_connected_clients_get_a_close_code_and_the_next_one_is_held() {
    let pair = Pair::new().await;
    pair.upstream.goes().await;
    drop(pair.asked);
    let mut client = pair.client;
    assert_eq!(happens("a close", client.rest()).await, LOST);
    let mut next = pair.server.held().await;
    next.is_unanswered();
    let mut upstream = Upstream::on(&pair.port);
    let mut asked = upstream.opens().await;
    let mut next: Client<TcpStream> = next.client().await;
    next.says("hello").await;
    assert_eq!(asked.reads(2).await, [0x81, 0x85]);
}

#[tokio::test]
async fn x4_many_clients_of_a_lost_upstream_all_get_their_close() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let (mut clients, mut asked) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        clients.push(server.ask(upgrade("/", &[])).await);
        asked.push(upstream.opens().await);
    }
    drop((upstream, asked));
    for client in clients {
        let (code, reason) = happens("a close", client.client().await.is_closed()).await;
        assert_eq!((code, &*reason), (1012, ""));
    }
    server.shows("/connections/live", 0).await;
}
