//! The buffer that all connections of a thread read into, one after the other.
//!
//! As much as has come is read with one system call, and an idle connection keeps no memory for it.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use crate::frame::LONGEST_HEADER;

/// How much is read at once: a frame of 64 KiB with its header, or a thousand small ones.
pub(crate) const READ_AT_ONCE: usize = 64 * 1024 + LONGEST_HEADER;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// The buffer, given back when this is dropped. What is in it then is anybody's.
pub(crate) struct Lent(Box<[u8]>);

impl Lent {
    pub(crate) fn take() -> Self {
        let buffer = BUFFER.take();
        Self(buffer.unwrap_or_else(|| vec![0; READ_AT_ONCE].into()))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        // A thread that ends lends nothing more.
        let _ = BUFFER.try_with(|shared| shared.set(Some(buffer)));
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
