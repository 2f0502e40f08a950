//! What P2, P6 and P10 lean on: observers are told everything, in order, and none is left asleep.

use startup_phases::{Event, State};

use super::*;

#[tokio::test(start_paused = true)]
async fn p2_p6_a_slow_observer_misses_nothing() {
    let startup = sequence((0..50).map(|n| takes(Phase::Services, &format!("step {n}"), ms(n))));
    let late = startup.watch();
    let prompt = tokio::spawn(history(startup.watch()));
    startup.run().await.unwrap();
    let prompt = prompt.await.unwrap();
    assert_eq!(history(late).await, prompt);
    assert_eq!(prompt.len(), 1 + 2 * 7 + 2 * 50 + 1);
    assert!(prompt.is_sorted_by_key(|transition| transition.at));
    assert_eq!(prompt.first().unwrap().event, Event::Started);
    assert_eq!(prompt.last().unwrap().event, Event::Completed);
}

#[tokio::test(start_paused = true)]
async fn p2_p6_changed_resolves_for_news_and_never_again_after_the_end() {
    let startup = sequence([takes(Phase::Init, "config", ms(10))]);
    let mut watch = startup.watch();
    let run = tokio::spawn(startup.run());
    watch.changed().await;
    assert_eq!(watch.state(), State::Running(Phase::Init));
    assert!(watch.changed().now_or_never().is_none());
    watch.changed().await;
    assert_eq!(watch.state(), State::Complete);
    let hour = Duration::from_secs(3_600);
    assert!(tokio::time::timeout(hour, watch.changed()).await.is_err());
    run.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn p2_p6_waiting_for_a_transition_is_cancel_safe() {
    let (upstream, _) = polls(&[], 5);
    let startup = sequence([upstream]);
    let (mut watch, whole) = (startup.watch(), startup.watch());
    let run = tokio::spawn(startup.run());
    let (mut got, mut cancelled) = (Vec::new(), 0);
    loop {
        match tokio::time::timeout(ms(7), watch.next()).await {
            Ok(Some(transition)) => got.push(transition),
            Ok(None) => break,
            Err(_) => cancelled += 1,
        }
    }
    assert!(cancelled > 10);
    assert_eq!(got, history(whole).await);
    run.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn p2_p6_no_observer_is_left_asleep_on_many_threads() {
    for round in 0..200 {
        let startup = sequence(Phase::ALL.map(|phase| {
            let broken = round % 2 == 1 && phase == Phase::Finalize;
            Step::new(phase, phase.as_str(), move || async move {
                tokio::task::yield_now().await;
                if broken { Err("broken") } else { Ok(()) }
            })
        }));
        let observers = Phase::ALL.map(|phase| {
            let watch = startup.watch();
            tokio::spawn(async move {
                let reached = watch.reached(phase).await;
                let complete = watch.complete().await;
                assert!(reached.is_ok() || complete.is_err());
                complete.is_ok()
            })
        });
        let well = tokio::spawn(startup.run()).await.unwrap().is_ok();
        assert_eq!(well, round % 2 == 0);
        for observer in observers {
            assert_eq!(observer.await.unwrap(), well);
        }
    }
}
