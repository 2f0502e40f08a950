//! What lies between a connection's socket and its handler.
//!
//! The session that owns the socket and the handler usually share one task; then nobody needs to
//! be woken, and the lock is never contended. A handler may also pass its connection to another
//! task; then the wakers do their work.
//!
//! Messages change hands in batches: the lock is taken for each batch that comes and goes, and for
//! each message that the handler sends.

mod batch;
mod waking;

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

pub(crate) use self::batch::{Batch, Size};
use self::waking::{Sleeper, Woken};
use crate::error::{Closed, SendNowError};
use crate::message::{Message, Utf8Bytes};
use crate::settings::{LimitSettings, SlowReader};

/// How many bytes leave the outbox at once, at least: as many as are written at once.
const BATCH_BYTES: usize = crate::socket::WRITE_BATCH;

pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    /// How many bytes may wait to be written.
    send_limit: usize,
    slow_reader: SlowReader,
}

struct Inner {
    inbox: Batch,
    inbox_open: bool,
    /// What the handler has taken out of the inbox with what it looks at, and may not have looked at yet.
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

/// What the session learns as it rests.
pub(crate) struct Rest {
    /// How much it has read ahead of the handler.
    pub(crate) ahead: Size,
    /// More waits to be written than it has taken.
    pub(crate) more: bool,
    /// Given out once.
    pub(crate) close: Option<Close>,
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
    /// where nothing more will come. The first is read at once; the end of more than one is
    /// [told](Self::all_read).
    pub(crate) async fn recv(&self, unread: &mut Batch) {
        poll_fn(|cx| self.poll_recv(cx, unread)).await;
    }

    fn poll_recv(&self, cx: &Context<'_>, unread: &mut Batch) -> Poll<()> {
        self.locked(|inner| {
            if inner.inbox.is_empty() && inner.inbox_open {
                inner.receiver.sleep(cx);
                return Poll::Pending;
            }
            let was_full = inner.ahead().is_full();
            unread.append(&mut inner.inbox);
            inner.taken = unread.size_of_rest();
            inner.wake_session_for_room(was_full);
            Poll::Ready(())
        })
    }

    /// The handler has looked at all that it took.
    pub(crate) fn all_read(&self) {
        self.locked(|inner| {
            let was_full = inner.ahead().is_full();
            inner.taken = Size::default();
            inner.wake_session_for_room(was_full);
        });
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
            if inner.outbox.bytes() > self.send_limit {
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
            if inner.outbox.bytes() <= self.send_limit {
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

    /// The session is at work: it looks for itself before it rests, and need not be woken.
    pub(crate) fn rise(&self) {
        self.inner.lock().session.rise();
    }

    /// How much the session has read ahead of the handler.
    pub(crate) fn ahead(&self) -> Size {
        self.inner.lock().ahead()
    }

    /// The session [rises](Self::rise), and gives messages to the handler, which it polls next if they
    /// share a task.
    pub(crate) fn deliver(&self, cx: &Context<'_>, came: &mut Batch) {
        self.locked(|inner| {
            inner.session.rise();
            inner.inbox.append(came);
            if inner.receiver.is(cx) {
                inner.receiver.rise();
            }
            inner.wake_receiver();
        });
    }

    /// Fills `leaving`, which is empty, with the next messages to be written: with all of them, or at
    /// least with as many as are written at once. Whether there are more.
    pub(crate) fn next_to_write(&self, leaving: &mut Batch) -> bool {
        self.locked(|inner| {
            inner.next_to_write(leaving, self.send_limit);
            !inner.outbox.is_empty()
        })
    }

    /// The session rests: from now on `cx` is woken once there is something to do for it. What there
    /// is already it learns, and where it can write it [takes](Self::next_to_write) what waits for that
    /// with it.
    pub(crate) fn rest(&self, cx: &Context<'_>, can_write: bool, leaving: &mut Batch) -> Rest {
        self.locked(|inner| {
            inner.session.sleep(cx);
            if can_write {
                inner.next_to_write(leaving, self.send_limit);
            }
            Rest {
                ahead: inner.ahead(),
                more: !inner.outbox.is_empty(),
                close: inner.close.take(),
            }
        })
    }

    pub(crate) fn asked_to_close(&self) -> Option<Close> {
        self.inner.lock().close.take()
    }

    /// There is no session any more; its task's memory is not kept for it.
    pub(crate) fn leave(&self) {
        self.end_inbox();
        self.end_outbox();
        let mut inner = self.inner.lock();
        (inner.session, inner.receiver) = Default::default();
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
    fn next_to_write(&mut self, leaving: &mut Batch, send_limit: usize) {
        if self.outbox.bytes() <= BATCH_BYTES {
            leaving.append(&mut self.outbox);
        } else {
            while leaving.bytes() < BATCH_BYTES
                && let Some(message) = self.outbox.pop()
            {
                leaving.push(message);
            }
        }
        if self.outbox.bytes() <= send_limit {
            self.wake_senders();
        }
    }

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

    fn wake_session_for_room(&mut self, was_full: bool) {
        if was_full && !self.ahead().is_full() {
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
        if !self.senders.is_empty() {
            self.woken.senders = std::mem::take(&mut self.senders);
        }
    }
}

#[cfg(test)]
mod tests;
