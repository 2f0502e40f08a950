//! A gate, its queue, and what is true of them at every moment and at the end.

use std::sync::Arc;
use std::time::Duration;

use super::client::{Client, Connection, End};
use super::thread::{self, JoinHandle};
use crate::queue::halves;
use crate::{Gate, HoldQueue, QueueConfig, QueueStatus, Refusal, clock};

/// The limit of a wait in a model, which is the default.
#[cfg(loom_models)]
pub(super) const MAX_WAIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) struct World {
    pub(super) gate: Arc<Gate<Connection>>,
    pub(super) queue: HoldQueue<Connection>,
}

impl World {
    pub(super) fn new(config: &QueueConfig) -> Self {
        let (gate, queue) = halves(config);
        Self {
            gate: Arc::new(gate),
            queue,
        }
    }

    pub(super) fn arrive(&self) -> Client {
        let connection = Arc::new(Connection);
        let entry = self.queue.enter(&connection);
        Client::new(connection, entry)
    }

    /// Arrives where it must be held.
    #[cfg(loom_models)]
    pub(super) fn hold(&self) -> Client {
        let mut client = self.arrive();
        assert!(client.is_waiting(), "the gate is closed, and there is room");
        client
    }

    /// Arrives where it must be let in.
    #[cfg(loom_models)]
    pub(super) fn admit(&self) -> Client {
        let mut client = self.arrive();
        assert!(client.is_admitted(), "the gate is open");
        client
    }

    /// What the task for the timers does, after this time.
    pub(super) fn tick_after(&self, time: Duration) {
        self.queue.shared.turnstile.tick(clock::now() + time);
    }

    /// The accounts, which add up and keep the bound whenever they are looked at (Q2, Q9).
    pub(super) fn status(&self) -> QueueStatus {
        let status = self.gate.status();
        let held = status.size as u64;
        assert_eq!(status.entered, held + status.ended(), "{status:?}");
        assert!(status.size <= status.max_size, "{status:?}");
        status
    }

    pub(super) fn spawn<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> JoinHandle<R> {
        let world = self.clone();
        thread::spawn(move || work(&world))
    }

    /// Opens once more. Then everybody who came has one end (Q1, Q4), the accounts are those of
    /// what everybody was told (Q9), and the gate is open for the next.
    pub(super) fn settle(&self, clients: impl Into<Vec<Client>>) {
        self.gate.open();
        self.balance(clients.into());
        assert!(self.status().open);
        assert!(self.arrive().is_admitted(), "nobody is held, so it is open");
    }

    /// As [`settle`](Self::settle) behind a gate that will not open again.
    pub(super) fn settle_refusing(&self, why: Refusal, clients: impl Into<Vec<Client>>) {
        self.gate.open();
        self.balance(clients.into());
        assert!(!self.status().open);
        assert_eq!(self.arrive().end(), Some(End::Refused(why)));
    }

    /// Sees everybody through, in order of arrival, and compares what they were told with what
    /// was counted.
    fn balance(&self, mut clients: Vec<Client>) {
        clients.sort_by_key(Client::arrival);
        for pair in clients.windows(2) {
            let (one, next) = (pair[0].arrival(), pair[1].arrival());
            assert!(one < next || next.is_none(), "positions are unique");
        }
        let ends: Vec<End> = clients.iter_mut().map(Client::see_through).collect();
        let status = self.status();
        assert_eq!(status.size, 0, "nobody is left behind: {status:?}");
        assert_eq!(
            status.entered,
            ends.len() as u64,
            "{status:?}, told {ends:?}"
        );
        let told = |end| ends.iter().filter(|&&it| it == end).count() as u64;
        let mut unheard = told(End::Left);
        for (end, count) in counted(&status) {
            // Who has left may be counted as anything but served.
            let heard = told(end);
            let enough = count == heard || (count > heard && end != End::Served);
            assert!(enough, "{status:?}, told {ends:?}");
            unheard -= count - heard;
        }
        assert_eq!(unheard, 0, "{status:?}, told {ends:?}");
    }
}

/// The accounts by the end that they count.
fn counted(status: &QueueStatus) -> [(End, u64); 7] {
    [
        (End::Served, status.admitted),
        (End::Expired, status.expired),
        (End::Abandoned, status.abandoned),
        (End::Refused(Refusal::Full), status.refused_full),
        (End::Refused(Refusal::Early), status.refused_early),
        (End::Refused(Refusal::Failed), status.refused_failed),
        (End::Refused(Refusal::Draining), status.refused_draining),
    ]
}

pub(super) fn join<R>(thread: JoinHandle<R>) -> R {
    thread.join().expect("no thread of a model panics")
}
