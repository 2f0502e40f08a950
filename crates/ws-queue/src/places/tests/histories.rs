//! What happens at a gate, at random: limits that are soon reached, and steps that often meet them.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::ms;
use super::reference::Limits;

/// One step of a history. A number chooses among the connections that could do it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Arrive,
    Leave(usize),
    Acknowledge(usize),
    GiveBack(usize),
    /// The connection dies; whoever owns its ticket or lease has not noticed yet.
    Die(usize),
    Hold,
    Open,
    Close,
    /// At most so many a second and so many in flight.
    SetRelease(u32, usize),
    Fail,
    Drain,
    Pass(Duration),
    /// The timer rings as it was set.
    PassUntilDue,
    /// The timer rings, late or for no reason.
    Tick,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let who = || 0..8usize;
    let passing = [1, 2, 3, 49, 50, 99, 100, 101, 250, 1000].map(ms);
    prop_oneof![
        10 => Just(Op::Arrive),
        4 => who().prop_map(Op::Leave),
        4 => who().prop_map(Op::Acknowledge),
        4 => who().prop_map(Op::GiveBack),
        3 => who().prop_map(Op::Die),
        1 => Just(Op::Hold),
        4 => Just(Op::Open),
        4 => Just(Op::Close),
        2 => release().prop_map(|(per_second, in_flight)| Op::SetRelease(per_second, in_flight)),
        // Rarely: what comes after it is dull.
        1 => prop_oneof![9 => Just(Op::Open), 1 => Just(Op::Fail), 1 => Just(Op::Drain)],
        5 => select(passing.to_vec()).prop_map(Op::Pass),
        5 => Just(Op::PassUntilDue),
        3 => Just(Op::Tick),
    ]
}

fn release() -> impl Strategy<Value = (u32, usize)> {
    let per_second = select(vec![0, 0, 1, 10, 1000, 4000]);
    (per_second, prop_oneof![Just(0), 1..4usize])
}

pub(super) fn limits() -> impl Strategy<Value = Limits> {
    let waits = [0, 1, 100, 101, 250, 1000].map(ms).to_vec();
    (0..6usize, select(waits), release(), any::<bool>()).prop_map(
        |(max_size, max_wait, (per_second, in_flight), refuse_at_first)| Limits {
            max_size,
            max_wait,
            in_flight,
            per_second,
            refuse_at_first,
        },
    )
}
