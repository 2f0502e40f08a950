//! Row 1: how long a guard waits for a phase, and how alike a hundred waits are, beside growing back-off.
//!
//! Ten waits run at a time. Each begins 9 ms after the one before it: looks are 50 or 100 ms apart, so no
//! two of them fall into the same millisecond, and none is in another's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conformance_tests::figures::{Figure, Samples, Table};
use futures::future::join_all;
use readiness_guard::{Environment, GuardConfig, ReadinessGuard, Vars, Verdict};
use startup_phases::{Phase, PhaseWatch, Sequence, Step};
use tokio::time::{Instant, sleep, sleep_until};

use crate::process::Machine;
use crate::{Options, Result, back_off};

const AT_A_TIME: usize = 10;
const APART: Duration = Duration::from_millis(9);
/// What all wait for who wait for the same.
const STARTUP: Duration = Duration::from_secs(4);

const PEERS: [Waiter; 2] = [Waiter::Guard, Waiter::BackOff];

#[derive(Clone, Copy)]
enum Waiter {
    Guard,
    BackOff,
}

impl Waiter {
    async fn wait(self, phases: PhaseWatch) -> Result<()> {
        match self {
            Self::BackOff => back_off::wait(&phases, Phase::Services).await,
            Self::Guard => {
                let here = Environment::from_vars(&Vars::default());
                // Longer than the longest startup below: what is measured is when it looks.
                let config = GuardConfig::for_environment(&here).timeout(Duration::from_secs(30));
                if let Verdict::NotReady(why) = ReadinessGuard::new(phases, config).wait().await {
                    return Err(why.to_string().into());
                }
            }
        }
        Ok(())
    }
}

/// A startup whose services phase is reached `after` its start.
fn startup(after: Duration) -> Result<Sequence> {
    let services = move || async move {
        sleep(after).await;
        Ok::<(), std::convert::Infallible>(())
    };
    Ok(Sequence::builder()
        .step(Step::new(Phase::Services, "services", services))
        .build()?)
}

/// What one round of one waiter found.
struct Round {
    /// In ms.
    samples: Samples,
    /// How busy the machine was meanwhile, whoever kept it so, in %.
    busy: f64,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (rounds, waits) = if options.quick { (1, 20) } else { (3, 100) };
    let mut table = Table::new(
        "Waiting for a phase",
        ["`readiness-guard`", "growing back-off"],
    )
    .note(format!(
        "{waits} waits a round, {AT_A_TIME} at a time, each begun {} ms after the one before, so that no two look in \
         the same millisecond; rounds in turns: {rounds}. A guard looks every 100 ms, so what comes between 0.2 and \
         0.3 s keeps 20 ms from either look.",
        APART.as_millis()
    ));
    for (name, reached) in [
        ("0.25 s", spread_over(250, 0, waits)),
        ("0.2 to 0.3 s", spread_over(220, 60, waits)),
    ] {
        for (state, limit) in [("idle", 2.0), ("loaded", 5.0)] {
            eprintln!("guard: reached after {name}, {state}");
            let measured = in_turns(options, rounds, async |waiter| {
                let _load = (state == "loaded").then(Load::on_every_core);
                many(waiter, &reached).await
            });
            let measured = measured.await?;
            let figure = |what| format!("reached after {name}, {state}: {what}");
            let spread = lines(figure("spread, ms"), &measured, |round| {
                round.samples.spread()
            });
            table.add(spread.at_most(limit));
            table.add(lines(figure("min, ms"), &measured, |round| {
                round.samples.min()
            }));
            table.add(lines(figure("mean, ms"), &measured, |round| {
                round.samples.mean()
            }));
            table.add(lines(figure("max, ms"), &measured, |round| {
                round.samples.max()
            }));
            table.add(lines(figure("machine in use, %"), &measured, |round| {
                round.busy
            }));
        }
    }
    eprintln!("guard: one startup of {STARTUP:?}");
    // Not a multiple of the interval apart: each has a grid of its own.
    let begun = spread_over(0, 3990, waits);
    let measured = in_turns(options, rounds, async |waiter| one(waiter, &begun).await).await?;
    let figure = |what| format!("one startup of 4 s, waits begun all through it: {what}, ms");
    table.add(lines(figure("spread of the ends"), &measured, |round| {
        round.samples.spread()
    }));
    table.add(lines(
        figure("last end after the phase"),
        &measured,
        |round| round.samples.max(),
    ));
    println!("{table}");
    Ok(())
}

fn lines(name: String, measured: &[Vec<Round>; 2], of: fn(&Round) -> f64) -> Figure {
    Figure::new(
        name,
        measured
            .each_ref()
            .map(|rounds| rounds.iter().map(of).collect::<Samples>()),
    )
}

/// `count` offsets from `start` ms on, evenly over `width` ms.
fn spread_over(start: u32, width: u32, count: u32) -> Vec<Duration> {
    let offset = |index| u64::from(1000 * start + 1000 * width * index / count);
    (0..count).map(offset).map(Duration::from_micros).collect()
}

/// For each waiter what its rounds found, each begun when nobody else uses the machine, if there is such a
/// moment.
async fn in_turns(
    options: &Options,
    rounds: usize,
    measure: impl AsyncFn(Waiter) -> Result<Samples>,
) -> Result<[Vec<Round>; 2]> {
    let mut measured = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (waiter, into) in PEERS.into_iter().zip(&mut measured) {
            options.quiet_machine().await?;
            let machine = Machine::now()?;
            let samples = measure(waiter).await?;
            let busy = machine.busy_since()?;
            into.push(Round { samples, busy });
        }
    }
    Ok(measured)
}

/// How long each wait took, in ms, for a phase reached so long after its beginning.
async fn many(waiter: Waiter, reached: &[Duration]) -> Result<Samples> {
    let mut took = Samples::default();
    for some in reached.chunks(AT_A_TIME) {
        let now = Instant::now();
        let waits = some.iter().zip(0..);
        let waits =
            waits.map(|(&after, index)| tokio::spawn(own(waiter, now + APART * index, after)));
        for wait in join_all(waits.collect::<Vec<_>>()).await {
            took.push(milliseconds(wait??));
        }
    }
    Ok(took)
}

/// How long a wait took that began `at` a moment, together with a startup of its own.
async fn own(waiter: Waiter, at: Instant, reached_after: Duration) -> Result<Duration> {
    let sequence = startup(reached_after)?;
    let phases = sequence.watch();
    sleep_until(at).await;
    let started = tokio::spawn(sequence.run());
    let begun = Instant::now();
    waiter.wait(phases).await?;
    let took = begun.elapsed();
    let _started = started.await??;
    Ok(took)
}

/// How long after the phase each wait ended, in ms, all of them waiting for one startup.
async fn one(waiter: Waiter, begun: &[Duration]) -> Result<Samples> {
    let sequence = startup(STARTUP)?;
    let phases = sequence.watch();
    let start = Instant::now();
    let reached = tokio::spawn(reached(phases.clone()));
    let waits = begun
        .iter()
        .map(|&offset| tokio::spawn(end(waiter, phases.clone(), start + offset)));
    let waits: Vec<_> = waits.collect();
    let _started = sequence.run().await?;
    let reached = reached.await??;
    let mut late = Samples::default();
    for wait in join_all(waits).await {
        late.push(milliseconds(wait??.saturating_duration_since(reached)));
    }
    Ok(late)
}

/// When the phase is reached, told by the event.
async fn reached(phases: PhaseWatch) -> Result<Instant> {
    phases.reached(Phase::Services).await?;
    Ok(Instant::now())
}

/// When a wait ends that begins `at` a moment.
async fn end(waiter: Waiter, phases: PhaseWatch, at: Instant) -> Result<Instant> {
    sleep_until(at).await;
    waiter.wait(phases).await?;
    Ok(Instant::now())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A thread on each core that does nothing but run, until this is dropped.
struct Load(Arc<AtomicBool>);

impl Load {
    fn on_every_core() -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let goes_on = Arc::clone(&goes_on);
            std::thread::spawn(move || while goes_on.load(Ordering::Relaxed) {});
        }
        Self(goes_on)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
