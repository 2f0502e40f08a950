//! The task behind a queue: sleeps until something is due, and does it.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::queue::Shared;

pub(crate) async fn run<C>(shared: Weak<Shared<C>>, alarm: Arc<Notify>) {
    while let Some(next) = shared
        .upgrade()
        .map(|shared| shared.turnstile.tick(Instant::now().into_std()))
    {
        match next {
            // Either way there may be something to do.
            Some(at) => drop(timeout_at(at.into(), alarm.notified()).await),
            None => alarm.notified().await,
        }
    }
}
