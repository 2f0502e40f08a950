//! Messages that have come whole, in one frame: what nearly all of them are.
//!
//! They are made straight of what was read, without the codec, which has them copied into a buffer of
//! its own first. Whatever is not as usual, or not right, is left to it.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use crate::frame::Header;

/// The message of no more than `largest` bytes that `bytes` begin with, and with how many of them.
pub(super) fn whole_message(bytes: &[u8], largest: usize) -> Option<(Frame, usize)> {
    let header = Header::read(bytes)?;
    let (kind, mask) = (header.whole_message()?, header.mask?);
    let payload = usize::try_from(header.payload).ok()?;
    if payload > largest {
        return None;
    }
    let masked = bytes[header.length..].get(..payload)?;
    let payload = unmasked(masked, mask);
    let message = match kind {
        Data::Text => Frame::Text(Utf8Bytes::try_from(payload).ok()?),
        _ => Frame::Binary(payload),
    };
    Some((message, header.length + masked.len()))
}

/// A copy without the mask, in one go: what is unmasked in place is gone through twice.
fn unmasked(masked: &[u8], mask: [u8; 4]) -> Bytes {
    let (words, rest) = masked.as_chunks::<4>();
    let mut payload = Vec::with_capacity(masked.len().div_ceil(4));
    payload.extend(words.iter().map(|&word| xor(word, mask)));
    let mut payload = payload.into_flattened();
    payload.extend(rest.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    payload.into()
}

fn xor(word: [u8; 4], mask: [u8; 4]) -> [u8; 4] {
    (u32::from_ne_bytes(word) ^ u32::from_ne_bytes(mask)).to_ne_bytes()
}
