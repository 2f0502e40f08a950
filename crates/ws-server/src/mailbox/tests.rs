use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::batch::AHEAD_MESSAGES;
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

    deliver(101);
    assert!(recv().is_ready());
    deliver(AHEAD_MESSAGES - 100);
    // What was taken may still lie unread.
    let mut leaving = Batch::default();
    assert!(mailbox.rest(&session, true, &mut leaving).ahead.is_full());
    assert!(recv().is_ready());
    assert_eq!(woken.1.load(Ordering::Relaxed), 1);
    assert!(!mailbox.rest(&session, true, &mut leaving).ahead.is_full());
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
    let mut leaving = Batch::default();
    assert!(!mailbox.rest(&waits, true, &mut leaving).more);
    assert_eq!(mailbox.send_now("out".into()), Ok(()));
    let mut more = Some("more".into());
    assert!(mailbox.poll_send(&mut waits, &mut more).is_pending());
    assert!(!mailbox.rest(&waits, true, &mut leaving).more);
    assert!(!leaving.is_empty());
    mailbox.close(CloseCode::Normal, Utf8Bytes::default());
    assert_eq!(locks.1.load(Ordering::Relaxed), 4);
}
