mod beside_codec;

use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::lent::READ_AT_ONCE;

/// Binary, masked with zeros.
fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a frame of middle length");
    let mut frame = vec![0x82, 0x80 | 126];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn connected() -> (DuplexStream, Socket<DuplexStream>) {
    let (client, server) = duplex(1024 * 1024);
    let limits = LimitSettings::default();
    (client, Socket::new(server, Bytes::new(), &limits))
}

async fn binary(socket: &mut Socket<DuplexStream>) -> Bytes {
    match socket.next().await {
        Some(Ok(Frame::Binary(payload))) => payload,
        other => panic!("a binary message, not {other:?}"),
    }
}

#[tokio::test]
async fn every_byte_comes_once_and_in_order_whatever_comes_at_once() {
    let sent: Vec<Vec<u8>> = (0..200)
        .map(|n| vec![n as u8; n * 37 % 5000])
        .chain([vec![1; 3 * READ_AT_ONCE / 4], vec![2; 3 * READ_AT_ONCE / 4]])
        .collect();
    let stream: Vec<u8> = sent.iter().flat_map(|payload| frame(payload)).collect();
    for at_once in [1000, READ_AT_ONCE, stream.len()] {
        let (mut client, server) = duplex(at_once);
        let early = Bytes::copy_from_slice(&stream[..700]);
        let mut socket = Socket::new(server, early, &LimitSettings::default());
        let send = async { client.write_all(&stream[700..]).await.expect("it is open") };
        let receive = async {
            for payload in &sent {
                assert!(binary(&mut socket).await == payload[..]);
            }
        };
        tokio::join!(send, receive);
        drop(client);
        assert!(socket.next().await.is_some_and(|end| end.is_err()));
        assert!(socket.next().await.is_none() && socket.intake.is_empty());
    }
}

#[tokio::test]
async fn sockets_that_share_the_buffer_do_not_share_what_was_read() {
    let (mut clients, mut sockets): (Vec<_>, Vec<_>) = (0..3)
        .map(|_| duplex(READ_AT_ONCE))
        .map(|(client, server)| {
            let limits = LimitSettings::default();
            (client, Socket::new(server, Bytes::new(), &limits))
        })
        .unzip();
    for (name, client) in (1..).zip(&mut clients) {
        let both = [frame(&[name; 2000]), frame(&[name; 3000])].concat();
        client.write_all(&both).await.expect("there is room");
    }
    for length in [2000, 3000] {
        for (name, socket) in (1..).zip(&mut sockets) {
            assert!(binary(socket).await == vec![name; length]);
        }
    }
}

#[tokio::test]
async fn a_slow_reader_keeps_no_more_waiting_than_what_waits() {
    let (mut client, server) = duplex(16 * 1024);
    let mut socket = Socket::new(server, Bytes::new(), &LimitSettings::default());
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = vec![0; 8 * 1024];
    for _ in 0..500 {
        while socket.poll_ready(&mut cx).is_ready() && !socket.outgoing.is_full() {
            socket
                .send(Frame::binary(vec![7; 1000]))
                .expect("it is open");
        }
        assert!(socket.poll_flush(&mut cx).is_pending());
        client.read_exact(&mut read).await.expect("there is more");
    }
    assert!(socket.outgoing.memory() <= 4 * WRITE_BATCH);
}

#[tokio::test]
async fn a_large_message_leaves_no_memory_behind() {
    let (mut client, mut socket) = connected();
    client
        .write_all(&frame(&[7; 60_000]))
        .await
        .expect("there is room");
    let payload = binary(&mut socket).await;
    socket
        .send(Frame::Binary(payload.clone()))
        .expect("it is open");
    socket.flush().await.expect("there is room");
    assert!(payload.is_unique() && socket.outgoing.memory() == 0);
}

#[tokio::test]
async fn what_comes_in_parts_leaves_no_memory_behind() {
    let (mut client, mut socket) = connected();
    let message = frame(&[7; 30_000]);
    let (some, rest) = message.split_at(20_000);
    client.write_all(some).await.expect("there is room");
    assert!(socket.next().now_or_never().is_none() && socket.codec.is_some());
    client.write_all(rest).await.expect("there is room");
    assert_eq!(binary(&mut socket).await, vec![7; 30_000]);
    assert!(socket.codec.is_none() && socket.intake.is_empty());
}

#[tokio::test]
async fn a_goodbye_without_a_code_is_answered_and_is_the_end() {
    let (mut client, mut socket) = connected();
    let goodbye = [0x88, 0x80, 0, 0, 0, 0];
    client.write_all(&goodbye).await.expect("there is room");
    assert!(matches!(socket.next().await, Some(Ok(Frame::Close(None)))));
    // The client waits for our end of the stream and sends nothing more.
    assert!(matches!(socket.next().now_or_never(), Some(None)));
    drop(socket);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("it is open");
    assert_eq!(answer, [0x88, 0]);
}

#[tokio::test]
async fn a_ping_is_answered_with_the_next_flush() {
    let (mut client, mut socket) = connected();
    let ping = [0x89, 0x81, 0, 0, 0, 0, 7];
    client.write_all(&ping).await.expect("there is room");
    assert!(matches!(socket.next().await, Some(Ok(Frame::Ping(_)))));
    socket.flush().await.expect("there is room");
    let mut answer = [0; 3];
    let read = client.read_exact(&mut answer).now_or_never();
    read.expect("it is written").expect("it is open");
    assert_eq!(answer, [0x8a, 1, 7]);
}

#[tokio::test]
async fn a_pong_that_is_due_comes_before_our_goodbye() {
    let (mut client, mut socket) = connected();
    let ping = [0x89, 0x80, 0, 0, 0, 0];
    client.write_all(&ping).await.expect("there is room");
    assert!(matches!(socket.next().await, Some(Ok(Frame::Ping(_)))));
    socket
        .send(Frame::Close(None))
        .expect("nobody has said goodbye");
    socket.flush().await.expect("there is room");
    let mut answers = [0; 4];
    client.read_exact(&mut answers).await.expect("it is open");
    assert_eq!(answers, [0x8a, 0, 0x88, 0]);
}
