//! S7: a client that leaves while it is held frees its place, however it leaves.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use conformance_tests::client::{Asked, frame, text_frame, upgrade};
use conformance_tests::network::{Memory, memory};
use conformance_tests::startup::Hand;
use startup_phases::Phase;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::sleep;
use ws_server::settings::HoldMode;
use ws_server::{Connection, Transport};

use super::*;

/// Held in one of the two ways, for as long as it takes: only its leaving can end it.
async fn early(hold: HoldMode) -> (Running<SocketAddr>, Hand) {
    Running::early_on_tcp(|it| {
        it.queue.hold = hold;
        it.queue.max_size = 1;
        it.queue.max_wait = secs(86_400);
    })
    .await
}

/// A client that is held, and has sent these bytes early.
async fn held(server: &Running<SocketAddr>, hold: HoldMode, early: &[u8]) -> TcpStream {
    let mut asked = server.dial().await;
    let mut stream = match hold {
        HoldMode::Upgrade => asked.into_stream(),
        // Unread, its 101 would make every end a reset.
        HoldMode::Frames => {
            assert_eq!(happens(asked.answer()).await.status, 101);
            asked.into_stream()
        }
    };
    let sent = stream.write_all(early).await;
    sent.expect("the server takes what is sent early");
    happens(server.holds(1)).await;
    stream
}

/// What a client may have sent before it leaves: nothing, little, and more than is ever read ahead,
/// though not so much that TCP keeps the end of it, and with that the leaving, on the client's side.
fn early_bytes() -> [Vec<u8>; 3] {
    [
        Vec::new(),
        text_frame("early"),
        frame(0x82, &[0; 50_000]).repeat(2),
    ]
}

async fn is_noticed(server: &Running<SocketAddr>) {
    happens(server.shows("/queue/abandoned", 1)).await;
    assert_eq!(server.size().await, 0);
}

#[tokio::test]
async fn s7_a_client_that_shuts_its_side_while_held_frees_its_place() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        for bytes in early_bytes() {
            let (server, _hand) = early(hold).await;
            let mut stream = held(&server, hold, &bytes).await;
            // Half closed: it would still read.
            stream.shutdown().await.unwrap();
            is_noticed(&server).await;
        }
    }
}

#[tokio::test]
async fn s7_a_client_that_closes_while_held_frees_its_place() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        for bytes in early_bytes() {
            let (server, _hand) = early(hold).await;
            drop(held(&server, hold, &bytes).await);
            is_noticed(&server).await;
        }
    }
}

#[tokio::test]
async fn s7_a_client_that_resets_while_held_frees_its_place() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        for bytes in early_bytes() {
            let (server, _hand) = early(hold).await;
            let stream = held(&server, hold, &bytes).await;
            stream.set_zero_linger().unwrap();
            drop(stream);
            is_noticed(&server).await;
        }
    }
}

#[tokio::test]
async fn s7_the_place_that_was_freed_is_the_next_ones() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let (server, mut hand) = early(hold).await;
        for _ in 0..10 {
            drop(held(&server, hold, b"").await);
            happens(server.holds(0)).await;
        }
        let mut asked = server.dial().await;
        happens(server.holds(1)).await;
        asked.sends(&text_frame("still here")).await;
        hand.finish(Phase::Services);
        let mut client = happens(asked.client()).await;
        assert_eq!(happens(client.hears_text()).await, "still here");
        assert_eq!(server.status().await["queue"]["abandoned"], 10);
    }
}

#[tokio::test]
async fn s7_those_who_stay_are_served_in_order_past_those_who_left() {
    let (server, mut hand) = Running::early_on_tcp(|_| {}).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(happens(server.held()).await);
    }
    let mut number = 0;
    held.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    happens(server.holds(10)).await;
    hand.finish(Phase::Services);
    for held in held {
        happens(async { held.client().await.is_echoed("hello").await }).await;
    }
    let status = server.status().await;
    assert_eq!(
        (&status["queue"]["admitted"], &status["queue"]["abandoned"]),
        (&10.into(), &10.into())
    );
}

#[tokio::test(start_paused = true)]
async fn s7_one_that_leaves_at_the_very_moment_of_its_admission_is_not_served() {
    let (served, mut hears) = mpsc::unbounded_channel();
    let (startup, mut hand) = by_hand([Phase::Services]);
    let builder = server(|_| {}).startup(startup.build().unwrap()).handler(
        move |mut connection: Connection| {
            let served = served.clone();
            async move {
                while let Some(message) = connection.recv().await {
                    let _ = served.send(message);
                }
            }
        },
    );
    let server = Running::in_memory(builder);
    let leaves = server.held().await;
    let stays = server.held().await;
    // The server's tasks learn of both in the same turn.
    drop(leaves);
    hand.finish(Phase::Services);
    let mut stays = stays.client().await;
    stays.says("hello").await;
    assert_eq!(hears.recv().await.unwrap().as_text(), Some("hello"));
    server.shows("/connections/live", 1).await;
    let queue = &server.status().await["queue"];
    assert_eq!((&queue["size"], &queue["entered"]), (&0.into(), &2.into()));
}

#[tokio::test(start_paused = true)]
async fn s7_what_was_sent_early_hides_no_leaving_while_it_is_read() {
    for hold in [HoldMode::Upgrade, HoldMode::Frames] {
        let (server, _hand) = Running::early(|it| it.queue.hold = hold);
        let mut asked = server.dial().await;
        server.holds(1).await;
        asked.sends(&text_frame("early")).await;
        drop(asked);
        let noticed = when(server.shows("/queue/abandoned", 1)).await;
        assert_eq!(noticed, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn s7_64_kib_are_read_from_one_who_is_held_and_no_more() {
    const WINDOW: usize = 1024;
    let (server, _hand) = Running::early(|_| {});
    let stream = server.network.connect_through(WINDOW);
    let mut asked = Asked::with(stream, upgrade("/ws", &[])).await;
    server.holds(1).await;
    let mut taken = 0;
    while let Ok(written) = timeout(secs(1), asked.stream().write(&[0; WINDOW])).await {
        taken += written.unwrap();
    }
    // The last read may go beyond it, and a window more is on its way.
    let read = taken - WINDOW;
    assert!((65_536..65_536 + WINDOW).contains(&read), "{read}");
}

/// A stream whose client's leaving shows only to those who look for it.
struct Silent {
    stream: DuplexStream,
    left: Arc<AtomicBool>,
}

impl Transport for Silent {
    fn peer_has_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }
}

impl AsyncRead for Silent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Silent {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn s7_unread_early_bytes_hide_a_leaving_for_one_look_of_250_ms_at_most() {
    let messages = frame(0x82, &[0; 50_000]).repeat(6);
    // Nothing is read behind a ping whose pong finds no room.
    let pings = frame(0x89, &[0; 125]).repeat(100);
    for (hold, early, window) in [
        (HoldMode::Upgrade, &messages, 1 << 20),
        (HoldMode::Frames, &messages, 1 << 20),
        (HoldMode::Frames, &pings, 4096),
    ] {
        let (network, listener): (Memory<Silent>, _) = memory();
        let (startup, _hand) = by_hand([Phase::Services]);
        let builder = server(|it| it.queue.hold = hold).startup(startup.build().unwrap());
        let server = Running::on(network, builder, listener);

        let (client, stream) = duplex(window);
        let left = Arc::new(AtomicBool::new(false));
        let silent = Silent {
            stream,
            left: Arc::clone(&left),
        };
        server.network.hand_over(silent, Ipv4Addr::LOCALHOST.into());
        let mut asked = Asked::with(client, upgrade("/ws", &[])).await;
        // As far as there is room.
        let _ = timeout(secs(1), asked.stream().write_all(early)).await;
        sleep(ms(4_321)).await;
        left.store(true, Ordering::Relaxed);
        // There is room for more bytes until the server lets go of its end.
        let let_go = when(async {
            while asked.stream().write_all(&[0]).await.is_ok() {
                sleep(ms(1)).await;
            }
        });
        let let_go = let_go.await;
        assert!(let_go <= ms(251), "{let_go:?}");
    }
}
