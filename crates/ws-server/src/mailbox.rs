//! What lies between a connection's socket and its handler.
//!
//! The session that owns the socket and the handler usually share one task; then nobody needs to
//! be woken, and the lock is never contended. A handler may also pass its connection to another
//! task; then the wakers do their work.
//!
//! Messages change hands in batches: the lock is taken for each batch that comes and goes, and for
//! each message that the handler sends.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Add;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::error::{Closed, SendNowError};
use crate::message::{Message, Utf8Bytes};
use crate::settings::{LimitSettings, SlowReader};

/// How many bytes are read from the socket ahead of the handler. Beyond, TCP tells the client to
/// wait.
const AHEAD_BYTES: usize = 64 * 1024;
/// How many messages are, for small ones cost more than their bytes.
const AHEAD_MESSAGES: usize = 256;

/// How many bytes leave the outbox at once, at least: as many as are written at once.
const BATCH_BYTES: usize = crate::socket::WRITE_BATCH;

/// For how many messages an empty batch keeps its memory.
const KEPT_PLACES: usize = 16;

pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    /// How many bytes may wait to be written.
    send_limit: usize,
    slow_reader: SlowReader,
}

struct Inner {
    inbox: Batch,
    inbox_open: bool,
    /// What the handler has taken out of the inbox and may not have looked at yet.
    taken: Size,
    outbox: Batch,
    outbox_open: bool,
    close: Option<Close>,
    receiver: Sleeper,
    session: Sleeper,
    senders: Vec<Waker>,
    woken: Woken,
}

/// With what the handler's side wants the connection closed.
pub(crate) type Close = (CloseCode, Utf8Bytes);

/// Messages in their order, and what they cost to keep.
#[derive(Default)]
pub(crate) struct Batch {
    messages: VecDeque<Message>,
    bytes: usize,
}

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
        if self.messages.is_empty() && self.messages.capacity() > KEPT_PLACES {
            // A connection at rest keeps nothing for its last burst.
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn size(&self) -> Size {
        Size {
            messages: self.messages.len(),
            bytes: self.bytes,
        }
    }

    /// Takes over all of `more`.
    fn append(&mut self, more: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, more);
        } else {
            self.messages.append(&mut more.messages);
            self.bytes += std::mem::take(&mut more.bytes);
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

/// Whoever waits for a change, if it does.
#[derive(Default)]
struct Sleeper {
    /// Kept while it is awake, since it is usually the same the next time.
    waker: Option<Waker>,
    sleeps: bool,
}

impl Sleeper {
    fn sleep(&mut self, cx: &Context<'_>) {
        self.sleeps = true;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// The waker, where it sleeps: it does so no more.
    fn awake(&mut self) -> Option<Waker> {
        std::mem::take(&mut self.sleeps)
            .then(|| self.waker.clone())
            .flatten()
    }

    /// Whether it sleeps as the task that is running right now.
    fn is(&self, cx: &Context<'_>) -> bool {
        let waker = self.waker.as_ref();
        waker.is_some_and(|waker| waker.will_wake(cx.waker()))
    }
}

/// Whom a change gives something to do: woken once the lock is released, since whoever wakes up may
/// want to take it at once.
#[derive(Default)]
struct Woken {
    receiver: Option<Waker>,
    session: Option<Waker>,
    senders: Vec<Waker>,
}

impl Woken {
    fn is_empty(&self) -> bool {
        self.receiver.is_none() && self.session.is_none() && self.senders.is_empty()
    }

    fn wake(self) {
        let both = self.receiver.into_iter().chain(self.session);
        both.chain(self.senders).for_each(Waker::wake);
    }
}

/// What the session finds when it has nothing more to do.
pub(crate) enum Rest {
    /// Nothing: it is woken once there is.
    Sleep,
    /// There is something to write, or room to read into.
    Work,
    Close(Close),
}

impl Mailbox {
    /// `kept` is what the client sent before it was admitted.
    pub(crate) fn new(limits: &LimitSettings, kept: impl IntoIterator<Item = Message>) -> Self {
        let mut inbox = Batch::default();
        kept.into_iter().for_each(|message| inbox.push(message));
        Self {
            inner: Mutex::new(Inner {
                inbox,
                inbox_open: true,
                taken: Size::default(),
                outbox: Batch::default(),
                outbox_open: true,
                close: None,
                receiver: Sleeper::default(),
                session: Sleeper::default(),
                senders: Vec::new(),
                woken: Woken::default(),
            }),
            send_limit: limits.send_buffer,
            slow_reader: limits.slow_reader,
        }
    }

    fn locked<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner.lock();
        let answer = change(&mut inner);
        if !inner.woken.is_empty() {
            let woken = std::mem::take(&mut inner.woken);
            drop(inner);
            woken.wake();
        }
        answer
    }

    // The handler's side.

    /// Resolves with all that has come in `unread`, which has been read to its end; or with nothing,
    /// where nothing more will come.
    pub(crate) async fn recv(&self, unread: &mut Batch) {
        poll_fn(|cx| self.poll_recv(cx, unread)).await;
    }

    fn poll_recv(&self, cx: &Context<'_>, unread: &mut Batch) -> Poll<()> {
        self.locked(|inner| {
            let was_full = inner.ahead().is_full();
            inner.taken = inner.inbox.size();
            let has_come = !inner.inbox.is_empty();
            if has_come {
                unread.append(&mut inner.inbox);
            }
            if was_full && !inner.ahead().is_full() {
                inner.wake_session();
            }
            if !has_come && inner.inbox_open {
                inner.receiver.sleep(cx);
                return Poll::Pending;
            }
            Poll::Ready(())
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
                inner.end_with((CloseCode::Policy, reason));
            }
            Err(SendNowError::Full)
        })
    }

    pub(crate) fn close(&self, code: CloseCode, reason: Utf8Bytes) {
        self.locked(|inner| inner.end_with((code, reason)));
    }

    // The session's side.

    /// The session is at work: it looks for itself before it rests, and need not be woken. Returns
    /// how much it has read ahead of the handler.
    pub(crate) fn begin(&self) -> Size {
        let mut inner = self.inner.lock();
        inner.session.sleeps = false;
        inner.ahead()
    }

    /// Gives messages to the handler, which the session polls next if it shares its task.
    pub(crate) fn deliver(&self, cx: &Context<'_>, came: &mut Batch) {
        self.locked(|inner| {
            inner.inbox.append(came);
            if inner.receiver.is(cx) {
                inner.receiver.sleeps = false;
            }
            inner.wake_receiver();
        });
    }

    /// Fills `leaving`, which is empty, with the next messages to be written: with all of them, or at
    /// least with as many as are written at once.
    pub(crate) fn next_to_write(&self, leaving: &mut Batch) {
        self.locked(|inner| {
            if inner.outbox.bytes <= BATCH_BYTES {
                leaving.append(&mut inner.outbox);
            } else {
                while leaving.bytes < BATCH_BYTES
                    && let Some(message) = inner.outbox.pop()
                {
                    leaving.push(message);
                }
            }
            if inner.outbox.bytes <= self.send_limit {
                inner.wake_senders();
            }
        });
    }

    pub(crate) fn asked_to_close(&self) -> Option<Close> {
        self.inner.lock().close.take()
    }

    /// Whether the session may rest: then `cx` is woken once there is something to do for it.
    /// `wants_room` and `can_write` say what would be something to do.
    pub(crate) fn rest(&self, cx: &Context<'_>, wants_room: bool, can_write: bool) -> Rest {
        let mut inner = self.inner.lock();
        if let Some(close) = inner.close.take() {
            return Rest::Close(close);
        }
        if (can_write && !inner.outbox.is_empty()) || (wants_room && !inner.ahead().is_full()) {
            return Rest::Work;
        }
        inner.session.sleep(cx);
        Rest::Sleep
    }

    /// No more messages will be delivered.
    pub(crate) fn end_inbox(&self) {
        self.locked(|inner| {
            inner.inbox_open = false;
            inner.wake_receiver();
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
    /// What the handler has not looked at, as far as is known.
    fn ahead(&self) -> Size {
        self.inbox.size() + self.taken
    }

    /// Takes nothing more, and has the session close the connection behind what was taken.
    fn end_with(&mut self, close: Close) {
        if self.outbox_open {
            self.outbox_open = false;
            self.close = Some(close);
            self.wake_senders();
            self.wake_session();
        }
    }

    fn wake_session(&mut self) {
        if let Some(session) = self.session.awake() {
            self.woken.session = Some(session);
        }
    }

    fn wake_receiver(&mut self) {
        if let Some(receiver) = self.receiver.awake() {
            self.woken.receiver = Some(receiver);
        }
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
    fn a_session_that_waits_for_room_is_woken_as_soon_as_there_is_some() {
        let mailbox = Arc::new(Mailbox::new(&LimitSettings::default(), []));
        let cx = Context::from_waker(Waker::noop());
        let woken = Arc::new(Locks(Arc::clone(&mailbox), AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&woken));
        let session = Context::from_waker(&waker);
        let deliver = |messages| {
            let mut came = Batch::default();
            (0..messages).for_each(|_| came.push("".into()));
            mailbox.deliver(&session, &mut came);
        };
        let mut unread = Batch::default();
        let mut recv = || {
            let polled = mailbox.poll_recv(&cx, &mut unread);
            while unread.pop().is_some() {}
            polled
        };

        deliver(100);
        assert!(recv().is_ready());
        deliver(AHEAD_MESSAGES - 100);
        // What was taken may still lie unread.
        assert!(mailbox.begin().is_full());
        assert!(matches!(mailbox.rest(&session, true, true), Rest::Sleep));
        assert!(recv().is_ready());
        assert_eq!(woken.1.load(Ordering::Relaxed), 1);
        assert!(!mailbox.begin().is_full());
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

        let mut unread = Batch::default();
        assert!(mailbox.poll_recv(&waits, &mut unread).is_pending());
        let mut came = Batch::default();
        came.push("in".into());
        mailbox.deliver(&delivers, &mut came);
        assert!(matches!(mailbox.rest(&waits, false, true), Rest::Sleep));
        assert_eq!(mailbox.send_now("out".into()), Ok(()));
        let mut more = Some("more".into());
        assert!(mailbox.poll_send(&mut waits, &mut more).is_pending());
        mailbox.next_to_write(&mut unread);
        assert!(!unread.is_empty());
        assert!(matches!(mailbox.rest(&waits, false, true), Rest::Sleep));
        mailbox.close(CloseCode::Normal, Utf8Bytes::default());
        assert_eq!(locks.1.load(Ordering::Relaxed), 4);
    }
}
