//! Draws the server, its startup, and what is behind it.

use std::time::Duration;

use startup_phases::Phase;
use ws_server::settings::{HandlerKind, HoldMode, RefuseWith, Settings};

use super::super::{Behind, Monitor, Mood, PlannedStep, Scenario, StepEnd};
use super::{Dice, interesting, ms};

pub(super) fn draw(seed: u64, dice: &mut Dice) -> Scenario {
    let settings = Settings::default();
    let mut scenario = Scenario {
        seed,
        steps: steps(dice),
        monitor: None,
        behind: Behind::Handler {
            takes: dice.ms_of(&[0, 0, 0, 1, 20]),
            isolated: dice.chance(50),
        },
        settings,
        clients: Vec::new(),
        stop_at: None,
        abort_at: None,
        looks: Vec::new(),
        horizon: Duration::ZERO,
        hesitation: dice.one_of(&[0, 5, 40]),
    };
    set_startup(&mut scenario, dice);
    set_queue(&mut scenario.settings, dice);
    set_limits(&mut scenario.settings, dice);
    set_shutdown(&mut scenario.settings, dice);
    let last = interesting(&scenario).into_iter().max().unwrap_or_default();
    let until = last + ms(1_000);
    if dice.chance(30) {
        scenario.monitor = Some(monitor(dice, until));
    }
    if dice.chance(35) {
        set_proxy(&mut scenario, dice, until);
    }
    let last = interesting(&scenario).into_iter().max().unwrap_or_default();
    if dice.chance(60) {
        let at = dice.moment(&interesting(&scenario), last + ms(3_000));
        scenario.stop_at = Some(at);
        if dice.chance(8) {
            scenario.abort_at = Some(at + dice.within(ms(2_000)));
        }
    }
    let last = interesting(&scenario).into_iter().max().unwrap_or_default();
    scenario.horizon = last + dice.ms_of(&[1_000, 5_000, 40_000]);
    let looks = dice.up_to(6);
    scenario.looks = (0..looks)
        .map(|_| dice.moment(&interesting(&scenario), scenario.horizon))
        .collect();
    scenario
}

fn steps(dice: &mut Dice) -> Vec<PlannedStep> {
    let count = dice.up_to(5);
    // Few startups fail, but those that do are worth some seeds.
    let fails = dice.chance(15).then(|| dice.up_to(count));
    let step = |number: usize| {
        let end = match fails == Some(number) {
            true => dice.one_of(&[StepEnd::Fails, StepEnd::Panics]),
            false => StepEnd::Well,
        };
        PlannedStep {
            phase: dice.one_of(&Phase::ALL),
            name: format!("step {number}"),
            critical: dice.chance(75),
            takes: dice.one_of(&[ms(0), ms(1), ms(100), ms(150), ms(700), ms(3_000)])
                + dice.within(ms(300)),
            end,
            undoing: dice.chance(40).then(|| dice.ms_of(&[0, 10, 400])),
        }
    };
    (0..count).map(step).collect()
}

fn set_startup(scenario: &mut Scenario, dice: &mut Dice) {
    let settings = &mut scenario.settings;
    settings.startup.open_after = dice.one_of(&[
        Phase::Websocket,
        Phase::Websocket,
        Phase::Services,
        Phase::Finalize,
        Phase::Cache,
    ]);
    settings.startup.failed_linger = dice.ms_of(&[0, 200, 1_000]);
    settings.guard.minimum_phase = dice.one_of(&[Phase::Services, Phase::Services, Phase::Init]);
    settings.guard.interval = dice.ms_of(&[100, 100, 100, 40, 250]);
    if dice.chance(20) {
        let earlier = Phase::ALL.into_iter();
        let earlier = earlier.filter(|&phase| phase <= settings.startup.open_after);
        settings.queue.hold_from = dice.one_of(&earlier.collect::<Vec<_>>());
    }
}

fn set_queue(settings: &mut Settings, dice: &mut Dice) {
    let queue = &mut settings.queue;
    queue.max_size = dice.one_of(&[1, 2, 4, 10, 50, 50, 200]);
    queue.max_wait = dice.ms_of(&[150, 1_000, 2_500, 30_000, 30_000]);
    queue.hold = dice.one_of(&[HoldMode::Upgrade, HoldMode::Upgrade, HoldMode::Frames]);
    queue.max_held_bytes = dice.one_of(&[64, 1_024, 64 * 1_024]);
    queue.refuse_with = dice.one_of(&[RefuseWith::Http, RefuseWith::Http, RefuseWith::Close]);
    queue.release_in_flight = dice.one_of(&[0, 0, 1, 3]);
    queue.release_per_second = dice.one_of(&[0, 0, 0, 10, 100, 333]);
}

fn set_limits(settings: &mut Settings, dice: &mut Dice) {
    let limits = &mut settings.limits;
    if dice.chance(15) {
        limits.max_connections = 1 + dice.up_to(15);
    }
    if dice.chance(10) {
        limits.max_message_size = 2_048;
        limits.max_frame_size = 2_048;
    }
    limits.handshake_timeout = dice.ms_of(&[3_000, 3_000, 500]);
    limits.idle_timeout = dice.ms_of(&[0, 0, 0, 2_000]);
    limits.ping_interval = dice.ms_of(&[25_000, 25_000, 0, 700]);
    limits.pong_timeout = dice.ms_of(&[10_000, 300]);
    limits.send_buffer = dice.one_of(&[1 << 20, 1 << 20, 4_096]);
}

fn set_shutdown(settings: &mut Settings, dice: &mut Dice) {
    let shutdown = &mut settings.shutdown;
    shutdown.delay = dice.ms_of(&[0, 0, 300, 1_500]);
    shutdown.drain = dice.ms_of(&[8_000, 8_000, 1_000, 200]);
    shutdown.close_code = dice.one_of(&[1001, 1001, 1012]);
}

fn monitor(dice: &mut Dice, until: Duration) -> Monitor {
    let mut holds = vec![(Duration::ZERO, dice.chance(60))];
    for _ in 0..dice.up_to(4) {
        let (at, held) = *holds.last().expect("the first is there");
        holds.push((at + ms(1) + dice.within(until / 2), !held));
    }
    if !holds.last().is_some_and(|(_, holds)| *holds) && dice.chance(80) {
        let (at, _) = *holds.last().expect("the first is there");
        holds.push((at + ms(1) + dice.within(until / 2), true));
    }
    Monitor {
        looked_at: dice.chance(60).then(|| dice.ms_of(&[0, 0, 30, 180])),
        holds,
    }
}

fn set_proxy(scenario: &mut Scenario, dice: &mut Dice, until: Duration) {
    let settings = &mut scenario.settings;
    settings.server.handler = HandlerKind::Proxy;
    settings.server.path = "*".to_owned();
    settings.queue.hold = HoldMode::Upgrade;
    settings.proxy.upstream = "ws://application:80".to_owned();
    settings.proxy.readyz_follows_upstream = dice.chance(30);
    settings.proxy.connect_timeout = dice.ms_of(&[1_000, 200]);
    settings.proxy.response_timeout = dice.ms_of(&[30_000, 1_000]);
    let mut moods = vec![(
        Duration::ZERO,
        dice.one_of(&[Mood::Down, Mood::Well(ms(0))]),
    )];
    for _ in 0..dice.up_to(5) {
        let (at, _) = *moods.last().expect("the first is there");
        let at = at + ms(1) + dice.within(until / 2 + ms(500));
        moods.push((at, mood(dice)));
    }
    if dice.chance(85) {
        let (at, _) = *moods.last().expect("the first is there");
        let at = at + ms(1) + dice.within(until / 2);
        moods.push((at, Mood::Well(dice.ms_of(&[0, 0, 5, 60]))));
    }
    scenario.behind = Behind::Upstream(moods);
}

fn mood(dice: &mut Dice) -> Mood {
    match dice.up_to(8) {
        0 | 1 => Mood::Down,
        2 => Mood::Deaf,
        3 => Mood::Drops {
            after: dice.ms_of(&[0, 0, 20, 300]),
            halfway: dice.chance(40),
        },
        4 => Mood::Answers(dice.one_of(&[401, 404, 500])),
        5 => Mood::BreaksInside {
            larger_than: dice.one_of(&[0, 100, 70_000]),
        },
        _ => Mood::Well(dice.ms_of(&[0, 0, 10, 250, 1_500])),
    }
}
