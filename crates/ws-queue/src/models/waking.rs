//! Nobody sleeps through what was meant for it: the task behind the timers, the owner of the gate,
//! and the wakers of the clients.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use futures::FutureExt;

use super::block_on;
use super::explore::explore;
use super::world::{World, join};
use crate::{HoldQueue, QueueConfig, driver};

#[test]
fn the_timer_knows_of_everyone_who_is_held() {
    explore(
        "an arrival while the timer is set",
        QueueConfig::default(),
        |world| {
            let ticking = world.spawn(|world| {
                let now = crate::clock::now();
                world.queue.shared.turnstile.tick(now)
            });
            let client = world.hold();
            let next = join(ticking);
            let told = world.queue.shared.alarm.notified().now_or_never();
            assert!(next.is_some() || told.is_some());
            world.settle([client]);
        },
    );
}

#[test]
fn the_task_behind_the_timers_ends_with_the_last_handle() {
    explore(
        "the last handle goes while the driver runs",
        QueueConfig::default(),
        |_| {
            let (gate, queue) = crate::queue::halves::<()>(&QueueConfig::default());
            let shared = &queue.shared;
            let driver = driver::run(Arc::downgrade(shared), Arc::clone(&shared.alarm));
            let driving = super::thread::spawn(move || block_on(driver));
            let leaving = super::thread::spawn(move || drop(gate));
            drop(queue);
            join(leaving);
            join(driving);
        },
    );
}

#[test]
fn a_report_reaches_the_owner_of_the_gate() {
    explore(
        "a report while the owner begins to wait",
        QueueConfig::default(),
        |world| {
            world.gate.open();
            let reporting = world.spawn(|world| world.queue.report_gone());
            block_on(world.gate.reported_gone());
            join(reporting);
            assert!(!world.status().open);
            world.settle(Vec::new());
        },
    );
}

#[test]
fn a_report_is_told_only_where_it_closed_the_gate() {
    explore(
        "two reports while the gate opens",
        QueueConfig::default(),
        |world| {
            let report = |world: &World| world.queue.report_gone();
            let (first, second) = (world.spawn(report), world.spawn(report));
            world.gate.open();
            join(first);
            join(second);
            let told = world.gate.reported_gone().now_or_never();
            assert_eq!(told.is_some(), !world.status().open);
            world.settle(Vec::new());
        },
    );
}

/// A waker whose end looks at the queue: a task that is freed with it may own tickets.
struct LooksWhenDropped(HoldQueue<super::client::Connection>);

impl Wake for LooksWhenDropped {
    fn wake(self: Arc<Self>) {}
}

impl Drop for LooksWhenDropped {
    fn drop(&mut self) {
        let _ = self.0.status();
    }
}

#[test]
fn no_waker_is_dropped_under_the_lock() {
    explore(
        "a client looks and leaves while the gate opens",
        QueueConfig::default(),
        |world| {
            let mut client = world.hold();
            let opening = world.spawn(|world| world.gate.open());
            let waker = Waker::from(Arc::new(LooksWhenDropped(world.queue.clone())));
            client.look_with(&waker);
            drop(waker);
            client.leave();
            join(opening);
            world.settle([client]);
        },
    );
}

#[test]
fn nobody_is_woken_under_the_lock() {
    /// A waker that goes to the gate at once.
    struct LooksWhenWoken(HoldQueue<super::client::Connection>);

    impl Wake for LooksWhenWoken {
        fn wake(self: Arc<Self>) {
            let _ = self.0.status();
        }
    }

    explore(
        "a client is woken by a release, by a tick or by neither",
        QueueConfig::default(),
        |world| {
            let mut client = world.hold();
            let opening = world.spawn(|world| world.gate.open());
            let ticking = world.spawn(|world| world.tick_after(Duration::ZERO));
            let waker = Waker::from(Arc::new(LooksWhenWoken(world.queue.clone())));
            client.look_with(&waker);
            join(opening);
            join(ticking);
            world.settle([client]);
        },
    );
}
