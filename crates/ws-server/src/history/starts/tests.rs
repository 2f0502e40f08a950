use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn ms(ms: u64) -> Seconds {
    Seconds::of(Duration::from_millis(ms))
}

/// A start that opened after `open` and had one step.
fn start(open: u64, step: &str) -> Start {
    Start {
        began: 1_700_000_000,
        durations: Durations {
            open: ms(open),
            phases: [(Phase::Services, ms(open / 2))].into(),
            steps: [(step.to_owned(), ms(open / 4))].into(),
        },
    }
}

fn starts(all: impl IntoIterator<Item = Start>) -> Starts {
    let mut starts = Starts::default();
    all.into_iter().for_each(|start| starts.add(start));
    starts
}

fn opens(starts: &Starts, step: &str) -> Option<(usize, Duration)> {
    let usual = starts.usual(&[step].into())?;
    Some((usual.starts, usual.durations.open.duration()))
}

#[test]
fn s5_what_is_usual_is_the_median() {
    let of = |opens: &[u64]| starts(opens.iter().map(|&open| start(open, "model")));
    let usual = of(&[4000, 100_000, 2000]).usual(&["model"].into()).unwrap();
    assert_eq!(usual.durations, start(4000, "model").durations);
    assert_eq!(
        opens(&of(&[4000, 1000, 2000, 9000]), "model"),
        Some((4, Duration::from_secs(3)))
    );
    assert_eq!(opens(&of(&[]), "model"), None);
}

#[test]
fn starts_of_another_plan_are_kept_and_not_compared_with() {
    let mut both = starts([start(1000, "old"), start(2000, "new"), start(3000, "old")]);
    assert_eq!(opens(&both, "old"), Some((2, Duration::from_secs(2))));
    assert_eq!(opens(&both, "new"), Some((1, Duration::from_secs(2))));
    assert_eq!(opens(&both, "newer"), None);
    assert_eq!(both.usual(&["new", "old"].into()), None);
    assert_eq!(both.usual(&BTreeSet::new()), None);
    for _ in 0..KEPT - 1 {
        both.add(start(5000, "newer"));
    }
    assert_eq!(both.0.len(), KEPT);
    assert_eq!(opens(&both, "new"), None);
    assert_eq!(opens(&both, "old"), Some((1, Duration::from_secs(3))));
}

#[test]
fn far_longer_is_twice_as_long_and_a_second_more_and_only_after_three_starts() {
    let far_longer = |opens: &[u64]| {
        let starts = starts(opens.iter().map(|&open| start(open, "model")));
        starts.usual(&["model"].into())?.far_longer()
    };
    assert_eq!(far_longer(&[4000, 4000]), None);
    assert_eq!(far_longer(&[4000; 3]), Some(Duration::from_secs(8)));
    assert_eq!(far_longer(&[100; 3]), Some(Duration::from_millis(1100)));
}

#[test]
fn the_text_is_for_people_too() {
    let text = starts([start(4020, "model")]).to_json();
    let expected = r#"{
  "version": 1,
  "starts": [
    {
      "began_unix_seconds": 1700000000,
      "open_seconds": 4.02,
      "phases": {
        "services": 2.01
      },
      "steps": {
        "model": 1.005
      }
    }
  ]
}
"#;
    assert_eq!(text, expected);
}

#[test]
fn the_status_has_the_medians_flat() {
    let usual = starts([start(4020, "model")]).usual(&["model"].into());
    let json = serde_json::to_string(&usual).unwrap();
    let expected =
        r#"{"starts":1,"open_seconds":4.02,"phases":{"services":2.01},"steps":{"model":1.005}}"#;
    assert_eq!(json, expected);
}

#[test]
fn what_is_not_ours_is_told_by_what_is_wrong() {
    let problem = |text: &str| Starts::parse(text.as_bytes()).unwrap_err().to_string();
    let ours = starts([start(4020, "model")]).to_json();
    assert!(problem(&ours[..ours.len() / 2]).contains("EOF"));
    assert!(problem("").contains("EOF"));
    assert!(problem("[1, 2]").contains("no history"));
    assert!(problem(&ours.replace("4.02", "-4.02")).contains("-4.02"));
    assert!(problem(&ours.replace("4.02", "1e300")).contains("no duration"));
    assert!(problem(&ours.replace("services", "lunch")).contains("lunch"));
    let later = problem(r#"{"version": 2, "starts": "otherwise"}"#);
    assert_eq!(later, "is of version 2, and version 1 is read here");
}

#[test]
fn of_more_starts_than_are_kept_the_last_are_read() {
    let many = Starts((0..30).map(|open| start(open * 1000, "model")).collect());
    let read = Starts::parse(many.to_json().as_bytes()).unwrap();
    assert_eq!(read.0, many.0[10..]);
}

fn any_seconds() -> impl Strategy<Value = Seconds> {
    let micros = prop_oneof![0..10_000_000u64, any::<u64>()];
    micros.prop_map(|micros| Seconds::of(Duration::from_micros(micros)))
}

fn any_start() -> impl Strategy<Value = Start> {
    let phases = btree_map(select(Phase::ALL.to_vec()), any_seconds(), 0..7);
    let steps = btree_map(any::<String>(), any_seconds(), 0..4);
    (any::<u64>(), any_seconds(), phases, steps).prop_map(|(began, open, phases, steps)| Start {
        began,
        durations: Durations {
            open,
            phases,
            steps,
        },
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_written_is_read_again(all in vec(any_start(), 0..KEPT)) {
        let starts = starts(all);
        prop_assert_eq!(Starts::parse(starts.to_json().as_bytes()).unwrap(), starts);
    }

    #[test]
    fn whatever_the_bytes_they_are_starts_or_a_problem(
        all in vec(any_start(), 0..3),
        cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        bytes in vec(any::<u8>(), 0..200),
    ) {
        let _ = Starts::parse(&bytes);
        let mut torn = starts(all).to_json().into_bytes();
        for (at, byte) in cuts {
            let at = at.index(torn.len());
            torn[at] = byte;
        }
        if let Ok(starts) = Starts::parse(&torn) {
            let names: Vec<String> = starts.0.iter().flat_map(|it| it.durations.steps.keys().cloned()).collect();
            let _ = starts.usual(&names.iter().map(|it| &**it).collect());
            prop_assert_eq!(&Starts::parse(starts.to_json().as_bytes()).unwrap(), &starts);
        }
    }
}
