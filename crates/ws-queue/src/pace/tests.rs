use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Admits whenever the pace lets it, at these ticks, each so much after the one before. When each
/// admission was, counted from the first tick.
fn admissions(per_second: u32, ticks: &[Duration]) -> Vec<Duration> {
    let t0 = tokio::time::Instant::now().into_std();
    let mut pace = Pace::new(NonZeroU32::new(per_second));
    let mut now = t0;
    let mut admissions = Vec::new();
    for &passing in ticks {
        now += passing;
        while pace.next(now).is_none() {
            pace.spend(now);
            admissions.push(now - t0);
        }
    }
    admissions
}

/// Q5, over any window and whatever the ticks: no more than fits, counting the first one and what
/// a late tick may catch up; and no tick at which the next is due goes by unused.
fn check(per_second: u32, ticks: &[Duration]) {
    let spacing = Duration::from_secs(1) / per_second;
    let admissions = admissions(per_second, ticks);
    for (first, from) in admissions.iter().enumerate() {
        for (more, to) in admissions[first..].iter().enumerate() {
            let window = *to - *from;
            assert!(
                window + CATCH_UP >= spacing * more as u32,
                "{} within {window:?}: {admissions:?}",
                more + 1
            );
        }
    }
    let mut now = Duration::ZERO;
    for &passing in ticks {
        now += passing;
        let last = admissions.iter().rfind(|it| **it <= now);
        assert!(
            last.is_some_and(|last| now < *last + spacing),
            "{now:?}: {admissions:?}"
        );
    }
}

#[test]
fn q5_no_more_than_so_many_a_second_over_any_window() {
    let tick = prop_oneof![
        4 => (0..5_000u64).prop_map(Duration::from_micros),
        2 => (0..300u64).prop_map(ms),
        1 => (0..3_000u64).prop_map(ms),
    ];
    let rate = prop_oneof![1..20u32, 100..10_000u32];
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let explored = Cell::new(0);
    let run = TestRunner::new(config).run(&(rate, vec(tick, 0..40)), |(rate, ticks)| {
        check(rate, &ticks);
        explored.set(explored.get() + ticks.len());
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
    println!("explored: the pace of a release: {} ticks", explored.get());
}

#[test]
fn q5_another_pace_counts_from_the_last_admission() {
    let t0 = tokio::time::Instant::now().into_std();
    let mut pace = Pace::new(NonZeroU32::new(1));
    pace.spend(t0);
    let in_between = t0 + ms(50);
    pace.set(NonZeroU32::new(10));
    assert_eq!(pace.next(in_between), Some(t0 + ms(100)));
    pace.set(None);
    assert_eq!(pace.next(in_between), None);
    pace.spend(in_between);
    pace.set(NonZeroU32::new(2));
    assert_eq!(pace.next(in_between), Some(in_between + ms(500)));
    // What the slower pace left unused is not saved up.
    let late = t0 + ms(900);
    pace.set(NonZeroU32::new(1000));
    pace.spend(late);
    assert_eq!(pace.next(late), Some(late + ms(1)));
}

#[test]
fn a_tick_a_little_late_is_made_up_for() {
    assert_eq!(
        admissions(100, &[ms(0), ms(12), ms(8)]),
        [ms(0), ms(12), ms(20)]
    );
    assert_eq!(
        admissions(100, &[ms(0), ms(13), ms(7), ms(3)]),
        [ms(0), ms(13), ms(23)]
    );
}
