//! The task behind a queue: sleeps until something is due, and does it.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::queue::Shared;

pub(crate) async fn run<C>(shared: Weak<Shared<C>>, alarm: Arc<Notify>) {
    while let Some(next) = shared
        .upgrade()
        .map(|shared| shared.turnstile.tick(Instant::now().into_std()))
    {
        let due = async {
            match next {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = alarm.notified() => {}
            () = due => {}
        }
    }
}
