//! Draws the clients: when they come, what they want, and how they behave.

use std::time::Duration;

use super::super::{Ask, Caller, Errand, How, Leave, Plan, Scenario, Then, When};
use super::{Dice, interesting, ms};

/// What all clients together may send, so that a seed costs its milliseconds and no more.
const BYTES_IN_ALL: usize = 2 << 20;

pub(super) fn draw(scenario: &mut Scenario, dice: &mut Dice) {
    let count = match dice.up_to(19) {
        0 => dice.up_to(200),
        1..=5 => 1 + dice.up_to(4),
        _ => 1 + dice.up_to(39),
    };
    let moments = interesting(scenario);
    let last = moments.iter().max().copied().unwrap_or_default();
    let until = (last + ms(500)).min(scenario.horizon);
    // Many crowds come together, as crowds do.
    let rush = dice.chance(50).then(|| dice.moment(&moments, until));
    let mut left = BYTES_IN_ALL;
    for _ in 0..count {
        let at = match rush {
            Some(rush) if dice.chance(70) => rush + dice.ms_of(&[0, 0, 0, 1, 5, 90]),
            _ => dice.moment(&moments, until),
        };
        let errand = match dice.chance(12) {
            true => page(scenario, dice),
            false => Errand::WebSocket(caller(scenario, dice, &mut left)),
        };
        scenario.clients.push(Plan { at, errand });
    }
}

fn page(scenario: &Scenario, dice: &mut Dice) -> Errand {
    if scenario.is_proxy() && dice.chance(60) {
        return Errand::Page {
            method: dice.one_of(&["GET", "GET", "POST"]),
            path: "/application",
            body: dice.one_of(&[0, 0, 10, 5_000]),
        };
    }
    Errand::Page {
        method: "GET",
        path: dice.one_of(&["/readyz", "/livez", "/startupz", "/-/status", "/-/nothing"]),
        body: 0,
    }
}

fn caller(scenario: &Scenario, dice: &mut Dice, left: &mut usize) -> Caller {
    let longest = scenario.settings.limits.handshake_timeout;
    let pieces = match dice.up_to(9) {
        0 => 2 + dice.up_to(3) as u32,
        1 => 30,
        _ => 1,
    };
    let pause = match pieces {
        1 => Duration::ZERO,
        _ => dice.one_of(&[ms(0), ms(1), ms(40), longest / 3]),
    };
    let mut says: Vec<(usize, Duration)> = (0..dice.up_to(6))
        .map(|_| {
            (
                message(scenario, dice, left),
                dice.ms_of(&[0, 0, 0, 3, 100, 900]),
            )
        })
        .collect();
    // An upstream echoes everything, and the proxy looks into nothing.
    let asks = !says.is_empty() && !scenario.is_proxy() && dice.chance(12);
    let asks = asks.then(|| {
        let which = dice.up_to(says.len() - 1);
        let what = [
            Ask::Fail,
            Ask::Panic,
            Ask::Bye,
            Ask::TooLarge,
            Ask::Nonsense,
        ];
        (which, dice.one_of(&what))
    });
    if let Some((which, _)) = asks {
        // Nobody is there for what it would say behind that.
        says.truncate(which + 1);
    }
    let leaves = dice.chance(25).then(|| leave(scenario, dice));
    let stalls = dice.chance(8).then(|| {
        let from = dice.within(ms(2_000));
        (from, dice.ms_of(&[200, 3_000, 20_000]))
    });
    Caller {
        pieces,
        pause,
        early: if dice.chance(30) {
            dice.up_to(says.len())
        } else {
            0
        },
        too_large: scenario.settings.limits.max_message_size + 1,
        pings: dice.chance(20),
        asks,
        says,
        leaves,
        stalls,
        then: if dice.chance(50) {
            Then::Closes
        } else {
            Then::Stays
        },
        returns: dice.one_of(&[0, 0, 1, 3]),
        window: dice.one_of(&[64 << 10, 64 << 10, 300]),
        segment: dice.one_of(&[64 << 10, 64 << 10, 1_000, 7]),
    }
}

fn message(scenario: &Scenario, dice: &mut Dice, left: &mut usize) -> usize {
    let most = scenario.settings.limits.max_message_size;
    let bytes = match dice.up_to(19) {
        0 => 70_000,
        1..=3 => 5_000,
        _ => 16 + dice.up_to(100),
    };
    let bytes = bytes.min(most);
    if bytes > *left {
        return 16;
    }
    *left -= bytes;
    bytes
}

fn leave(scenario: &Scenario, dice: &mut Dice) -> Leave {
    let soon = dice.ms_of(&[0, 1, 30, 100, 500, 2_500]);
    Leave {
        when: match dice.chance(50) {
            true => When::AfterConnecting(soon + dice.within(scenario.horizon / 8)),
            false => When::AfterItsAnswer(soon),
        },
        how: dice.one_of(&[
            How::Closes,
            How::Closes,
            How::Resets,
            How::Vanishes,
            How::ShutsSending,
        ]),
    }
}
