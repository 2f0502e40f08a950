//! Every WebSocket client from its request to its end, held or live, by its number.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use serde::Serialize;
use tokio::sync::Notify;

use crate::settings::LimitSettings;

/// What stands for a connection in the hold queue and in the registry, both of which only keep
/// weak references to it: it lives as long as the connection's own task.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) peer: SocketAddr,
    is_live: AtomicBool,
}

pub(crate) struct Registry {
    clients: DashMap<u64, Weak<Client>>,
    per_ip: DashMap<IpAddr, usize>,
    count: AtomicUsize,
    ids: AtomicU64,
    live: AtomicU64,
    total: AtomicU64,
    emptied: Notify,
}

/// The counts of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Connections {
    pub(crate) live: u64,
    pub(crate) total: u64,
}

impl Registry {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            clients: DashMap::new(),
            per_ip: DashMap::new(),
            count: AtomicUsize::new(0),
            ids: AtomicU64::new(1),
            live: AtomicU64::new(0),
            total: AtomicU64::new(0),
            emptied: Notify::new(),
        })
    }

    /// Takes a client in; `None` where it would be one too many, in all or from its address.
    pub(crate) fn register(
        self: &Arc<Self>,
        peer: SocketAddr,
        limits: &LimitSettings,
    ) -> Option<Registered> {
        let client = Arc::new(Client {
            id: self.ids.fetch_add(1, Ordering::Relaxed),
            peer,
            is_live: AtomicBool::new(false),
        });
        // In one step, so that nobody is refused because of another who was.
        let one_more = |count| (count < limits.max_connections).then_some(count + 1);
        self.count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        let registered = Registered {
            registry: Arc::clone(self),
            client,
        };
        // Without a limit, too: one that is set later finds all who are there.
        let from_there = {
            let mut from_there = self.per_ip.entry(peer.ip()).or_default();
            *from_there += 1;
            *from_there
        };
        let most = limits.max_connections_per_ip;
        if most > 0 && from_there > most {
            return None;
        }
        let weak = Arc::downgrade(&registered.client);
        self.clients.insert(registered.client.id, weak);
        Some(registered)
    }

    pub(crate) fn connections(&self) -> Connections {
        Connections {
            live: self.live.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
        }
    }

    /// Resolves once nobody is left, held or live.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn release(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.emptied.notify_waiters();
        }
    }
}

/// A client's entry in the registry; dropping it ends the entry.
pub(crate) struct Registered {
    registry: Arc<Registry>,
    client: Arc<Client>,
}

impl Registered {
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The client is admitted and has its WebSocket.
    pub(crate) fn go_live(&self) {
        if !self.client.is_live.swap(true, Ordering::Relaxed) {
            self.registry.live.fetch_add(1, Ordering::Relaxed);
            self.registry.total.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let registry = &self.registry;
        registry.clients.remove(&self.client.id);
        let ip = self.client.peer.ip();
        if let Some(mut from_there) = registry.per_ip.get_mut(&ip) {
            *from_there -= 1;
        }
        let left = |_: &IpAddr, from_there: &usize| *from_there == 0;
        registry.per_ip.remove_if(&ip, left);
        if self.client.is_live.load(Ordering::Relaxed) {
            registry.live.fetch_sub(1, Ordering::Relaxed);
        }
        registry.release();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn peer(last: u8) -> SocketAddr {
        ([127, 0, 0, last], 4000).into()
    }

    #[test]
    fn counts_held_and_live_against_the_limit() {
        let limits = LimitSettings {
            max_connections: 2,
            ..LimitSettings::default()
        };
        let registry = Registry::new();
        let held = registry.register(peer(1), &limits).expect("room");
        let live = registry.register(peer(1), &limits).expect("room");
        live.go_live();
        assert!(registry.register(peer(2), &limits).is_none());
        assert_eq!(registry.connections(), Connections { live: 1, total: 1 });
        drop(held);
        let next = registry.register(peer(2), &limits).expect("room again");
        drop((live, next));
        assert!(registry.emptied().now_or_never().is_some() && registry.clients.is_empty());
        assert_eq!(registry.connections(), Connections { live: 0, total: 1 });
    }

    #[test]
    fn counts_each_address_on_its_own() {
        let limits = LimitSettings {
            max_connections_per_ip: 1,
            ..LimitSettings::default()
        };
        let registry = Registry::new();
        let first = registry.register(peer(1), &limits).expect("room");
        assert!(registry.register(peer(1), &limits).is_none());
        let _other = registry
            .register(peer(2), &limits)
            .expect("another address");
        drop(first);
        let _again = registry.register(peer(1), &limits).expect("room again");
        assert_eq!(registry.per_ip.len(), 2);
    }

    #[test]
    fn an_address_keeps_its_count_until_the_last_from_there_has_left() {
        let limits = LimitSettings {
            max_connections_per_ip: 2,
            ..LimitSettings::default()
        };
        let registry = Registry::new();
        let [first, second] = [(); 2].map(|()| registry.register(peer(1), &limits).expect("room"));
        drop(first);
        let third = registry.register(peer(1), &limits).expect("room again");
        assert!(registry.register(peer(1), &limits).is_none());
        drop((second, third));
        assert!(registry.per_ip.is_empty());
    }
    #[test]
    fn s12_limits_that_are_set_later_count_those_who_are_there() {
        let registry = Registry::new();
        let [two, one] = [(2, 0), (9, 1)].map(|(all, per_ip)| LimitSettings {
            max_connections: all,
            max_connections_per_ip: per_ip,
            ..LimitSettings::default()
        });
        let first = registry.register(peer(1), &two).expect("room");
        let _second = registry.register(peer(1), &two).expect("room");
        assert!(registry.register(peer(2), &two).is_none());
        assert!(registry.register(peer(1), &one).is_none());
        let _other = registry.register(peer(2), &one).expect("another address");
        drop(first);
        assert!(registry.register(peer(1), &one).is_none());
    }
}
