//! A crowd that was held comes out of the gate no faster than what is behind it can take.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use conformance_tests::happens;
use conformance_tests::running::{Running, server};
use conformance_tests::servers::Port;
use conformance_tests::startup::by_hand;
use startup_phases::Phase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use ws_server::settings::{HandlerKind, Settings};
use ws_server::{Closed, Connection};

use super::ms;

const CLIENTS: usize = 40;
const IN_FLIGHT: usize = 3;

/// The answer to the key that all our clients send.
const OPENED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A replica that has just come up: gives out the requests as they come, unanswered.
async fn replica(
    listener: TcpListener,
    unanswered: Arc<AtomicUsize>,
    asked: UnboundedSender<TcpStream>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (unanswered, asked) = (Arc::clone(&unanswered), asked.clone());
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                // Without a request it is the monitor, which only looks whether somebody is there.
                let Ok(1..) = stream.read_buf(&mut head).await else {
                    return;
                };
            }
            unanswered.fetch_add(1, Ordering::SeqCst);
            // The test may be over.
            let _ = asked.send(stream);
        });
    }
}

async fn next(asked: &mut UnboundedReceiver<TcpStream>) -> TcpStream {
    let stream = happens("the replica is asked", asked.recv()).await;
    stream.expect("it listens")
}

/// KEDA's: the first replica gets everyone at once, and is never seen again.
#[tokio::test]
async fn q5_x2_the_first_replica_never_has_more_to_answer_than_it_may() {
    let port = Port::reserve();
    let mut settings = Settings::default();
    settings.server.handler = HandlerKind::Proxy;
    settings.server.path = "*".to_owned();
    settings.proxy.upstream = format!("ws://{}", port.address());
    settings.queue.release_in_flight = IN_FLIGHT;
    let proxy = settings.proxy.clone();
    let builder = server(|it| *it = settings).proxy(&proxy);
    let server = Running::on_tcp(builder.expect("an address")).await;
    let mut held = Vec::new();
    for _ in 0..CLIENTS {
        held.push(server.held().await);
    }

    let unanswered = Arc::new(AtomicUsize::new(0));
    let (sender, mut asked) = unbounded_channel();
    tokio::spawn(replica(port.open(), Arc::clone(&unanswered), sender));
    let mut served = Vec::new();
    let mut waiting = VecDeque::<TcpStream>::new();
    for answered in 0..CLIENTS {
        // As many as may be there come before any is answered.
        while waiting.len() < IN_FLIGHT.min(CLIENTS - answered) {
            waiting.push_back(next(&mut asked).await);
        }
        let crowd = unanswered.load(Ordering::SeqCst);
        assert!(crowd <= IN_FLIGHT, "{crowd} at once");
        let mut first = waiting.pop_front().expect("somebody waits");
        unanswered.fetch_sub(1, Ordering::SeqCst);
        first.write_all(OPENED).await.expect("the proxy reads");
        served.push(first);
    }
    for held in held {
        held.client().await.hears_nothing();
    }
    server.shows("/queue/admitted", CLIENTS as u64).await;
}

#[tokio::test(start_paused = true)]
async fn q5_handlers_begin_no_faster_than_they_may() {
    let (startup, mut hand) = by_hand([Phase::Services]);
    let (tell, mut began) = unbounded_channel();
    let handler = move |mut connection: Connection| {
        let _ = tell.send(Instant::now());
        async move {
            while connection.recv().await.is_some() {}
            Ok::<_, Closed>(())
        }
    };
    let builder = server(|it| it.queue.release_per_second = 8);
    let builder = builder.startup(startup.build().expect("one step"));
    let server = Running::in_memory(builder.handler(handler));
    let mut held = Vec::new();
    for _ in 0..CLIENTS {
        held.push(server.held().await);
    }
    hand.finish(Phase::Services);
    let released = Instant::now();
    for number in 0..CLIENTS {
        let began = began.recv().await.expect("all are served") - released;
        assert_eq!(began, ms(125) * number as u32);
    }
    assert!(released.elapsed() > Duration::from_secs(4));
    drop(held);
}
