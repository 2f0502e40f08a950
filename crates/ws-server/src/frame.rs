//! The header of a WebSocket frame (RFC 6455, section 5.2).

use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// The longest header: two bytes, eight of length, four of mask.
pub(crate) const LONGEST_HEADER: usize = 14;

pub(crate) const CLOSE: u8 = 8;

/// The bit of a message's last frame.
const FINAL: u8 = 0x80;

/// The bit of a frame whose payload is masked, as those of clients are.
const MASKED: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The last frame of a message or not, the bits of extensions, and the kind.
    first: u8,
    /// How many bytes the header has.
    pub(crate) length: usize,
    /// How many bytes follow it, as it says.
    pub(crate) payload: u64,
    pub(crate) mask: Option<[u8; 4]>,
}

impl Header {
    /// The header that `bytes` begin with, if all of it is there. What may not be said is not judged.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let &[first, second, ref rest @ ..] = bytes else {
            return None;
        };
        let (payload, rest) = match second & !MASKED {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*length), rest)
            }
            short => (u64::from(short), rest),
        };
        let (mask, rest) = match second & MASKED {
            0 => (None, rest),
            _ => {
                let (mask, rest) = rest.split_first_chunk()?;
                (Some(*mask), rest)
            }
        };
        Some(Self {
            first,
            length: bytes.len() - rest.len(),
            payload,
            mask,
        })
    }

    pub(crate) fn is_final(&self) -> bool {
        self.first & FINAL != 0
    }

    #[cfg(feature = "proxy")]
    pub(crate) fn is_close(&self) -> bool {
        opcode(self.first) == CLOSE
    }

    /// Whether this is a message or a part of one, and no control frame.
    pub(crate) fn is_data(&self) -> bool {
        opcode(self.first) < CLOSE
    }

    /// What kind of message this is, if it is a whole one and no extension has a hand in it.
    pub(crate) fn whole_message(&self) -> Option<Data> {
        const TEXT: u8 = FINAL | 1;
        const BINARY: u8 = FINAL | 2;
        match self.first {
            TEXT => Some(Data::Text),
            BINARY => Some(Data::Binary),
            _ => None,
        }
    }
}

/// The kind of frame that begins with this byte.
pub(crate) fn opcode(first: u8) -> u8 {
    first & 0x0f
}

/// Appends the header of a whole message, as a server sends it: without a mask.
pub(crate) fn put_header(kind: Data, payload: usize, buffer: &mut Vec<u8>) {
    let first = FINAL | u8::from(OpCode::Data(kind));
    match u16::try_from(payload) {
        Ok(short @ ..126) => buffer.extend([first, short as u8]),
        Ok(middle) => {
            let [high, low] = middle.to_be_bytes();
            buffer.extend([first, 126, high, low]);
        }
        Err(_) => {
            buffer.extend([first, 127]);
            buffer.extend((payload as u64).to_be_bytes());
        }
    }
}
