//! The shipped driver and watch in every interleaving of a few threads, explored by loom.
//!
//! `RUSTFLAGS="--cfg loom_models" cargo test --profile prove -p startup-phases --lib models`
//!
//! loom stands in for the primitives of [`crate::sync`]; all else is the code that ships. An
//! observer that nobody would ever wake is a deadlock of the model, which loom reports.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::model::Builder;
use loom::thread::{self, JoinHandle};

use crate::driver::Driver;
use crate::machine::{Machine, Planned};
use crate::{Event, Phase, PhaseWatch, State, StepState, Transition};

/// Runs the model in every interleaving, without a bound on preemptions, and prints how many.
fn explore(what: &str, model: impl Fn() + Send + Sync + 'static) {
    let interleavings = Arc::new(AtomicU64::new(0));
    let mut loom = Builder::new();
    (loom.preemption_bound, loom.max_permutations) = (None, None);
    (loom.max_duration, loom.checkpoint_file) = (None, None);
    loom.check({
        let interleavings = Arc::clone(&interleavings);
        move || {
            interleavings.fetch_add(1, Ordering::Relaxed);
            model();
        }
    });
    let count = interleavings.load(Ordering::Relaxed);
    println!("explored: {what}: {count} interleavings");
}

/// A startup of critical steps in these phases, numbered in this order, that has been started.
fn started(phases: &[Phase]) -> Driver {
    let plan = |(number, &phase): (usize, &Phase)| Planned {
        phase,
        name: number.to_string(),
        critical: true,
        after: Vec::new(),
    };
    let driver = Driver::new(phases.iter().enumerate().map(plan).collect());
    driver.update(Machine::start);
    driver
}

fn end(driver: &Driver, step: usize) {
    driver.update(|machine, now| machine.ended(step, Ok(()), now));
}

fn fail(driver: &Driver, step: usize) {
    driver.update(|machine, now| machine.ended(step, Err("refused".to_owned()), now));
}

/// The driver at work in a thread of its own, and given back.
fn drive(driver: Driver, work: impl FnOnce(&Driver) + Send + 'static) -> JoinHandle<Driver> {
    thread::spawn(move || {
        work(&driver);
        driver
    })
}

fn join<R>(thread: JoinHandle<R>) -> R {
    thread.join().expect("no thread of a model panics")
}

/// What a future has to say without being waited for.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Waits for both at the same time.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(cx)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(cx)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            unfinished => {
                (first, second) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

/// All that there is and that a watch has not handed out yet.
fn known(watch: &mut PhaseWatch) -> Vec<Transition> {
    let mut known = Vec::new();
    while let Some(Some(transition)) = at_once(watch.next()) {
        known.push(transition);
    }
    known
}

/// P2: all critical steps up to `phase` have finished well.
fn assert_finished(watch: &PhaseWatch, phase: Phase) {
    let report = watch.report();
    for it in report.phases.iter().filter(|it| it.phase <= phase) {
        assert!(it.steps.iter().all(|step| step.state == StepState::Done));
    }
}

#[test]
fn whoever_waits_for_a_phase_is_told_once_its_steps_have_finished() {
    explore("an observer waits for a phase while its steps end", || {
        let driver = started(&[Phase::Database, Phase::Database, Phase::Services]);
        let watch = driver.watch();
        let driving = drive(driver, |driver| {
            end(driver, 1);
            end(driver, 0);
        });
        assert_eq!(block_on(watch.reached(Phase::Database)), Ok(()));
        assert_finished(&watch, Phase::Database);
        let driver = join(driving);
        end(&driver, 2);
        assert_eq!(block_on(watch.complete()), Ok(()));
        drop(driver);
        assert_eq!(watch.state(), State::Complete, "its end is no loss (P10)");
    });
}

#[test]
fn whoever_sees_a_phase_as_reached_sees_its_steps_as_done() {
    explore("an observer looks while steps end", || {
        let driver = started(&[Phase::Init, Phase::Init]);
        let watch = driver.watch();
        let driving = drive(driver, |driver| {
            end(driver, 1);
            end(driver, 0);
        });
        if let Some(reached) = watch.last_reached() {
            assert_finished(&watch, reached);
            assert!(watch.has_reached(Phase::Init), "it is not taken back");
        }
        join(driving);
        assert_finished(&watch, Phase::Finalize);
    });
}

#[test]
fn each_transition_is_handed_out_once_and_in_order() {
    explore(
        "an observer follows each transition while steps end",
        || {
            let driver = started(&[Phase::Finalize, Phase::Finalize]);
            let mut afterwards = driver.watch();
            let mut follower = driver.watch();
            let mut followed = known(&mut follower);
            let driving = drive(driver, |driver| {
                end(driver, 0);
                end(driver, 1);
            });
            while let Some(transition) = block_on(follower.next()) {
                followed.push(transition);
            }
            join(driving);
            assert_eq!(followed, known(&mut afterwards));
            assert_eq!(followed.last().map(|it| &it.event), Some(&Event::Completed));
        },
    );
}

#[test]
fn changed_misses_nothing_and_tells_nothing_twice() {
    explore("an observer waits for changes while steps end", || {
        let driver = started(&[Phase::Init, Phase::Init]);
        let mut watch = driver.watch();
        block_on(watch.changed());
        let driving = drive(driver, |driver| {
            end(driver, 0);
            end(driver, 1);
        });
        let mut changes = 0;
        while !watch.state().is_final() {
            block_on(watch.changed());
            changes += 1;
        }
        changes += usize::from(at_once(watch.changed()).is_some());
        join(driving);
        assert!([1, 2].contains(&changes), "two steps have ended");
        assert_eq!(at_once(watch.changed()), None, "nothing more comes");
    });
}

#[test]
fn a_failure_wakes_every_observer() {
    explore("two observers wait while a step fails", || {
        let driver = started(&[Phase::Database]);
        let (first, second) = (driver.watch(), driver.watch());
        let driving = drive(driver, |driver| fail(driver, 0));
        let (first_told, second_told) =
            block_on(both(first.reached(Phase::Services), second.complete()));
        let Some(failure) = first.state().failure().cloned() else {
            panic!("a critical step has failed")
        };
        assert_eq!(failure.step.as_deref(), Some("0"));
        assert_eq!(first_told, Err(failure.clone()));
        assert_eq!(second_told, Err(failure));
        join(driving);
    });
}

#[test]
fn a_failure_is_told_in_the_place_of_a_phase_that_was_reached() {
    explore(
        "an observer waits for a phase while a later one fails",
        || {
            let driver = started(&[Phase::Init, Phase::Services]);
            let watch = driver.watch();
            let driving = drive(driver, |driver| {
                end(driver, 0);
                fail(driver, 1);
            });
            match block_on(watch.reached(Phase::Init)) {
                Ok(()) => assert_finished(&watch, Phase::Init),
                Err(failure) => assert_eq!(failure.phase, Phase::Services),
            }
            let driver = join(driving);
            let failure = block_on(watch.complete()).expect_err("startup has failed");
            drop(driver);
            assert_eq!(watch.state(), State::Failed(failure), "the first one stays");
        },
    );
}

#[test]
fn losing_the_driver_is_a_failure_that_nobody_sleeps_through() {
    explore("an observer waits while the driver is dropped", || {
        let driver = started(&[Phase::Init, Phase::Services]);
        let mut watch = driver.watch();
        let losing = thread::spawn(move || {
            end(&driver, 0);
            drop(driver);
        });
        let told = block_on(watch.reached(Phase::Services));
        let lost = told.expect_err("its step never ended");
        assert_eq!((lost.phase, lost.step.as_ref()), (Phase::Services, None));
        join(losing);
        let last = known(&mut watch).pop().map(|it| it.event);
        assert_eq!(last, Some(Event::Failed(lost)));
    });
}

#[test]
fn an_attempt_beside_an_end_changes_no_history() {
    explore("a step is tried again while it and another one end", || {
        let driver = started(&[Phase::Init, Phase::Init]);
        let (mut watch, shared) = (driver.watch(), driver.shared());
        let trying = thread::spawn(move || {
            shared
                .machine
                .lock()
                .attempt_failed(1, "refused".to_owned());
            shared.machine.lock().attempted(1);
        });
        end(&driver, 0);
        end(&driver, 1);
        join(trying);
        let attempts = known(&mut watch)
            .into_iter()
            .filter_map(|it| match it.event {
                Event::StepEnded { step, attempts, .. } => Some((step, attempts)),
                _ => None,
            });
        let attempts: Vec<_> = attempts.collect();
        assert_eq!(attempts[0], ("0".to_owned(), 1));
        assert!([1, 2].contains(&attempts[1].1));
        let report = watch.report();
        let steps = &report.phases[Phase::Init.index()].steps;
        assert!(steps.iter().all(|step| step.error.is_none()), "done well");
        assert_eq!(watch.state(), State::Complete);
    });
}
