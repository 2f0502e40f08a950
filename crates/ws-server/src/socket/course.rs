//! Where in the stream of frames the codec is.
//!
//! It gets nothing of a frame before it has had all of the one before: so it is known whether it has
//! anything left, and whoever comes next may pass it by.

use crate::frame::{Header, LONGEST_HEADER};

#[derive(Default)]
pub(super) struct Course {
    /// What came of the header that has not come whole.
    header: [u8; LONGEST_HEADER],
    known: usize,
    /// What has not come of the payload.
    missing: u64,
    /// Of a message in several frames the last has not begun.
    in_message: bool,
}

impl Course {
    pub(super) fn is_between_frames(&self) -> bool {
        self.known == 0 && self.missing == 0
    }

    /// Whether another whole message may come now.
    pub(super) fn is_between_messages(&self) -> bool {
        self.is_between_frames() && !self.in_message
    }

    /// Follows `bytes`, which come next, to the end of the frame that they continue or begin; how many
    /// of them are that.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut followed = 0;
        if self.missing == 0 {
            let known = self.known;
            let more = bytes.len().min(LONGEST_HEADER - known);
            self.header[known..known + more].copy_from_slice(&bytes[..more]);
            let Some(header) = Header::read(&self.header[..known + more]) else {
                self.known += more;
                return more;
            };
            followed = header.length - known;
            self.known = 0;
            self.missing = header.payload;
            if header.is_data() {
                self.in_message = !header.is_final();
            }
        }
        let payload = usize::try_from(self.missing)
            .unwrap_or(usize::MAX)
            .min(bytes.len() - followed);
        self.missing -= payload as u64;
        followed + payload
    }
}
