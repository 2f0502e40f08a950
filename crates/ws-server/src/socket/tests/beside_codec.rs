//! Whatever comes, in whatever pieces: the socket reads and answers what the codec alone would.

use std::io::Cursor;

use futures::FutureExt;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::super::*;

/// More than is ever sent or answered here.
const PLENTY: usize = 16 * 1024 * 1024;

/// The lowest limit.
const LARGEST: usize = 1000;

/// The first byte of a frame.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const LAST: u8 = 0x80;
const MORE: u8 = 0x00;
const GOODBYE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const NOT_FINAL: u8 = 0x7f;

/// What a client sends: a message in one frame or in several, or a control frame.
fn right() -> impl Strategy<Value = Vec<u8>> {
    let in_parts = (
        frame(kind().prop_map(|kind| kind & NOT_FINAL), lengths()),
        vec(prop_oneof![frame(Just(MORE), lengths()), control()], 0..4),
        frame(Just(LAST), lengths()),
    );
    prop_oneof![
        4 => frame(kind(), lengths()),
        2 => in_parts.prop_map(|(first, parts, last)| [first, parts.concat(), last].concat()),
        1 => control(),
    ]
}

/// What ends the conversation: a goodbye, or what no client may send.
fn last() -> impl Strategy<Value = Vec<u8>> {
    let short = || frame(kind(), 0..140usize);
    let begun = frame(kind().prop_map(|kind| kind & NOT_FINAL), 0..140usize);
    prop_oneof![
        frame(Just(GOODBYE), prop_oneof![Just(0), 0..130usize]),
        (begun, short()).prop_map(|(begun, inside)| [begun, inside].concat()),
        frame(kind().prop_map(|kind| kind | 0x40), 0..140usize),
        frame(any::<u8>(), 0..140usize),
        frame(kind(), LARGEST - 1..LARGEST + 2),
        frame(kind(), Just(150_000)),
        short().prop_map(|frame| [&frame[..1], &[5], b"plain"].concat()),
        (short(), 0..130usize).prop_map(|(frame, length)| frame[..length.min(frame.len())].into()),
        // No UTF-8, unless it is binary.
        short().prop_map(|mut frame| {
            *frame.last_mut().expect("it has a header") ^= 0x80;
            frame
        }),
    ]
}

fn kind() -> impl Strategy<Value = u8> {
    prop_oneof![Just(TEXT), Just(BINARY)]
}

fn control() -> impl Strategy<Value = Vec<u8>> {
    frame(prop_oneof![Just(PING), Just(PONG)], 0..126usize)
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        40 => 0..140usize,
        1 => Just(LARGEST),
        1 => Just(17_000),
        1 => 65_530..65_540usize,
    ]
}

fn frame(
    first: impl Strategy<Value = u8>,
    length: impl Strategy<Value = usize>,
) -> impl Strategy<Value = Vec<u8>> {
    // Its length is told in so many bytes, though fewer would do.
    let at_least = prop_oneof![8 => Just(0), 1 => Just(2), 1 => Just(8)];
    let mask = any::<[u8; 4]>();
    (first, length, mask, at_least).prop_map(|(first, length, mask, at_least)| {
        let mut frame = vec![first];
        match length {
            ..126 if at_least == 0 => frame.push(0x80 | length as u8),
            ..65_536 if at_least < 8 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        let letters = (b'a'..=b'z').cycle().zip(mask.into_iter().cycle());
        frame.extend(letters.take(length).map(|(letter, mask)| letter ^ mask));
        frame
    })
}

/// What comes of a stream: each message as it is shown, faults as well, and what is answered.
#[derive(Debug, PartialEq)]
struct Outcome {
    read: Vec<String>,
    answered: Vec<u8>,
}

fn shown(next: Result<Frame, Error>) -> String {
    match next {
        Ok(frame) => format!("{frame:?}"),
        Err(error) => format!("fault: {error}"),
    }
}

fn by_the_codec_alone(stream: &[u8], limits: &LimitSettings) -> Outcome {
    struct Both<'a>(Cursor<&'a [u8]>, Vec<u8>);
    impl Read for Both<'_> {
        fn read(&mut self, asked: &mut [u8]) -> io::Result<usize> {
            Read::read(&mut self.0, asked)
        }
    }
    impl Write for Both<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Write::write(&mut self.1, bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits.max_message_size))
        .max_frame_size(Some(limits.max_frame_size));
    let mut codec = WebSocketContext::new(Role::Server, Some(config));
    let mut both = Both(Cursor::new(stream), Vec::new());
    let mut read = Vec::new();
    loop {
        let next = match codec.read(&mut both) {
            Err(Error::ConnectionClosed) => break,
            next => next,
        };
        let is_over = next.is_err();
        read.push(shown(next));
        if is_over {
            break;
        }
    }
    let _ = codec.flush(&mut both);
    Outcome {
        read,
        answered: both.1,
    }
}

fn by_the_socket(stream: &[u8], mut cuts: Vec<usize>, limits: &LimitSettings) -> Outcome {
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    let mut pieces = cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]]);
    let early = Bytes::copy_from_slice(pieces.next().expect("there are two ends"));
    let (mut client, server) = duplex(PLENTY);
    let mut socket = Socket::new(server, early, limits);
    let mut read = Vec::new();
    let mut read_on = |socket: &mut Socket<_>| {
        while let Some(Some(next)) = socket.next().now_or_never() {
            read.push(shown(next));
        }
    };
    read_on(&mut socket);
    for piece in pieces {
        let written = client.write_all(piece).now_or_never();
        written.expect("there is room").expect("it is open");
        read_on(&mut socket);
    }
    let ended = client.shutdown().now_or_never();
    ended.expect("there is room").expect("it is open");
    read_on(&mut socket);
    let _ = socket.flush().now_or_never().expect("there is room");
    drop(socket);
    let mut answered = Vec::new();
    let read_all = client.read_to_end(&mut answered).now_or_never();
    read_all.expect("it has ended").expect("it is open");
    Outcome { read, answered }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_comes_in_whatever_pieces_is_read_as_the_codec_alone_would(
        right in vec(right(), 0..8),
        last in last(),
        cuts in vec(any::<Index>(), 0..12),
        byte_by_byte in prop::bool::weighted(0.2),
        max_frame_size in prop_oneof![1 => Just(LARGEST), 4 => Just(100_000)],
        max_message_size in prop_oneof![1 => Just(LARGEST), 4 => Just(200_000)],
    ) {
        let stream = [right.concat(), last].concat();
        let limits = LimitSettings { max_frame_size, max_message_size, ..LimitSettings::default() };
        let cuts = if byte_by_byte {
            (0..stream.len().min(4000)).collect()
        } else {
            cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect()
        };
        prop_assert_eq!(
            by_the_socket(&stream, cuts, &limits),
            by_the_codec_alone(&stream, &limits)
        );
    }
}
