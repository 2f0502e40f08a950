//! The task behind a queue: sleeps until something is due, and does it.

use std::sync::{Arc, Weak};

use crate::clock;
use crate::queue::Shared;
use crate::sync::Notify;

pub(crate) async fn run<C>(shared: Weak<Shared<C>>, alarm: Arc<Notify>) {
    while let Some(next) = shared
        .upgrade()
        .map(|shared| shared.turnstile.tick(clock::now()))
    {
        match next {
            Some(at) => clock::until(at, alarm.notified()).await,
            None => alarm.notified().await,
        }
    }
}
