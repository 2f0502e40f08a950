//! The turnstile over every interleaving of a few threads, explored by loom.
//!
//! `RUSTFLAGS="--cfg ws_queue_loom" cargo test -p ws-queue --lib models`
//!
//! A wait that nobody would ever end is a deadlock of the model, which loom reports.

mod harness;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Wake, Waker};
use std::time::Duration;

use self::harness::{Found, Gate, Living, explore, join, wait};
use crate::places::Origin;
use crate::slot::{Resolution, Slot};
use crate::{QueueConfig, Refusal};

const MAX_WAIT: Duration = Duration::from_secs(30);

#[test]
fn an_arrival_is_served_whenever_the_gate_opens() {
    explore(QueueConfig::default(), |gate| {
        let arriving = gate.spawn(|gate| gate.see_through(gate.enter()));
        gate.open();
        join(arriving);
        let status = gate.status();
        assert_eq!((status.admitted, status.size), (1, 0));
        assert!(gate.turnstile.pass().is_some(), "the gate is open");
    });
}

#[test]
fn the_last_place_is_given_once() {
    explore(QueueConfig::default().max_size(1), |gate| {
        let other = gate.spawn(Gate::enter);
        let mine = gate.enter();
        let both = [mine, join(other)];
        let held = both.iter().filter(|it| matches!(it, Found::Held(..)));
        let full = |it: &&Found| matches!(it, Found::Refused(Refusal::Full));
        assert_eq!((held.count(), both.iter().filter(full).count()), (1, 1));
        assert_eq!((gate.status().size, gate.status().refused_full), (1, 1));
    });
}

#[test]
fn who_leaves_while_the_gate_opens_is_abandoned_once() {
    explore(QueueConfig::default(), |gate| {
        let (position, _slot) = gate.enter().held();
        let leaving = gate.spawn(move |gate| gate.leave(position));
        gate.open();
        join(leaving);
        let status = gate.status();
        assert_eq!((status.abandoned, status.entered), (1, 1));
        assert!(gate.enter().passed(), "an empty queue opens");
    });
}

#[test]
fn who_expires_while_the_gate_opens_has_one_end() {
    explore(QueueConfig::default().max_wait(MAX_WAIT), |gate| {
        let (position, slot) = gate.enter().held();
        let ticking = gate.spawn(|gate| gate.turnstile.tick(gate.now + MAX_WAIT));
        gate.open();
        let end = wait(&slot);
        join(ticking);
        assert_eq!(slot.resolution(), Some(end), "told once");
        gate.acknowledge(position, Origin::Place);
        let status = gate.status();
        let ends = match end {
            Resolution::Admitted => (1, 0),
            _ => (0, 1),
        };
        assert_eq!((status.admitted, status.expired), ends);
        assert_eq!((status.size, status.entered), (0, 1));
    });
}

#[test]
fn nobody_passes_a_gate_that_holds_others_already() {
    explore(QueueConfig::default(), |gate| {
        gate.open();
        let closing = gate.spawn(|gate| {
            gate.close();
            gate.enter().held()
        });
        let found = gate.enter();
        let (position, slot) = join(closing);
        assert_eq!(slot.resolution(), None);
        assert!(gate.turnstile.pass().is_none(), "the gate is closed");
        if let Found::Passed(before) = &found {
            assert!(*before < position, "passed before the other was held");
        }
        gate.open();
        gate.see_through(found);
        gate.see_through(Found::Held(position, slot));
        assert_eq!(gate.status().admitted, 2);
    });
}

#[test]
fn nobody_is_held_behind_an_open_gate() {
    explore(QueueConfig::default(), |gate| {
        let arriving = gate.spawn(Gate::enter);
        let closing = gate.spawn(Gate::close);
        gate.open();
        let found = join(arriving);
        join(closing);
        match &found {
            Found::Held(_, slot) if slot.resolution().is_none() => {
                assert!(gate.turnstile.pass().is_none(), "the gate is closed");
                assert_eq!(gate.status().size, 1);
            }
            _ => {}
        }
        gate.open();
        gate.see_through(found);
        assert_eq!(gate.status().entered, 1);
    });
}

#[test]
fn given_back_while_the_gate_opens_is_served_again() {
    for origin in [Origin::OpenGate, Origin::Place] {
        explore(QueueConfig::default(), move |gate| {
            let position = match origin {
                Origin::OpenGate => {
                    gate.open();
                    gate.turnstile.pass().expect("open")
                }
                Origin::Place => {
                    let (position, _) = gate.enter().held();
                    gate.open();
                    position
                }
            };
            gate.close();
            let giving_back = gate.spawn(move |gate| {
                let slot = Arc::new(Slot::new(Living));
                let turnstile = &gate.turnstile;
                turnstile.give_back(gate.now, position, origin, Arc::clone(&slot));
                gate.see_through(Found::Held(position, slot));
            });
            gate.open();
            join(giving_back);
            let status = gate.status();
            assert_eq!((status.admitted, status.entered, status.size), (1, 1, 0));
            assert!(gate.turnstile.pass().is_some(), "open once it is served");
        });
    }
}

#[test]
fn no_newcomer_overtakes_the_held() {
    explore(QueueConfig::default().release_in_flight(1), |gate| {
        let (first, _) = gate.enter().held();
        let (second, waiting) = gate.enter().held();
        gate.open();
        let acknowledging = gate.spawn(move |gate| gate.acknowledge(first, Origin::Place));
        let newcomer = gate.enter();
        if newcomer.passed() {
            assert_eq!(waiting.resolution(), Some(Resolution::Admitted));
        }
        join(acknowledging);
        gate.acknowledge(second, Origin::Place);
        gate.see_through(newcomer);
        assert_eq!(gate.status().admitted, 3);
    });
}

#[test]
fn the_accounts_add_up_at_every_moment() {
    explore(QueueConfig::default(), |gate| {
        let (first, _) = gate.enter().held();
        let changing = gate.spawn(move |gate| {
            gate.leave(first);
            gate.open();
            gate.see_through(gate.enter());
        });
        let (early, late) = (gate.status(), gate.status());
        assert!(1 <= early.entered && early.entered <= late.entered && late.entered <= 2);
        assert!(early.admitted <= late.admitted && early.abandoned <= late.abandoned);
        join(changing);
        let end = gate.status();
        assert_eq!((end.entered, end.admitted, end.abandoned), (2, 1, 1));
    });
}

/// A waker whose end looks at the queue: a task that is freed with it may own tickets.
struct LooksWhenDropped(Gate);

impl Wake for LooksWhenDropped {
    fn wake(self: Arc<Self>) {}
}

impl Drop for LooksWhenDropped {
    fn drop(&mut self) {
        self.0.status();
    }
}

#[test]
fn no_waker_is_dropped_under_the_lock() {
    explore(QueueConfig::default(), |gate| {
        let (position, slot) = gate.enter().held();
        let opening = gate.spawn(Gate::open);
        let waker = Waker::from(Arc::new(LooksWhenDropped(gate.clone())));
        let told = slot.poll(&waker);
        drop((waker, slot));
        match told {
            Some(_) => {
                gate.acknowledge(position, Origin::Place);
            }
            None => gate.leave(position),
        }
        join(opening);
        assert_eq!(gate.status().size, 0);
    });
}

#[test]
fn the_timer_knows_of_everyone_who_is_held() {
    explore(QueueConfig::default(), |gate| {
        let ticking = gate.spawn(|gate| gate.turnstile.tick(gate.now));
        let _held = gate.enter().held();
        let next = join(ticking);
        assert!(next.is_some() || gate.alarms.load(Ordering::Relaxed) > 0);
    });
}
