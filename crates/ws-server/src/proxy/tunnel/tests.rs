//! What both ends see of a tunnel that is told to stop, byte by byte.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::super::frames::WHOLE;
use super::*;
use crate::drain::{Drain, Schedule};
use crate::journal::Journal;
use crate::metrics::Traffic;

const WINDOW: usize = 256 * 1024;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A message, as the upstream sends it; as long a one is passed on in pieces.
fn message(payload: usize) -> Vec<u8> {
    let mut frame = vec![0x82, 127];
    frame.extend((payload as u64).to_be_bytes());
    frame.resize(10 + payload, 7);
    frame
}

fn goodbye(code: u16) -> Vec<u8> {
    close_frame(code, Masked::No)
}

/// The same from the client's side.
fn masked_goodbye(code: u16) -> Vec<u8> {
    close_frame(code, Masked::Yes)
}

/// Both ends of a tunnel at work, which has 8 s once it is told to stop.
struct Ends {
    client: DuplexStream,
    upstream: DuplexStream,
    drain: Drain,
    journal: Arc<Journal>,
    tunnel: JoinHandle<()>,
}

impl Ends {
    fn new() -> Self {
        let (client, from_client) = duplex(WINDOW);
        let (upstream, from_upstream) = duplex(WINDOW);
        let drain = Drain::default();
        let from_client = (from_client, BytesMut::new());
        let from_upstream = (from_upstream, BytesMut::new());
        let visit = Visit::alone();
        let journal = visit.journal();
        let tunnel = Tunnel::new(from_client, from_upstream, drain.watch(1), visit);
        Self {
            client,
            upstream,
            drain,
            journal,
            tunnel: tokio::spawn(tunnel.run()),
        }
    }

    /// Tells it to stop with 1001.
    async fn stop(&self) {
        let now = Instant::now();
        let schedule = Schedule::spread(CloseCode::Away, now, now + secs(8), 1);
        let told = timeout(Duration::from_millis(1), self.drain.tell(&schedule));
        assert!(told.await.is_err() && self.drain.untold() == 0);
    }

    /// The tunnel ends; what each side was sent last, before its stream ended.
    async fn rest(mut self) -> (Vec<u8>, Vec<u8>) {
        let mut rest = (Vec::new(), Vec::new());
        let (down, up) = (
            self.client.read_to_end(&mut rest.0),
            self.upstream.read_to_end(&mut rest.1),
        );
        let (down, up, tunnel) = tokio::join!(down, up, self.tunnel);
        tunnel.expect("no panic");
        assert!(down.is_ok() && up.is_ok());
        rest
    }
}

/// The next bytes, as many as are expected.
async fn next(stream: &mut DuplexStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.expect("so many bytes");
    bytes
}

async fn send(stream: &mut DuplexStream, bytes: &[u8]) {
    stream.write_all(bytes).await.expect("it is read");
}

#[tokio::test(start_paused = true)]
async fn what_the_upstream_still_says_comes_before_the_close_of_the_client() {
    let mut ends = Ends::new();
    send(&mut ends.client, b"\x81\x80\0\0\0\0").await;
    ends.stop().await;
    let sent = next(&mut ends.upstream, 6 + 8).await;
    assert_eq!(
        sent,
        [&b"\x81\x80\0\0\0\0"[..], &masked_goodbye(1001)].concat()
    );
    sleep(secs(1)).await;
    // Its stream is not ended before it has answered, with a code of its own.
    let begun = Instant::now();
    send(&mut ends.upstream, &message(100)).await;
    sleep(secs(1)).await;
    send(&mut ends.upstream, &goodbye(1000)).await;
    assert_eq!(next(&mut ends.client, 110).await, message(100));
    assert_eq!(next(&mut ends.client, 4).await, goodbye(1001));
    assert_eq!(begun.elapsed(), secs(1));
    send(&mut ends.client, &masked_goodbye(1001)).await;
    assert_eq!(ends.rest().await, (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_never_answers_is_waited_for_half_of_the_time() {
    let mut ends = Ends::new();
    let begun = Instant::now();
    ends.stop().await;
    send(&mut ends.upstream, &message(100)).await;
    assert_eq!(next(&mut ends.client, 110).await, message(100));
    assert_eq!(next(&mut ends.client, 4).await, goodbye(1001));
    assert_eq!(begun.elapsed(), secs(4));
    assert_eq!(ends.rest().await, (vec![], masked_goodbye(1001)));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_breaks_off_during_the_stop_counts_as_ours() {
    let mut ends = Ends::new();
    ends.stop().await;
    drop(ends.upstream);
    assert_eq!(next(&mut ends.client, 4).await, goodbye(1001));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_breaks_off_is_a_restart_to_the_client() {
    let mut ends = Ends::new();
    send(&mut ends.upstream, &message(100)).await;
    send(&mut ends.upstream, &message(100)[..50]).await;
    drop(ends.upstream);
    let whole = [message(100), goodbye(1012)].concat();
    assert_eq!(next(&mut ends.client, 114).await, whole);
}

#[tokio::test(start_paused = true)]
async fn a_large_message_of_the_client_is_finished_before_the_goodbye() {
    let large = WHOLE as usize + 1;
    let mut bytes = message(large);
    bytes[1] |= 0x80;
    bytes.splice(10..10, [0; 4]);
    let (first, second) = bytes.split_at(1000);
    let mut ends = Ends::new();
    send(&mut ends.client, first).await;
    assert_eq!(next(&mut ends.upstream, 1000).await, first);
    ends.stop().await;
    sleep(secs(1)).await;
    // And nothing that comes behind it is passed on.
    send(&mut ends.client, second).await;
    send(&mut ends.client, b"\x81\x80\0\0\0\0").await;
    assert_eq!(next(&mut ends.upstream, second.len()).await, second);
    assert_eq!(next(&mut ends.upstream, 8).await, masked_goodbye(1001));
    send(&mut ends.upstream, &goodbye(1001)).await;
    assert_eq!(ends.rest().await, (goodbye(1001), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_large_message_of_the_upstream_is_finished_before_the_close() {
    let bytes = message(WHOLE as usize + 1);
    let (first, second) = bytes.split_at(1000);
    let mut ends = Ends::new();
    send(&mut ends.upstream, first).await;
    ends.stop().await;
    // Longer than it is waited for: there is no other place for a close.
    sleep(secs(5)).await;
    send(&mut ends.upstream, second).await;
    assert_eq!(next(&mut ends.client, bytes.len()).await, bytes);
    assert_eq!(next(&mut ends.client, 4).await, goodbye(1001));
}

#[tokio::test(start_paused = true)]
async fn a_small_message_that_is_not_complete_gives_way_to_the_close() {
    let mut ends = Ends::new();
    send(&mut ends.upstream, &message(100)[..50]).await;
    send(&mut ends.client, b"\x81\x85\0\0\0\0hel").await;
    ends.stop().await;
    send(&mut ends.upstream, &message(100)[50..]).await;
    assert_eq!(next(&mut ends.upstream, 8).await, masked_goodbye(1001));
    assert_eq!(next(&mut ends.client, 110).await, message(100));
    assert_eq!(next(&mut ends.client, 4).await, goodbye(1001));
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_has_begun_is_left_alone() {
    let mut ends = Ends::new();
    send(&mut ends.client, &masked_goodbye(4000)).await;
    assert_eq!(next(&mut ends.upstream, 8).await, masked_goodbye(4000));
    ends.stop().await;
    send(&mut ends.upstream, &goodbye(4000)).await;
    drop(ends.upstream);
    assert_eq!(next(&mut ends.client, 4).await, goodbye(4000));
    let mut rest = Vec::new();
    ends.client.read_to_end(&mut rest).await.expect("an end");
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_nobody_answers_is_answered_by_us() {
    let mut ends = Ends::new();
    send(&mut ends.client, &masked_goodbye(4000)).await;
    ends.stop().await;
    let begun = Instant::now();
    assert_eq!(ends.rest().await, (goodbye(1001), masked_goodbye(4000)));
    assert!(begun.elapsed() <= secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_given_up() {
    let mut ends = Ends::new();
    let begun = Instant::now();
    let flood = message(2 * WINDOW);
    let flooding = async {
        let _ = ends.upstream.write_all(&flood).await;
    };
    let _ = timeout(secs(1), flooding).await;
    ends.stop().await;
    ends.tunnel.await.expect("no panic");
    assert!(begun.elapsed() <= secs(12), "{:?}", begun.elapsed());
    let _ = ends.client.shutdown().await;
}

/// What is counted of a tunnel once it has ended.
async fn counted(ends: Ends) -> (Vec<(&'static str, By, u64)>, [Traffic; 2]) {
    let Ends {
        client,
        upstream,
        journal,
        tunnel,
        ..
    } = ends;
    drop((client, upstream));
    tunnel.await.expect("no panic");
    let (received, sent) = journal.metrics.traffic();
    (journal.metrics.closes(), [received, sent])
}

fn closed(code: &'static str, by: By) -> Vec<(&'static str, By, u64)> {
    vec![(code, by, 1)]
}

#[tokio::test(start_paused = true)]
async fn whoever_says_goodbye_first_has_closed_it_with_its_code() {
    let mut ends = Ends::new();
    // Masked, as clients' frames are: 1000 under this mask.
    send(&mut ends.client, b"\x88\x82\x11\x22\x33\x44\x12\xca").await;
    send(&mut ends.upstream, &goodbye(4001)).await;
    next(&mut ends.upstream, 8).await;
    assert_eq!(counted(ends).await.0, closed("1000", By::Client));

    let mut ends = Ends::new();
    send(&mut ends.upstream, &goodbye(4001)).await;
    next(&mut ends.client, 4).await;
    assert_eq!(counted(ends).await.0, closed("4000-4999", By::Upstream));

    let mut ends = Ends::new();
    ends.stop().await;
    send(&mut ends.upstream, &goodbye(1000)).await;
    next(&mut ends.client, 4).await;
    assert_eq!(counted(ends).await.0, closed("1001", By::Server));
}

#[tokio::test(start_paused = true)]
async fn whoever_breaks_off_first_is_told_apart() {
    let mut ends = Ends::new();
    ends.client.shutdown().await.expect("the tunnel reads");
    ends.upstream
        .read_to_end(&mut Vec::new())
        .await
        .expect("its end");
    assert_eq!(counted(ends).await.0, closed("1006", By::Client));

    let mut ends = Ends::new();
    ends.upstream.shutdown().await.expect("the tunnel reads");
    assert_eq!(next(&mut ends.client, 4).await, goodbye(1012));
    assert_eq!(counted(ends).await.0, closed("1012", By::Upstream));

    // There is no room for a close inside a frame: all that the client sees is the end.
    let mut ends = Ends::new();
    let cut = &message(WHOLE as usize + 1)[..1000];
    send(&mut ends.upstream, cut).await;
    next(&mut ends.client, cut.len()).await;
    ends.upstream.shutdown().await.expect("the tunnel reads");
    let rest = ends.client.read_to_end(&mut Vec::new()).await;
    assert_eq!(rest.expect("its end"), 0);
    assert_eq!(counted(ends).await.0, closed("1006", By::Upstream));
}

#[tokio::test(start_paused = true)]
async fn messages_are_counted_with_their_payloads_and_control_frames_are_not() {
    let mut ends = Ends::new();
    send(&mut ends.upstream, &message(WHOLE as usize + 1)).await;
    send(&mut ends.upstream, b"\x01\x02ab\x89\x01!\x80\x01c").await;
    send(&mut ends.client, b"\x81\x83\0\0\0\0abc").await;
    next(&mut ends.upstream, 9).await;
    next(&mut ends.client, 10 + WHOLE as usize + 1 + 4 + 3 + 3).await;
    let traffic = |messages, bytes| Traffic { messages, bytes };
    let [received, sent] = counted(ends).await.1;
    assert_eq!(received, traffic(1, 3));
    assert_eq!(sent, traffic(2, WHOLE + 1 + 3));
}
