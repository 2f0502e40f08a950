//! G1 to G9: the readiness guard. All time here is virtual, so durations are exact.

use std::cell::RefCell;
use std::future::{pending, ready};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Once};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use readiness_guard::{
    Environment, GuardConfig, NotReady, ReadinessCheck, ReadinessGuard, ReadinessState, Ready,
    Reason, Tier, Vars, Verdict,
};
use serde_json::Value;
use startup_phases::{Phase, PhaseWatch, Sequence, Step};
use tokio::time::{Instant, sleep};

type Answer = Result<(), String>;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn environment(vars: &[(&str, &str)]) -> Environment {
    Environment::from_vars(&vars.iter().copied().collect::<Vars>())
}

fn config(vars: &[(&str, &str)]) -> GuardConfig {
    GuardConfig::for_environment(&environment(vars))
}

fn production() -> GuardConfig {
    config(&[])
}

fn guard(phases: PhaseWatch, config: GuardConfig) -> ReadinessGuard {
    Lines::subscribe();
    ReadinessGuard::new(phases, config)
}

/// Runs one step for each phase named, which takes that long.
fn start<const N: usize>(steps: [(Phase, Duration); N]) -> PhaseWatch {
    run(steps
        .into_iter()
        .fold(Sequence::builder(), |sequence, (phase, duration)| {
            sequence.step(Step::new(phase, phase.as_str(), move || {
                sleep(duration).map(Ok::<(), io::Error>)
            }))
        }))
}

/// A startup that never gets past this phase.
fn stuck_in(phase: Phase) -> PhaseWatch {
    run(Sequence::builder().step(Step::new(phase, "stuck", pending::<Answer>)))
}

/// A startup whose one step fails after a while.
fn failing(phase: Phase, after: Duration) -> PhaseWatch {
    let fail = move || sleep(after).map(|()| Err::<(), _>("no luck"));
    run(Sequence::builder().step(Step::new(phase, "doomed", fail)))
}

fn never_started() -> (Sequence, PhaseWatch) {
    let sequence = Sequence::builder().build().unwrap();
    let phases = sequence.watch();
    (sequence, phases)
}

fn run(sequence: startup_phases::SequenceBuilder) -> PhaseWatch {
    let sequence = sequence.build().unwrap();
    let phases = sequence.watch();
    tokio::spawn(sequence.run());
    phases
}

async fn complete() -> PhaseWatch {
    let phases = start([]);
    phases.complete().await.unwrap();
    phases
}

fn is_ready(verdict: Verdict) -> Ready {
    match verdict {
        Verdict::Ready(ready) => ready,
        Verdict::NotReady(why) => panic!("{why}"),
    }
}

fn is_not_ready(verdict: Verdict) -> NotReady {
    match verdict {
        Verdict::Ready(ready) => panic!("ready: {ready:?}"),
        Verdict::NotReady(why) => why,
    }
}

/// A check whose answer the test sets, and which counts how often it was asked.
#[derive(Clone, Default)]
struct Lever {
    yes: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

impl Lever {
    fn set(&self, yes: bool) {
        self.yes.store(yes, Relaxed);
    }

    fn asked(&self) -> u32 {
        self.asked.load(Relaxed)
    }

    fn check(&self, name: &str) -> ReadinessCheck {
        let lever = self.clone();
        ReadinessCheck::new(name, move || {
            lever.asked.fetch_add(1, Relaxed);
            ready(if lever.yes.load(Relaxed) {
                Ok(())
            } else {
                Err("lever is down")
            })
        })
    }
}

/// What the guards of this test log. A test and all that it runs have one thread, so lines are kept by
/// thread.
#[derive(Clone, Copy)]
struct Lines;

thread_local! {
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Lines {
    /// One subscriber for the process, there before the first guard is: tracing decides about a line for
    /// all threads when one of them first comes by, and nobody may come by unheard.
    fn subscribe() {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            tracing_subscriber::fmt()
                .json()
                .flatten_event(true)
                .with_writer(|| Lines)
                .init();
        });
    }

    fn from_here() -> Self {
        Self::subscribe();
        LOGGED.take();
        Self
    }

    /// The guards' lines that say this.
    fn saying(self, message: &str) -> Vec<Value> {
        let text = String::from_utf8(LOGGED.with_borrow(Clone::clone)).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| {
                line["target"]
                    .as_str()
                    .unwrap()
                    .starts_with("readiness_guard")
            })
            .filter(|line| line["message"].as_str().unwrap().contains(message))
            .collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn g1_a_hundred_waits_for_the_same_startup_take_exactly_the_same_time() {
    for _ in 0..100 {
        let phases = start([(Phase::Services, ms(250))]);
        let ready = is_ready(guard(phases, production()).wait().await);
        assert_eq!(
            (ready.observation.elapsed, ready.observation.checks),
            (ms(300), 4)
        );
    }
}

/// When a check that takes this long is asked, in milliseconds after the start of a wait of one second.
async fn asked_at(check_takes: Duration) -> Vec<u128> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let t0 = Instant::now();
    let check = ReadinessCheck::new("slow", {
        let asked = Arc::clone(&asked);
        move || {
            asked.lock().push(t0.elapsed().as_millis());
            sleep(check_takes).map(|()| Err::<(), _>("no"))
        }
    });
    let guard = guard(complete().await, config(&[("ENVIRONMENT", "test")])).check(check);
    is_not_ready(guard.wait().await);
    asked.lock().clone()
}

#[tokio::test(start_paused = true)]
async fn g1_the_grid_does_not_drift_by_what_a_check_takes() {
    assert_eq!(
        asked_at(ms(7)).await,
        [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
    );
}

#[tokio::test(start_paused = true)]
async fn g1_ticks_missed_by_a_slow_check_are_skipped_never_bunched() {
    assert_eq!(asked_at(ms(130)).await, [0, 200, 400, 600, 800, 1000]);
    assert_eq!(asked_at(ms(100)).await, [0, 200, 400, 600, 800, 1000]);
}

#[tokio::test(start_paused = true)]
async fn g1_the_interval_is_a_setting() {
    let phases = start([(Phase::Services, ms(250))]);
    let guard = guard(phases, production().interval(ms(40)));
    assert_eq!(is_ready(guard.wait().await).observation.elapsed, ms(280));
}

#[tokio::test(start_paused = true)]
async fn g2_a_ready_system_costs_no_wait() {
    let guard = guard(complete().await, production());
    let ready = is_ready(guard.wait().await);
    assert_eq!(
        (ready.observation.elapsed, ready.observation.checks),
        (ms(0), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn g2_what_the_caller_knows_costs_no_tick() {
    let phases = start([(Phase::Services, ms(250))]);
    let guard = guard(phases.clone(), production());
    let ready = is_ready(guard.wait_nudged(phases.reached(Phase::Services)).await);
    assert_eq!(
        (ready.observation.elapsed, ready.observation.checks),
        (ms(250), 4)
    );
}

#[tokio::test(start_paused = true)]
async fn g2_a_nudge_that_comes_to_nothing_leaves_the_grid_as_it_was() {
    let phases = start([(Phase::Services, ms(250))]);
    let guard = guard(phases, production());
    let ready = is_ready(guard.wait_nudged(sleep(ms(142))).await);
    assert_eq!(
        (ready.observation.elapsed, ready.observation.checks),
        (ms(300), 5)
    );
}

#[test]
fn g3_environment_detection_follows_the_table() {
    use Tier::{Development, Local, Production, Staging, Test};
    let on_cloud_run = ("K_SERVICE", "chat");
    let said = |name| ("ENVIRONMENT", name);
    for (vars, tier, cloud_run, warnings) in [
        (&[][..], Production, false, 0),
        (&[said("local")], Local, false, 0),
        (&[said("test")], Test, false, 0),
        (&[said("testing")], Test, false, 0),
        (&[said("development")], Development, false, 0),
        (&[said("Dev")], Development, false, 0),
        (&[said("STAGING")], Staging, false, 0),
        (&[said("production")], Production, false, 0),
        (&[said("prod")], Production, false, 0),
        (&[said("moon")], Production, false, 1),
        (&[on_cloud_run], Production, true, 0),
        (&[on_cloud_run, said("staging")], Staging, true, 0),
        (&[on_cloud_run, said("dev")], Development, true, 0),
        (&[on_cloud_run, said("local")], Production, true, 1),
        (&[on_cloud_run, said("testing")], Production, true, 1),
        (&[on_cloud_run, said("moon")], Production, true, 1),
    ] {
        let found = environment(vars);
        let seen = (found.tier(), found.is_cloud_run(), found.warnings().len());
        assert_eq!(seen, (tier, cloud_run, warnings), "{vars:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g3_a_wait_ends_exactly_at_the_limit_of_its_environment() {
    let on_cloud_run = ("K_SERVICE", "chat");
    let said = |name| ("ENVIRONMENT", name);
    for (vars, minimum, limit) in [
        (&[said("local")][..], Phase::Services, ms(1000)),
        (&[said("test")], Phase::Services, ms(1000)),
        (&[said("development")], Phase::Services, ms(3000)),
        (&[said("staging")], Phase::Services, ms(3000)),
        (&[said("production")], Phase::Services, ms(5000)),
        (&[], Phase::Services, ms(5000)),
        (&[on_cloud_run], Phase::Services, ms(8000)),
        (&[on_cloud_run], Phase::Finalize, ms(8000)),
        (&[on_cloud_run], Phase::Cache, ms(5000)),
        (&[on_cloud_run, said("staging")], Phase::Websocket, ms(8000)),
        (&[on_cloud_run, said("staging")], Phase::Database, ms(3000)),
    ] {
        let guard = guard(stuck_in(Phase::Init), config(vars).minimum_phase(minimum));
        sleep(ms(1)).await; // the startup has reported
        let why = is_not_ready(guard.wait().await);
        assert_eq!(
            (why.observation.elapsed, why.reason()),
            (limit, Reason::PhaseTimeout),
            "{vars:?}"
        );
    }
}

#[test]
fn g3_the_multiplier_stretches_every_limit() {
    let limit = |vars: &[_]| config(vars).timeout_multiplier(2.5).time_limit();
    assert_eq!(limit(&[("ENVIRONMENT", "local")]), ms(2500));
    assert_eq!(limit(&[]), ms(12_500));
    assert_eq!(limit(&[("K_SERVICE", "chat")]), ms(20_000));
}

#[tokio::test(start_paused = true)]
async fn g3_an_explicit_limit_wins_over_everything() {
    let (_sequence, silent) = never_started();
    for phases in [stuck_in(Phase::Init), silent] {
        let config = config(&[("K_SERVICE", "chat")])
            .timeout_multiplier(3.0)
            .timeout(ms(700));
        let why = is_not_ready(guard(phases, config).wait().await);
        assert_eq!(why.observation.elapsed, ms(700));
    }
}

#[tokio::test(start_paused = true)]
async fn g3_a_check_that_hangs_does_not_stretch_the_limit() {
    let hung = ReadinessCheck::new("hung", pending::<Answer>).timeout(ms(60_000));
    let guard = guard(complete().await, production()).check(hung);
    let why = is_not_ready(guard.wait().await);
    assert_eq!(
        (why.observation.elapsed, why.reason()),
        (ms(5000), Reason::CheckFailed)
    );
}

#[test]
fn g4_the_bound_is_twelve_looks_a_second() {
    let config = production();
    for (limit, bound) in [
        (ms(1000), 12),
        (ms(3000), 36),
        (ms(5000), 60),
        (ms(8000), 96),
        (ms(250), 3),
    ] {
        assert_eq!(config.iteration_limit(limit), bound);
    }
    assert_eq!(config.interval(ms(70)).iteration_limit(ms(1000)), 18);
}

#[tokio::test(start_paused = true)]
async fn g4_no_wait_looks_more_often_than_its_bound() {
    for (interval, limit) in [
        (100, 1000),
        (100, 50),
        (30, 100),
        (7, 1000),
        (1, 10),
        (1000, 100),
    ] {
        let config = production().interval(ms(interval)).timeout(ms(limit));
        let bound = config.iteration_limit(ms(limit));
        let why = is_not_ready(guard(stuck_in(Phase::Cache), config).wait().await);
        assert!(
            why.observation.checks <= bound,
            "{} of {bound}",
            why.observation.checks
        );
        assert_eq!(why.observation.elapsed, ms(limit));
        assert_ne!(why.reason(), Reason::IterationBound);
    }
}

#[tokio::test(start_paused = true)]
async fn g5_the_phase_reached_decides_between_near_ready_and_phase_timeout() {
    for (stuck, reason) in [
        (Phase::Init, Reason::PhaseTimeout),
        (Phase::Database, Reason::PhaseTimeout),
        (Phase::Cache, Reason::PhaseTimeout),
        (Phase::Services, Reason::NearReady),
    ] {
        let guard = guard(stuck_in(stuck), production());
        let why = is_not_ready(guard.wait().await);
        assert_eq!((why.reason(), why.observation.phase), (reason, Some(stuck)));
        assert!(why.worth_holding());
    }
}

#[tokio::test(start_paused = true)]
async fn g5_a_startup_that_never_reports_is_unknown_and_waited_for_longer_where_it_may_be_late() {
    for (vars, limit) in [
        (&[("K_SERVICE", "chat")][..], ms(15_000)),
        (&[("ENVIRONMENT", "staging")], ms(15_000)),
        (&[("ENVIRONMENT", "production")], ms(5000)),
        (&[("ENVIRONMENT", "test")], ms(1000)),
    ] {
        let (_sequence, phases) = never_started();
        let why = is_not_ready(guard(phases, config(vars)).wait().await);
        assert_eq!(
            (why.reason(), why.observation.elapsed),
            (Reason::UnknownPhase, limit)
        );
        assert_eq!(
            (why.observation.state, why.observation.phase),
            (ReadinessState::Unknown, None)
        );
        assert!(why.worth_holding());
    }
}

#[tokio::test(start_paused = true)]
async fn g5_a_failed_startup_is_seen_at_the_next_look_not_at_the_limit() {
    let guard = guard(failing(Phase::Database, ms(250)), production());
    let why = is_not_ready(guard.wait().await);
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::StartupFailed, ms(300))
    );
    assert_eq!(why.observation.state, ReadinessState::Failed);
    assert_eq!(why.observation.phase, Some(Phase::Database));
    assert!(!why.worth_holding());
}

#[tokio::test(start_paused = true)]
async fn g5_a_startup_whose_driver_is_lost_has_failed() {
    let (sequence, phases) = never_started();
    drop(sequence);
    let why = is_not_ready(guard(phases, production()).wait().await);
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::StartupFailed, ms(0))
    );
}

#[tokio::test(start_paused = true)]
async fn g5_g9_a_check_that_says_no_is_named_and_keeps_the_guard_waiting() {
    let (upstream, license) = (Lever::default(), Lever::default());
    license.set(true);
    let guard = guard(complete().await, production())
        .check(upstream.check("upstream"))
        .check(license.check("license"));
    let why = is_not_ready(guard.wait().await);
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::CheckFailed, ms(5000))
    );
    let failed: Vec<_> = why
        .observation
        .failed_checks
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(failed, ["upstream: lever is down"]);
    assert!(why.worth_holding());

    let pull = async {
        sleep(ms(1234)).await;
        upstream.set(true);
    };
    let (verdict, ()) = tokio::join!(guard.wait(), pull);
    let ready = is_ready(verdict);
    assert_eq!(ready.observation.elapsed, ms(1300));
    assert!(ready.observation.failed_checks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn g5_a_check_with_no_time_left_to_answer_is_not_accused_of_a_missing_phase() {
    let slow = ReadinessCheck::new("slow", || sleep(ms(5)).map(Ok::<(), io::Error>));
    let guard = guard(stuck_in(Phase::Init), production()).check(slow);
    let why = is_not_ready(guard.wait().await);
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::PhaseTimeout, ms(5000))
    );
    assert_eq!(why.observation.failed_checks, []);
}

#[tokio::test(start_paused = true)]
async fn g5_the_state_follows_the_phases_reached() {
    let phases = start(Phase::ALL.map(|phase| (phase, ms(100))));
    let guard = guard(phases, production());
    let mut states = vec![guard.readiness().state];
    sleep(ms(50)).await;
    for _ in Phase::ALL {
        states.push(guard.readiness().state);
        sleep(ms(100)).await;
    }
    states.push(guard.readiness().state);
    states.dedup();
    let words: Vec<_> = states.into_iter().map(ReadinessState::as_str).collect();
    let expected = [
        "unknown",
        "initializing",
        "dependencies_ready",
        "services_ready",
        "websocket_ready",
    ];
    assert_eq!(words, expected);
}

#[tokio::test(start_paused = true)]
async fn g5_what_is_known_now_needs_no_verdict() {
    let phases = start([(Phase::Database, ms(6000)), (Phase::Services, ms(1000))]);
    let guard = guard(phases, production());
    assert_eq!(guard.readiness().reason, Some(Reason::UnknownPhase));
    sleep(ms(1)).await;
    assert_eq!(guard.readiness().reason, None);
    assert_eq!(
        is_not_ready(guard.wait().await).reason(),
        Reason::PhaseTimeout
    );
    assert_eq!(guard.readiness().reason, Some(Reason::PhaseTimeout));
    sleep(ms(1500)).await;
    assert_eq!(guard.readiness().reason, Some(Reason::NearReady));
    let _ready = is_ready(guard.wait().await);
    assert_eq!(
        (guard.readiness().ready, guard.readiness().reason),
        (true, None)
    );
}

#[tokio::test(start_paused = true)]
async fn g5_readiness_serializes_as_the_status_shows_it() {
    let guard = guard(stuck_in(Phase::Services), production());
    is_not_ready(guard.wait().await);
    let json = serde_json::to_value(guard.readiness()).unwrap();
    let expected = serde_json::json!({
        "ready": false, "state": "dependencies_ready", "reason": "near_ready", "bypassed": false, "failed_checks": [],
    });
    assert_eq!(json, expected);
}

#[tokio::test(start_paused = true)]
async fn g6_success_is_one_line_with_its_fields() {
    let lines = Lines::from_here();
    let phases = start([(Phase::Services, ms(250)), (Phase::Websocket, ms(1000))]);
    let _ready = is_ready(guard(phases, production()).wait().await);
    let [line] = &lines.saying("Fixed-interval wait completed successfully")[..] else {
        panic!("not one line: {lines:?}", lines = lines.saying(""));
    };
    assert_eq!(
        line["message"],
        "Fixed-interval wait completed successfully"
    );
    assert_eq!(line["level"], "INFO");
    assert_eq!(
        (&line["elapsed"], &line["checks"]),
        (&"300ms".into(), &4.into())
    );
    assert_eq!(
        (&line["interval"], &line["phase"]),
        (&"100ms".into(), &"websocket".into())
    );
}

#[tokio::test(start_paused = true)]
async fn g6_progress_is_told_once_a_second_and_a_default_start_stays_a_dozen_lines() {
    let lines = Lines::from_here();
    let phases = start([(Phase::Database, ms(400)), (Phase::Services, ms(3900))]);
    let _ready = is_ready(guard(phases, production()).wait().await);
    let progress = lines.saying("Waiting for readiness");
    let told: Vec<_> = progress
        .iter()
        .map(|line| line["elapsed"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["1s", "2s", "3s", "4s"]);
    assert!(lines.saying("").len() <= 12, "{:?}", lines.saying(""));
}

#[tokio::test(start_paused = true)]
async fn g6_each_phase_is_told_once_with_its_duration_over_several_waits() {
    let lines = Lines::from_here();
    let phases = start([(Phase::Database, ms(400)), (Phase::Services, ms(1500))]);
    let guard = guard(phases, config(&[("ENVIRONMENT", "test")]));
    is_not_ready(guard.wait().await);
    let _ready = is_ready(guard.wait().await);
    let reached = lines.saying("Startup phase reached");
    let told: Vec<_> = reached
        .iter()
        .map(|line| {
            (
                line["phase"].as_str().unwrap(),
                line["duration"].as_str().unwrap(),
            )
        })
        .filter(|(_, duration)| *duration != "0ns")
        .collect();
    assert_eq!(told, [("database", "400ms"), ("services", "1.5s")]);
    let first: Vec<_> = reached
        .iter()
        .take(5)
        .map(|line| line["phase"].as_str().unwrap())
        .collect();
    assert_eq!(
        first,
        ["init", "dependencies", "database", "cache", "services"]
    );
}

#[tokio::test(start_paused = true)]
async fn g7_any_number_of_clients_asking_what_is_known_costs_no_check() {
    let lever = Lever::default();
    let guard = guard(complete().await, production()).check(lever.check("upstream"));
    let clients = async {
        for _ in 0..50 {
            for _client in 0..1000 {
                assert!(!guard.readiness().ready);
            }
            sleep(ms(33)).await;
        }
        lever.set(true);
    };
    let (verdict, ()) = tokio::join!(guard.wait(), clients);
    let ready = is_ready(verdict);
    assert_eq!(ready.observation.elapsed, ms(1700));
    assert_eq!(u64::from(lever.asked()), ready.observation.checks);
}

#[tokio::test(start_paused = true)]
async fn g8_no_environment_answers_ready_without_having_looked() {
    let names = [
        "",
        "local",
        "test",
        "development",
        "staging",
        "production",
        "moon",
    ];
    for name in names {
        for service in ["", "chat"] {
            for minimum in Phase::ALL {
                let config =
                    config(&[("ENVIRONMENT", name), ("K_SERVICE", service)]).minimum_phase(minimum);
                let (_sequence, silent) = never_started();
                let guard = guard(silent, config.clone());
                assert!(!guard.wait().await.is_ready(), "{name} {service} {minimum}");
                assert!(!guard.readiness().ready);

                let guard = guard(stuck_in(minimum), config);
                assert!(!guard.wait().await.is_ready(), "{name} {service} {minimum}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g8_readiness_is_not_there_before_the_look_that_finds_it() {
    let guard = guard(complete().await, production());
    assert!(!guard.readiness().ready);
    assert!(guard.wait().await.is_ready());
    assert!(guard.readiness().ready);
}

#[tokio::test(start_paused = true)]
async fn g8_a_bypass_is_explicit_and_shows_everywhere() {
    let lines = Lines::from_here();
    let (_sequence, silent) = never_started();
    let guard = guard(silent, production().bypass(true));
    let ready = is_ready(guard.wait().await);
    assert!(ready.bypassed);
    assert_eq!(
        (ready.observation.checks, ready.observation.state),
        (0, ReadinessState::Unknown)
    );
    let readiness = guard.readiness();
    assert!(readiness.ready && readiness.bypassed);
    assert_eq!(lines.saying("bypassed")[0]["level"], "WARN");
    assert!(lines.saying("completed successfully").is_empty());
    assert!(guard.lost().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn g8_a_look_says_that_it_was_one() {
    let guard = guard(complete().await, production());
    assert!(!is_ready(guard.wait().await).bypassed);
    assert!(!guard.readiness().bypassed);
}

#[tokio::test(start_paused = true)]
async fn g9_an_optional_check_only_warns() {
    let cache = Lever::default();
    let guard = guard(complete().await, production()).check(cache.check("warm cache").optional());
    let ready = is_ready(guard.wait().await);
    assert_eq!(ready.observation.elapsed, ms(0));
    assert!(ready.observation.failed_checks.is_empty());
    assert_eq!(
        ready.observation.warnings,
        ["optional check warm cache: lever is down"]
    );
}

#[tokio::test(start_paused = true)]
async fn g9_checks_of_one_look_run_at_the_same_time() {
    let slow = |name| ReadinessCheck::new(name, || sleep(ms(60)).map(Ok::<(), io::Error>));
    let guard = guard(complete().await, production())
        .check(slow("one"))
        .check(slow("two"))
        .check(slow("three"));
    assert_eq!(is_ready(guard.wait().await).observation.elapsed, ms(60));
}

#[tokio::test(start_paused = true)]
async fn g9_a_check_that_hangs_does_not_stall_the_guard() {
    let mut asked = 0;
    let check = ReadinessCheck::new("hangs once", move || {
        asked += 1;
        let hang = asked == 1;
        async move {
            if hang {
                pending().await
            } else {
                Ok::<(), io::Error>(())
            }
        }
    });
    let guard = guard(complete().await, production()).check(check.timeout(ms(250)));
    assert_eq!(is_ready(guard.wait().await).observation.elapsed, ms(300));
}

#[tokio::test(start_paused = true)]
async fn g9_readiness_is_lost_and_regained() {
    let upstream = Lever::default();
    upstream.set(true);
    let guard =
        guard(complete().await, production()).check(upstream.check("upstream").after_startup());
    let _ready = is_ready(guard.wait().await);

    let pull = |at, yes| {
        let upstream = upstream.clone();
        async move {
            sleep(at).await;
            upstream.set(yes);
        }
    };
    let t0 = Instant::now();
    let (why, ()) = tokio::join!(guard.lost(), pull(ms(1234), false));
    assert_eq!(
        (why.reason(), t0.elapsed()),
        (Reason::CheckFailed, ms(1300))
    );
    assert_eq!(why.observation.failed_checks[0].name, "upstream");
    let known = guard.readiness();
    assert_eq!(
        (known.ready, known.reason),
        (false, Some(Reason::CheckFailed))
    );

    let (verdict, ()) = tokio::join!(guard.wait(), pull(ms(333), true));
    assert_eq!(is_ready(verdict).observation.elapsed, ms(400));
    assert!(guard.readiness().ready && guard.readiness().failed_checks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn g9_watching_again_goes_on_on_the_same_grid() {
    let upstream = Lever::default();
    upstream.set(true);
    let guard =
        guard(complete().await, production()).check(upstream.check("upstream").after_startup());
    let _ready = is_ready(guard.wait().await);
    // Whoever watches is called away every 70 ms, more often than the guard looks.
    for _ in 0..10 {
        let watched = tokio::time::timeout(ms(70), guard.lost()).await;
        assert!(watched.is_err());
    }
    assert_eq!(upstream.asked(), 1 + 7);
}

#[tokio::test(start_paused = true)]
async fn g9_a_check_for_startup_only_is_not_asked_again() {
    let migrations = Lever::default();
    migrations.set(true);
    let guard = guard(complete().await, production()).check(migrations.check("migrations"));
    let _ready = is_ready(guard.wait().await);
    migrations.set(false);
    assert!(
        tokio::time::timeout(ms(60_000), guard.lost())
            .await
            .is_err()
    );
    assert_eq!(migrations.asked(), 1);
    assert!(guard.readiness().ready);
}

#[tokio::test(start_paused = true)]
async fn g9_a_startup_that_fails_after_all_is_readiness_lost_at_that_moment() {
    let fail = || sleep(ms(250)).map(|()| Err::<(), _>("no luck"));
    let phases = run(Sequence::builder().step(Step::new(Phase::Finalize, "announce", fail)));
    sleep(ms(1)).await;
    let guard = guard(phases, production());
    let ready = is_ready(guard.wait().await);
    assert_eq!(ready.observation.phase, Some(Phase::Finalize));
    let why = guard.lost().await;
    assert_eq!(
        (why.reason(), why.observation.elapsed),
        (Reason::StartupFailed, ms(249))
    );
    assert!(!why.worth_holding());
    assert!(!guard.readiness().ready);
}
