//! What lies between a connection's socket and its handler.
//!
//! The session that owns the socket and the handler usually share one task; then nobody needs to
//! be woken, and the lock is never contended. A handler may also pass its connection to another
//! task; then the wakers do their work.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::error::{Closed, SendNowError};
use crate::message::{Message, Utf8Bytes};
use crate::settings::{LimitSettings, SlowReader};

/// How many bytes are read from the socket ahead of the handler. Beyond, TCP tells the client to
/// wait.
const INBOX_BYTES: usize = 64 * 1024;
/// How many messages are, for small ones cost more than their bytes.
const INBOX_MESSAGES: usize = 256;

pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    /// How many bytes may wait to be written.
    send_limit: usize,
    slow_reader: SlowReader,
}

struct Inner {
    inbox: Fifo,
    inbox_open: bool,
    outbox: Fifo,
    outbox_open: bool,
    close: Option<(CloseCode, Utf8Bytes)>,
    receiver: Option<Waker>,
    senders: Vec<Waker>,
    session: Option<Waker>,
    woken: Woken,
}

/// Whom a change gives something to do: woken once the lock is released, since whoever wakes up may
/// want to take it at once.
#[derive(Default)]
struct Woken {
    receiver: Option<Waker>,
    senders: Vec<Waker>,
    session: Option<Waker>,
}

#[derive(Default)]
struct Fifo {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Fifo {
    fn push(&mut self, message: Message) {
        self.bytes += message.cost();
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.cost();
        Some(message)
    }
}

impl Mailbox {
    /// `kept` is what the client sent before it was admitted.
    pub(crate) fn new(limits: &LimitSettings, kept: impl IntoIterator<Item = Message>) -> Self {
        let mut inbox = Fifo::default();
        kept.into_iter().for_each(|message| inbox.push(message));
        Self {
            inner: Mutex::new(Inner {
                inbox,
                inbox_open: true,
                outbox: Fifo::default(),
                outbox_open: true,
                close: None,
                receiver: None,
                senders: Vec::new(),
                session: None,
                woken: Woken::default(),
            }),
            send_limit: limits.send_buffer,
            slow_reader: limits.slow_reader,
        }
    }

    fn locked<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner.lock();
        let answer = change(&mut inner);
        let woken = std::mem::take(&mut inner.woken);
        drop(inner);
        let both = woken.receiver.into_iter().chain(woken.session);
        both.chain(woken.senders).for_each(Waker::wake);
        answer
    }

    // The handler's side.

    pub(crate) async fn recv(&self) -> Option<Message> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.locked(|inner| {
            let was_full = inner.inbox_is_full();
            match inner.inbox.pop() {
                Some(message) => {
                    if was_full {
                        inner.wake_session();
                    }
                    Poll::Ready(Some(message))
                }
                None if inner.inbox_open => {
                    inner.receiver = Some(cx.waker().clone());
                    Poll::Pending
                }
                None => Poll::Ready(None),
            }
        })
    }

    pub(crate) async fn send(&self, message: Message) -> Result<(), Closed> {
        let mut message = Some(message);
        poll_fn(|cx| self.poll_send(cx, &mut message)).await
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), Closed>> {
        self.locked(|inner| {
            if !inner.outbox_open {
                return Poll::Ready(Err(Closed));
            }
            if inner.outbox.bytes > self.send_limit {
                inner.await_room(cx);
                return Poll::Pending;
            }
            if let Some(message) = message.take() {
                inner.outbox.push(message);
                inner.wake_session();
            }
            Poll::Ready(Ok(()))
        })
    }

    pub(crate) fn send_now(&self, message: Message) -> Result<(), SendNowError> {
        self.locked(|inner| {
            if !inner.outbox_open {
                return Err(SendNowError::Closed);
            }
            if inner.outbox.bytes <= self.send_limit {
                inner.outbox.push(message);
                inner.wake_session();
                return Ok(());
            }
            if self.slow_reader == SlowReader::Close {
                let reason = Utf8Bytes::from_static("reads too slowly");
                inner.end_with(CloseCode::Policy, reason);
            }
            Err(SendNowError::Full)
        })
    }

    pub(crate) fn close(&self, code: CloseCode, reason: Utf8Bytes) {
        self.locked(|inner| inner.end_with(code, reason));
    }

    // The session's side.

    /// The session is being polled: it looks for itself before it rests, and need not be woken.
    pub(crate) fn begin(&self) {
        self.inner.lock().session = None;
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.inner.lock().inbox_is_full()
    }

    /// Gives a message to the handler, which the session polls next if it shares its task.
    pub(crate) fn deliver(&self, cx: &Context<'_>, message: Message) {
        self.locked(|inner| {
            inner.inbox.push(message);
            inner.wake_receiver(Some(cx));
        });
    }

    /// The next message to be written.
    pub(crate) fn next_to_write(&self) -> Option<Message> {
        self.locked(|inner| {
            let message = inner.outbox.pop()?;
            if inner.outbox.bytes <= self.send_limit {
                inner.wake_senders();
            }
            Some(message)
        })
    }

    /// With what the handler's side wants the connection closed.
    pub(crate) fn asked_to_close(&self) -> Option<(CloseCode, Utf8Bytes)> {
        self.inner.lock().close.take()
    }

    /// Whether the session may rest: then `cx` is woken once there is something to do for it.
    /// `wants_room` and `can_write` say what would be something to do.
    pub(crate) fn rest(&self, cx: &Context<'_>, wants_room: bool, can_write: bool) -> bool {
        let mut inner = self.inner.lock();
        let work = inner.close.is_some()
            || (can_write && !inner.outbox.messages.is_empty())
            || (wants_room && !inner.inbox_is_full());
        if !work {
            inner.session = Some(cx.waker().clone());
        }
        !work
    }

    /// No more messages will be delivered.
    pub(crate) fn end_inbox(&self) {
        self.locked(|inner| {
            inner.inbox_open = false;
            inner.wake_receiver(None);
        });
    }

    /// No more messages will be written.
    pub(crate) fn end_outbox(&self) {
        self.locked(|inner| {
            inner.outbox_open = false;
            inner.wake_senders();
        });
    }
}

impl Inner {
    fn inbox_is_full(&self) -> bool {
        self.inbox.bytes >= INBOX_BYTES || self.inbox.messages.len() >= INBOX_MESSAGES
    }

    /// Takes nothing more, and has the session close the connection behind what was taken.
    fn end_with(&mut self, code: CloseCode, reason: Utf8Bytes) {
        if self.outbox_open {
            self.outbox_open = false;
            self.close = Some((code, reason));
            self.wake_senders();
            self.wake_session();
        }
    }

    fn wake_session(&mut self) {
        if let Some(session) = self.session.take() {
            self.woken.session = Some(session);
        }
    }

    /// Wakes whoever waits for a message, unless it is the task that runs right now.
    fn wake_receiver(&mut self, running: Option<&Context<'_>>) {
        self.woken.receiver = self
            .receiver
            .take()
            .filter(|receiver| !running.is_some_and(|cx| cx.waker().will_wake(receiver)));
    }

    /// A task is noted once, however often it is polled meanwhile.
    fn await_room(&mut self, cx: &Context<'_>) {
        if !self.senders.iter().any(|it| it.will_wake(cx.waker())) {
            self.senders.push(cx.waker().clone());
        }
    }

    fn wake_senders(&mut self) {
        self.woken.senders = std::mem::take(&mut self.senders);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it is woken, each time with the lock free to take.
    struct Locks(Arc<Mailbox>, AtomicUsize);

    impl Wake for Locks {
        fn wake(self: Arc<Self>) {
            assert!(self.0.inner.try_lock().is_some(), "woken under the lock");
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn nobody_is_woken_under_the_lock() {
        let limits = LimitSettings {
            send_buffer: 1,
            ..LimitSettings::default()
        };
        let mailbox = Arc::new(Mailbox::new(&limits, []));
        let locks = Arc::new(Locks(Arc::clone(&mailbox), AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&locks));
        let mut waits = Context::from_waker(&waker);
        let delivers = Context::from_waker(Waker::noop());

        assert!(mailbox.poll_recv(&mut waits).is_pending());
        mailbox.deliver(&delivers, "in".into());
        assert!(mailbox.rest(&waits, false, true));
        assert_eq!(mailbox.send_now("out".into()), Ok(()));
        let mut more = Some("more".into());
        assert!(mailbox.poll_send(&mut waits, &mut more).is_pending());
        assert!(mailbox.next_to_write().is_some());
        assert!(mailbox.rest(&waits, false, true));
        mailbox.close(CloseCode::Normal, Utf8Bytes::default());
        assert_eq!(locks.1.load(Ordering::Relaxed), 4);
    }
}
