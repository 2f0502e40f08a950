//! The frame-boundary follower of the proxy: any bytes, in any pieces.
//!
//! The first line of an input says how the bytes behind it come ([`piece_ends`]), and by its first two
//! letters from which piece on nothing is passed on but what has been begun (`b`) or what comes before a
//! close frame (`c`): `c3` from the third. Among the bytes `0xf7 HIGH LOW` stands for so many `~`, so that
//! long payloads are short inputs.
//!
//! What must hold, against a reference that looks at the whole stream: exactly what is passed on is what
//! may be passed on, wherever the pieces end; a boundary is said to be where one is and nowhere else; and
//! whoever waits waits for more than there is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ws_server::fuzzing::{PassUntil, Passed, pass};
use ws_server_fuzz::{first_line, piece_ends};

/// Frames up to this size are passed on whole.
const WHOLE: u64 = 64 * 1024;

/// The longest header.
const HEADER: usize = 14;

const MANY: u8 = 0xf7;

/// Read as frames, many of these are a few large ones.
const FILLER: u8 = b'~';

/// The longest stream: several times the longest frame that is passed on whole.
const MAX_STREAM: usize = 256 * 1024;

fuzz_target!(|input: &[u8]| {
    let (how, coded) = first_line(input);
    let stream = stream(coded);
    let until = |piece| match how {
        [b'b', from, ..] if piece >= usize::from(from % 16) => PassUntil::Boundary,
        [b'c', from, ..] if piece >= usize::from(from % 16) => PassUntil::Close,
        _ => PassUntil::End,
    };
    let ends = piece_ends(how, stream.len()).into_iter().enumerate();
    let pieces: Vec<_> = ends.map(|(piece, end)| (end, until(piece))).collect();

    let reference = Reference::new(&stream);
    let mut before = 0;
    for (&(available, until), passed) in pieces.iter().zip(pass(&stream, pieces.iter().copied())) {
        reference.check(available, before, until, passed);
        before = passed.bytes;
    }
});

fn stream(coded: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut rest = coded;
    while stream.len() < MAX_STREAM {
        rest = match rest {
            [] => break,
            [MANY, high, low, rest @ ..] => {
                let many = u16::from_be_bytes([*high, *low]);
                stream.resize(stream.len() + usize::from(many), FILLER);
                rest
            }
            [byte, rest @ ..] => {
                stream.push(*byte);
                rest
            }
        };
    }
    stream
}

/// The whole stream, and where its frames begin; the last one may have no whole header, or lie beyond
/// the end.
struct Reference<'a> {
    stream: &'a [u8],
    begins: Vec<u128>,
    /// Of those, the close frames, a first byte being enough.
    closes: Vec<usize>,
}

impl<'a> Reference<'a> {
    fn new(stream: &'a [u8]) -> Self {
        let mut begins = vec![0];
        while let Some(&at) = begins.last()
            && at < stream.len() as u128
            && let Some((header, payload)) = frame(&stream[at as usize..])
        {
            begins.push(at + header as u128 + u128::from(payload));
        }
        let inside = begins.iter().filter(|&&at| at < stream.len() as u128);
        let begun = inside.map(|&at| at as usize);
        let closes = begun.filter(|&at| stream[at] & 0x0f == 8).collect();
        Self {
            stream,
            begins,
            closes,
        }
    }

    /// The first frame that begins here or later, if there is one: whoever looks inside a frame whose
    /// end is not known finds none.
    fn first_from(&self, at: usize) -> Option<&u128> {
        let behind = self.begins.partition_point(|&begin| begin < at as u128);
        self.begins.get(behind)
    }

    fn is_boundary(&self, at: usize) -> bool {
        self.first_from(at) == Some(&(at as u128))
    }

    /// How much may be passed on of so much, where nothing else stops it: all but a frame that is not
    /// whole, unless it is a large one.
    fn reach(&self, available: usize) -> usize {
        let behind = self
            .begins
            .partition_point(|&begin| begin <= available as u128);
        let begin = self.begins[behind - 1] as usize;
        let is_large = frame(&self.stream[begin..available]).is_some_and(|(_, it)| it > WHOLE);
        if is_large { available } else { begin }
    }

    /// Checks what is passed on of so much, `before` of which had been passed on before.
    fn check(&self, available: usize, before: usize, until: PassUntil, passed: Passed) {
        let reach = self.reach(available);
        let stop = match until {
            PassUntil::End => None,
            PassUntil::Boundary => self.first_from(before).and_then(|&it| it.try_into().ok()),
            PassUntil::Close => {
                let behind = self.closes.partition_point(|&close| close < before);
                self.closes
                    .get(behind)
                    .copied()
                    .filter(|&close| close < available)
            }
        };
        let stop: Option<usize> = stop.filter(|&it| it <= reach);
        assert_eq!(
            passed.bytes,
            stop.unwrap_or(reach),
            "{until:?}, {available} there"
        );
        assert_eq!(passed.wanted == 0, stop.is_some());

        assert_eq!(
            passed.is_between,
            self.is_boundary(passed.bytes),
            "at {}",
            passed.bytes
        );
        let has_closed = self
            .closes
            .first()
            .is_some_and(|&close| close < passed.bytes);
        assert_eq!(passed.has_closed, has_closed);

        let rest = available - passed.bytes;
        let enough = HEADER + WHOLE as usize;
        assert!(passed.wanted == 0 || (rest < passed.wanted && passed.wanted <= enough));
    }
}

/// The length of the header and of the payload of the frame that these bytes begin with, if the header
/// is there.
fn frame(bytes: &[u8]) -> Option<(usize, u64)> {
    let second = *bytes.get(1)?;
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let header = 2 + length + if second & 0x80 == 0 { 0 } else { 4 };
    let header_bytes = bytes.get(..header)?;
    let number = header_bytes[2..2 + length]
        .iter()
        .fold(0, |n, &byte| n << 8 | u64::from(byte));
    let payload = if length == 0 {
        (second & 0x7f).into()
    } else {
        number
    };
    Some((header, payload))
}
