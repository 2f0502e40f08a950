//! What stands in for the primitives in a model: loom's own, and out of those what it lacks.

/// loom's mutex, without the poisoning that parking_lot does not have either.
#[derive(Debug)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0
            .lock()
            .expect("no thread of a model panics while it holds the lock")
    }
}

/// tokio's, as far as it is used here, by what its documentation says: a receiver has seen the
/// value that was there when it subscribed, and learns of every later one that it has not seen
/// when it asks, or else when it comes.
pub(crate) mod watch {
    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::mem;
    use std::sync::Arc;
    use std::task::{Poll, Waker};

    use super::Mutex;

    #[derive(Debug)]
    pub(crate) struct Sender<T>(Arc<Mutex<Channel<T>>>);

    #[derive(Debug)]
    pub(crate) struct Receiver<T> {
        channel: Arc<Mutex<Channel<T>>>,
        seen: u64,
    }

    #[derive(Debug)]
    struct Channel<T> {
        value: T,
        version: u64,
        waiting: Vec<Waker>,
    }

    impl<T> Sender<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Arc::new(Mutex::new(Channel {
                value,
                version: 0,
                waiting: Vec::new(),
            })))
        }

        pub(crate) fn subscribe(&self) -> Receiver<T> {
            let channel = Arc::clone(&self.0);
            let seen = channel.lock().version;
            Receiver { channel, seen }
        }

        pub(crate) fn send_replace(&self, value: T) -> T {
            let (old, waiting) = {
                let mut channel = self.0.lock();
                channel.version += 1;
                (
                    mem::replace(&mut channel.value, value),
                    mem::take(&mut channel.waiting),
                )
            };
            waiting.into_iter().for_each(Waker::wake);
            old
        }
    }

    impl<T> Receiver<T> {
        /// Never fails: whoever receives here shares the sender too.
        pub(crate) async fn changed(&mut self) -> Result<(), Infallible> {
            poll_fn(|cx| {
                let mut channel = self.channel.lock();
                if channel.version == self.seen {
                    channel.waiting.push(cx.waker().clone());
                    return Poll::Pending;
                }
                self.seen = channel.version;
                Poll::Ready(Ok(()))
            })
            .await
        }
    }
}
