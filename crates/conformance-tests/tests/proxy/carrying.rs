//! X3: what is carried is not touched.

use std::num::Wrapping;

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::happens;
use conformance_tests::servers::Port;
use conformance_tests::wire::Wire;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::upstream::Upstream;

const MIB: u64 = 1024 * 1024;

/// How much the process may use in all: a tenth of what is sent through it.
const MEMORY: u64 = 24 * MIB;

/// The real server, a client of it, and its connection at the upstream.
async fn connected(port: &Port) -> (Running, TcpStream, TcpStream) {
    let mut upstream = Upstream::on(port);
    let url = format!("ws://{}", port.address());
    let server = WsServer::new()
        .arguments(["--upstream", &url])
        .start()
        .await;
    let mut wire = Wire::upgrading(server.address()).await;
    let asked = upstream.opens().await;
    wire.opened().await;
    (server, wire.into_stream(), asked.stream)
}

/// A stream of frames with every kind of header, and payloads that never repeat at a distance of a
/// buffer's length.
struct Frames {
    masked: bool,
    state: Wrapping<u64>,
    left: u64,
}

impl Frames {
    fn new(masked: bool, bytes: u64) -> Self {
        Self {
            masked,
            state: Wrapping(bytes | u64::from(masked)),
            left: bytes,
        }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state * Wrapping(6_364_136_223_846_793_005) + Wrapping(1);
        self.state.0 >> 33
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.left == 0 {
            return None;
        }
        let length = match self.random() % 8 {
            0..4 => self.random() % 126,
            4 | 5 => self.random() % 5_000,
            6 => 65_530 + self.random() % 12,
            _ => self.random() % (MIB / 2),
        };
        // Fragments, data and pings, with the bits of extensions or without.
        let first = [0x01, 0x00, 0x80, 0x82, 0xc1, 0x89, 0x72][self.random() as usize % 7];
        let mask = if self.masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(mask | length as u8),
            126..0x1_0000 => {
                frame.push(mask | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend(length.to_be_bytes());
            }
        }
        if self.masked {
            frame.extend((self.random() as u32).to_be_bytes());
        }
        let payload = frame.len() + length as usize;
        while frame.len() < payload {
            frame.extend(self.random().to_le_bytes());
        }
        frame.truncate(payload);
        self.left = self.left.saturating_sub(frame.len() as u64);
        Some(frame)
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), mut frames: Frames) {
    while let Some(frame) = frames.next() {
        to.write_all(&frame).await.expect("it is read");
    }
}

/// Reads as many bytes as these frames have, and they are these.
async fn read(from: &mut (impl AsyncRead + Unpin), mut frames: Frames) {
    let mut seen = Vec::new();
    while let Some(frame) = frames.next() {
        seen.resize(frame.len(), 0);
        from.read_exact(&mut seen).await.expect("it is sent");
        assert!(seen == frame, "bytes are changed");
    }
}

/// So many bytes each way at once, the one side's frames masked and the other's not.
async fn carries(bytes: u64) {
    let port = Port::reserve();
    let (server, client, upstream) = connected(&port).await;
    let both = async |stream: TcpStream, masked| {
        let (mut from, mut to) = stream.into_split();
        let writing = tokio::spawn(async move {
            write(&mut to, Frames::new(masked, bytes)).await;
            to
        });
        let reading = tokio::spawn(async move {
            read(&mut from, Frames::new(!masked, bytes)).await;
            from
        });
        // Open until both are through: there is no half-closed WebSocket.
        (
            writing.await.expect("it is read"),
            reading.await.expect("byte for byte"),
        )
    };
    let all = async { tokio::join!(both(client, true), both(upstream, false)) };
    // A gibibyte in a debug build takes its time.
    if bytes > 64 * MIB {
        all.await;
    } else {
        happens("all is carried", all).await;
    }
    if let Some(peak) = server.peak_memory() {
        println!("{} MiB each way, {} KiB at most", bytes / MIB, peak / 1024);
        assert!(peak < MEMORY, "{peak}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x3_messages_both_ways_at_once_arrive_byte_for_byte() {
    carries(64 * MIB).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute and a core: run by hand"]
async fn a_gibibyte_both_ways_at_once_arrives_byte_for_byte() {
    carries(1024 * MIB).await;
}

/// Whoever does not read slows the other side down, and costs nobody's memory.
#[tokio::test]
async fn x3_a_side_that_does_not_read_stops_the_other_and_takes_no_memory() {
    for client_reads in [false, true] {
        let port = Port::reserve();
        let (server, client, upstream) = connected(&port).await;
        let (writer, reader, masked) = if client_reads {
            (upstream, client, false)
        } else {
            (client, upstream, true)
        };
        let mut frames = Frames::new(masked, 256 * MIB);
        let mut sent = 0;
        let mut frame = Vec::new();
        // Nobody reads: it ends when the systems' buffers and ours are full. There is no event for that.
        loop {
            if frame.is_empty() {
                frame = frames.next().expect("it stops before all is written");
            }
            let room = tokio::time::timeout(super::ms(1000), writer.writable());
            if room.await.is_err() {
                break;
            }
            if let Ok(written) = writer.try_write(&frame) {
                frame.drain(..written);
                sent += written as u64;
            }
        }
        if let Some(peak) = server.peak_memory() {
            assert!(peak < MEMORY, "{peak} after {sent}");
        }
        // And then all of it is there.
        let (mut reader, mut writer) = (reader, writer);
        let reading = read(&mut reader, Frames::new(masked, 256 * MIB));
        let writing = async {
            writer.write_all(&frame).await.expect("it is read");
            write(&mut writer, frames).await;
        };
        tokio::join!(reading, writing);
        if let Some(peak) = server.peak_memory() {
            assert!(peak < MEMORY, "{peak} in the end");
        }
    }
}
