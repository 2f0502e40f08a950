//! The clock of the shell: the core takes `now` as an argument.

#[cfg(not(any(loom_models, shuttle_models)))]
mod running {
    use std::time::Instant;

    use tokio::time::timeout_at;

    pub(crate) fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Resolves at that time, or when the event comes before.
    pub(crate) async fn until(at: Instant, event: impl Future<Output = ()>) {
        // Either way there may be something to do.
        drop(timeout_at(at.into(), event).await);
    }
}

/// A model that is run again has to do the same again, so time moves only when the model moves it.
#[cfg(any(loom_models, shuttle_models))]
mod standing {
    use std::cell::Cell;
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    // One thread of the system runs all the threads of a model.
    thread_local! {
        static MOVED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    pub(crate) fn now() -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(|| tokio::time::Instant::now().into_std()) + MOVED.get()
    }

    #[cfg(all(test, shuttle_models))]
    pub(crate) fn restart() {
        MOVED.set(Duration::ZERO);
    }

    #[cfg(all(test, shuttle_models))]
    pub(crate) fn advance(by: Duration) {
        MOVED.set(MOVED.get() + by);
    }

    pub(crate) async fn until(_at: Instant, event: impl Future<Output = ()>) {
        event.await;
    }
}

#[cfg(not(any(loom_models, shuttle_models)))]
pub(crate) use running::*;
#[cfg(any(loom_models, shuttle_models))]
pub(crate) use standing::*;
