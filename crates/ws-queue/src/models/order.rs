//! Who came before whom (Q5), looked at from outside while it all goes on.

use std::sync::Arc;

use parking_lot::Mutex;

use super::client::{Client, Connection};
use crate::places::Position;
use crate::slot::{Resolution, Slot};

/// Everyone who is held, or was and has not left.
#[derive(Clone, Default)]
pub(super) struct Order(Arc<Mutex<Vec<Held>>>);

#[derive(Clone)]
struct Held {
    position: Position,
    slot: Arc<Slot<Connection>>,
}

impl Order {
    /// Takes note of a client that waits. Not of one that waits again, for some who came later
    /// may have been admitted meanwhile.
    pub(super) fn note(&self, client: &Client) {
        if let (Some(position), Some(slot)) = (client.arrival(), client.slot()) {
            self.0.lock().push(Held { position, slot });
        }
    }

    /// Has the client leave: from now on nobody has to wait for it.
    pub(super) fn leave(&self, client: &mut Client) {
        let position = client.arrival();
        self.0.lock().retain(|it| Some(it.position) != position);
        client.leave();
    }

    /// Nobody waits who came before one that was admitted from its place, or before `passed`,
    /// which went through the open gate.
    pub(super) fn check(&self, passed: Option<Position>) {
        let mut held = self.0.lock().clone();
        held.sort_by_key(|it| it.position);
        let mut admitted = passed;
        // From the last to the first: who is found admitted was so before the next is looked at.
        for it in held.iter().rev() {
            let resolution = it.slot.resolution();
            if admitted > Some(it.position) && resolution.is_none() {
                let left = !self.0.lock().iter().any(|one| one.position == it.position);
                assert!(
                    left,
                    "{admitted:?} was admitted while {} waited",
                    it.position
                );
            }
            if resolution == Some(Resolution::Admitted) {
                admitted = admitted.max(Some(it.position));
            }
        }
    }
}
