//! Messages that change hands together.

use std::collections::VecDeque;
use std::ops::Add;

use crate::message::Message;

/// How many bytes are read from the socket ahead of the handler. Beyond, TCP tells the client to
/// wait.
const AHEAD_BYTES: usize = 64 * 1024;
/// How many messages are, for small ones cost more than their bytes.
pub(super) const AHEAD_MESSAGES: usize = 256;

/// For how many messages an empty batch keeps its memory.
const KEPT_PLACES: usize = 16;

/// Messages in their order, and what they cost to keep.
#[derive(Default)]
pub(crate) struct Batch {
    messages: VecDeque<Message>,
    bytes: usize,
}

/// How many messages, and what they cost.
#[derive(Clone, Copy, Default)]
pub(crate) struct Size {
    messages: usize,
    bytes: usize,
}

impl Batch {
    pub(crate) fn push(&mut self, message: Message) {
        self.bytes += message.cost();
        self.messages.push_back(message);
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.cost();
        self.tidy();
        Some(message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What they cost.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn size(&self) -> Size {
        Size {
            messages: self.messages.len(),
            bytes: self.bytes,
        }
    }

    /// All but the first.
    pub(super) fn size_of_rest(&self) -> Size {
        let first = self.messages.front();
        Size {
            messages: self.messages.len() - usize::from(first.is_some()),
            bytes: self.bytes - first.map_or(0, Message::cost),
        }
    }

    /// Takes over all of `more`.
    pub(super) fn append(&mut self, more: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, more);
        } else {
            self.messages.append(&mut more.messages);
            self.bytes += std::mem::take(&mut more.bytes);
            more.tidy();
        }
    }

    /// A connection at rest keeps nothing for its last burst.
    fn tidy(&mut self) {
        if self.messages.is_empty() && self.messages.capacity() > KEPT_PLACES {
            self.messages = VecDeque::new();
        }
    }
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Size {
    /// Whether this is as much as is read ahead of a handler.
    pub(crate) fn is_full(self) -> bool {
        self.bytes >= AHEAD_BYTES || self.messages >= AHEAD_MESSAGES
    }
}
