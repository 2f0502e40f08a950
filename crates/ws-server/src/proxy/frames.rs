//! Follows WebSocket frames through a byte stream by their headers, without looking at payloads.
//!
//! A pure state machine: bytes go in, in pieces of any size, and how many of them may be passed on
//! comes out. Nothing but the code of a close is decoded: whatever extensions the two ends have agreed on stay theirs.

use crate::frame::{CLOSE, Header, LONGEST_HEADER, opcode};
use crate::metrics::Traffic;

/// Frames up to this size are passed on whole or not at all, so that between any two of them, and
/// whatever becomes of their sender, a close frame can be put in. Larger ones are passed on in
/// pieces.
pub(crate) const WHOLE: u64 = 64 * 1024;

/// What stands for the code of a close frame without one.
const NO_CODE: u16 = 1005;

/// What has been passed on ends between two frames, or inside one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frames {
    /// What is missing of the frame that is being passed on in pieces.
    missing: u64,
    /// What that frame counts for once it is whole.
    whole: Traffic,
    /// With which code a close frame was passed on, if one was.
    closed: Option<u16>,
    passed: Traffic,
}

/// How far frames are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// As far as there are any.
    End,
    /// To the close frame, which is not passed on itself.
    Close,
    /// To the end of the frame that has been passed on in part.
    Boundary,
}

/// What of the bytes at hand may be passed on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passable {
    pub(crate) bytes: usize,
    /// How many bytes there have to be before more may be passed on; 0 where no more may be.
    pub(crate) wanted: usize,
}

impl Frames {
    /// Whether a frame can be put in behind what has been passed on.
    pub(crate) fn is_between(&self) -> bool {
        self.missing == 0
    }

    /// Whether a close frame has been passed on: nothing may follow it.
    pub(crate) fn has_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The code of the close frame that has been passed on; 1005 where it had none.
    pub(crate) fn close_code(&self) -> Option<u16> {
        self.closed
    }

    /// The messages whose last frame has been passed on whole, and the payloads of all frames that
    /// were, in the form in which they travel: compressed, where the two ends have agreed on that.
    pub(crate) fn passed(&self) -> Traffic {
        self.passed
    }

    /// How many of `bytes`, which follow what has been passed on before, may be passed on now.
    /// The caller passes on exactly these.
    pub(crate) fn pass(&mut self, bytes: &[u8], until: Until) -> Passable {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            if self.missing > 0 {
                let taken = usize::try_from(self.missing)
                    .unwrap_or(usize::MAX)
                    .min(rest.len());
                self.missing -= taken as u64;
                at += taken;
                if self.missing > 0 {
                    return Passable {
                        bytes: at,
                        wanted: 1,
                    };
                }
                let Traffic { messages, bytes } = std::mem::take(&mut self.whole);
                self.passed.messages += messages;
                self.passed.bytes += bytes;
                continue;
            }
            let is_close = || rest.first().is_some_and(|first| opcode(*first) == CLOSE);
            if until == Until::Boundary || (until == Until::Close && is_close()) {
                return Passable {
                    bytes: at,
                    wanted: 0,
                };
            }
            let Some(header) = Header::read(rest) else {
                return Passable {
                    bytes: at,
                    wanted: LONGEST_HEADER.min(rest.len() + 1),
                };
            };
            let whole = header.payload.saturating_add(header.length as u64);
            if header.payload <= WHOLE && (rest.len() as u64) < whole {
                return Passable {
                    bytes: at,
                    wanted: whole as usize,
                };
            }
            self.missing = whole;
            if header.is_close() {
                self.closed = Some(close_code(&header, rest));
            } else if header.is_data() {
                self.whole = Traffic {
                    messages: u64::from(header.is_final()),
                    bytes: header.payload,
                };
            }
        }
    }
}

/// The code in the close frame that `bytes` begin with. Of one that is too large to be one, and so comes
/// in pieces, as much as there is.
fn close_code(header: &Header, bytes: &[u8]) -> u16 {
    let code = bytes.get(header.length..header.length + 2);
    let Some(&[high, low]) = code.filter(|_| header.payload >= 2) else {
        return NO_CODE;
    };
    let mask = header.mask.unwrap_or_default();
    u16::from_be_bytes([high ^ mask[0], low ^ mask[1]])
}

/// Whether a frame is masked: those of clients are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Masked {
    Yes,
    No,
}

/// A close frame with this code.
pub(crate) fn close_frame(code: u16, masked: Masked) -> Vec<u8> {
    let [high, low] = code.to_be_bytes();
    match masked {
        Masked::No => vec![0x80 | CLOSE, 2, high, low],
        // A mask of zeros is a mask: it hides nothing, and between two servers nothing needs to be.
        Masked::Yes => vec![0x80 | CLOSE, 0x82, 0, 0, 0, 0, high, low],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, payload: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match payload {
            0..126 => frame.push(mask | payload as u8),
            126..0x1_0000 => {
                frame.push(mask | 126);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        frame.extend((0..payload).map(|n| n as u8));
        frame
    }

    /// Passes `stream` on in pieces of `size`; answers what was passed on after each piece.
    fn in_pieces(stream: &[u8], size: usize) -> (Vec<usize>, Frames) {
        let mut frames = Frames::default();
        let (mut passed, mut at) = (0, 0);
        let mut steps = Vec::new();
        while at < stream.len() {
            at = (at + size).min(stream.len());
            passed += frames.pass(&stream[passed..at], Until::End).bytes;
            steps.push(passed);
        }
        (steps, frames)
    }

    #[test]
    fn every_byte_is_passed_on_whatever_the_pieces() {
        let lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 200_000];
        let stream: Vec<u8> = lengths
            .into_iter()
            .flat_map(|length| [frame(2, length, true), frame(1, length, false)].concat())
            .collect();
        for size in [1, 2, 3, 7, 1000, 16 * 1024, 65_536, 1 << 20] {
            let (steps, frames) = in_pieces(&stream, size);
            assert_eq!(steps.last(), Some(&stream.len()), "in pieces of {size}");
            assert!(frames.is_between() && !frames.has_closed());
        }
    }

    #[test]
    fn a_frame_counts_once_it_is_whole_whatever_its_header_promises() {
        let mut frames = Frames::default();
        let large = frame(2, 200_000, false);
        let passed = frames.pass(&large[..100_000], Until::End).bytes;
        assert_eq!(frames.passed(), Traffic::default());
        frames.pass(&large[passed..], Until::End);
        let once = Traffic {
            messages: 1,
            bytes: 200_000,
        };
        assert_eq!(frames.passed(), once);
        let mut endless = vec![0x82, 127];
        endless.extend([0xff; 8]);
        endless.extend([7; 1000]);
        frames.pass(&endless, Until::End);
        assert_eq!(frames.passed(), once);
    }

    #[test]
    fn the_code_of_a_close_is_read_whatever_is_wrong_with_it() {
        let passed = |bytes: &[u8]| {
            let mut frames = Frames::default();
            frames.pass(bytes, Until::End);
            frames.close_code()
        };
        assert_eq!(passed(&close_frame(1001, Masked::No)), Some(1001));
        // 1000 under the mask 11 22 33 44.
        assert_eq!(passed(b"\x88\x82\x11\x22\x33\x44\x12\xca"), Some(1000));
        for without in [
            &b"\x88\x00"[..],
            b"\x88\x01\x03",
            b"\x88\x80\x01\x02\x03\x04",
        ] {
            assert_eq!(passed(without), Some(NO_CODE));
        }
        // Larger than a close may be, and than what is passed on whole: behind its header nothing has come.
        let large = frame(CLOSE, 100_000, false);
        assert_eq!(passed(&large[..10]), Some(NO_CODE));
        assert_eq!(passed(&large[..12]), Some(u16::from_be_bytes([0, 1])));
    }

    #[test]
    fn small_frames_are_passed_on_whole_or_not_at_all() {
        let stream = [frame(1, 10, true), frame(2, 1000, true), frame(9, 0, true)].concat();
        let ends = [0, 16, 16 + 1008, 16 + 1008 + 6];
        let (steps, _) = in_pieces(&stream, 1);
        assert!(steps.iter().all(|passed| ends.contains(passed)));
    }

    #[test]
    fn a_large_frame_is_passed_on_in_pieces_and_leaves_no_room_inside() {
        let stream = frame(2, 100_000, false);
        let mut frames = Frames::default();
        assert_eq!(frames.pass(&stream[..50_000], Until::End).bytes, 50_000);
        assert!(!frames.is_between());
        let passed = frames.pass(&stream[50_000..], Until::End);
        assert_eq!(passed.bytes, stream.len() - 50_000);
        assert!(frames.is_between());
    }

    #[test]
    fn says_how_much_it_waits_for() {
        let stream = frame(2, 1000, true);
        assert_eq!(
            Frames::default().pass(&stream[..1], Until::End),
            Passable {
                bytes: 0,
                wanted: 2
            }
        );
        assert_eq!(
            Frames::default().pass(&stream[..500], Until::End),
            Passable {
                bytes: 0,
                wanted: 1008
            }
        );
    }

    #[test]
    fn sees_a_close_frame_once_it_is_passed_on() {
        let mut frames = Frames::default();
        let close = close_frame(1001, Masked::Yes);
        frames.pass(&close[..5], Until::End);
        assert!(!frames.has_closed());
        assert_eq!(frames.pass(&close, Until::End).bytes, close.len());
        assert!(frames.has_closed());
        assert_eq!(close_frame(1012, Masked::No), [0x88, 2, 0x03, 0xf4]);
    }

    #[test]
    fn stops_in_front_of_a_close_frame() {
        let message = frame(1, 10, false);
        let stream = [&message[..], &close_frame(1000, Masked::No), &message].concat();
        let stopped = Passable {
            bytes: message.len(),
            wanted: 0,
        };
        let mut frames = Frames::default();
        assert_eq!(frames.pass(&stream, Until::Close), stopped);
        assert!(frames.is_between() && !frames.has_closed());
        // Its first byte is enough.
        let first = &stream[..=message.len()];
        assert_eq!(Frames::default().pass(first, Until::Close), stopped);
        let before = &stream[..message.len()];
        assert_eq!(Frames::default().pass(before, Until::Close).wanted, 1);
    }

    #[test]
    fn stops_at_the_end_of_the_frame_under_way() {
        let large = frame(2, 100_000, true);
        let stream = [&large[..], &frame(1, 10, true)].concat();
        let mut frames = Frames::default();
        frames.pass(&stream[..70_000], Until::End);
        let more = frames.pass(&stream[70_000..80_000], Until::Boundary);
        assert_eq!((more.bytes, more.wanted), (10_000, 1));
        let rest = frames.pass(&stream[80_000..], Until::Boundary);
        assert_eq!((rest.bytes, rest.wanted), (large.len() - 80_000, 0));
        // Of one that has not been begun nothing is passed on.
        let none = Frames::default().pass(&stream, Until::Boundary);
        assert_eq!((none.bytes, none.wanted), (0, 0));
    }
}
