//! The guard: the shell around the rules. It has the clock, asks the checks, and remembers.

use std::fmt;
use std::future::pending;
use std::pin::pin;

use futures::FutureExt;
use futures::future::join_all;
use parking_lot::Mutex;
use startup_phases::{Grid, Phase, PhaseWatch};
use tokio::time::{Instant, sleep_until};

use crate::log::{self, Progress, Transitions};
use crate::sight::Sight;
use crate::wait::{Next, Wait};
use crate::{
    FailedCheck, GuardConfig, NotReady, Observation, Readiness, ReadinessCheck, Ready, Reason,
    Verdict,
};

/// Waits for readiness, and watches over it.
///
/// One guard serves any number of clients (G7): it is the one that looks, they wait for what it finds.
#[must_use]
pub struct ReadinessGuard {
    phases: PhaseWatch,
    config: GuardConfig,
    checks: Vec<ReadinessCheck>,
    transitions: Transitions,
    record: Mutex<Record>,
}

/// What earlier looks leave behind.
#[derive(Default)]
struct Record {
    ready: bool,
    reason: Option<Reason>,
    /// The grid of the last wait, and the last look on it: what comes after goes on from there.
    pace: Option<(Grid, std::time::Instant)>,
}

impl ReadinessGuard {
    /// A guard over one startup.
    pub fn new(phases: PhaseWatch, config: GuardConfig) -> Self {
        log::environment(config.environment.warnings());
        Self {
            transitions: Transitions::of(&phases),
            phases,
            config,
            checks: Vec::new(),
            record: Mutex::default(),
        }
    }

    /// Adds a check (G9). Verdicts call it by its name, so names had better differ.
    pub fn check(mut self, check: ReadinessCheck) -> Self {
        self.checks.push(check);
        self
    }

    /// Waits until a connection can be served: looks now, and then on a fixed grid (G1, G2), until there
    /// is a verdict (G5) or the time limit (G3).
    ///
    /// # Cancel safety
    /// Dropping the future gives up the wait and the checks under way, and loses nothing else.
    pub async fn wait(&self) -> Verdict {
        self.wait_nudged(pending::<()>()).await
    }

    /// As [`wait`](Self::wait), with one extra look, off the grid, at the moment `nudge` resolves: what
    /// the caller learns by itself need not wait for a tick.
    ///
    /// # Cancel safety
    /// As [`wait`](Self::wait).
    pub async fn wait_nudged(&self, nudge: impl Future) -> Verdict {
        if self.config.bypass {
            return self.bypassed();
        }
        let mut nudge = pin!(nudge.fuse());
        let t0 = Instant::now();
        let mut wait = Wait::new(&self.config, t0.into_std());
        let mut progress = Progress::since(t0);
        loop {
            let (sight, checks_pass) = self.look(&wait).await;
            let now = Instant::now();
            self.transitions.tell();
            self.record.lock().pace = Some((wait.grid(), now.into_std()));
            let seen = |sight: &Sight, looks| self.observe(sight, t0, looks);
            let (due, end) = match wait.looked(now.into_std(), &sight, checks_pass) {
                Next::Done(outcome) => return self.conclude(outcome, seen(&sight, wait.looks())),
                Next::EndAt(due, reason) => (due, Some(reason)),
                Next::LookAt(due) => {
                    progress.tell(now, || seen(&sight, wait.looks()));
                    (due, None)
                }
            };
            tokio::select! {
                biased;
                _ = &mut nudge => wait.grant_extra_look(),
                () = sleep_until(due.into()) => if let Some(reason) = end {
                    return self.conclude(Err(reason), seen(&sight, wait.looks()));
                },
            }
        }
    }

    /// Waits until readiness is lost: a critical check that is asked
    /// [after startup](ReadinessCheck::after_startup) says no, or startup fails after all. To be awaited
    /// once a wait was [`Ready`]; the checks go on at the same interval, on the same grid. Where nothing
    /// can be lost, and under a bypass, this never resolves.
    ///
    /// In what it returns, `elapsed` and `checks` count from this call.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the checks under way; called again, it goes on on the same grid.
    pub async fn lost(&self) -> NotReady {
        if self.config.bypass {
            return pending().await;
        }
        let began = Instant::now();
        let mut looks = 0;
        let reason = tokio::select! {
            biased;
            reason = self.startup_failed() => reason,
            reason = self.check_failed(&mut looks) => reason,
        };
        let observation = self.observe(&Sight::of(&self.phases), began, looks);
        let why = NotReady {
            observation,
            reason,
        };
        self.remember(Err(reason));
        log::lost(&why);
        why
    }

    /// What is known now. Runs no check.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let sight = Sight::of(&self.phases);
        let (failed_checks, warnings) = self.complaints();
        let bypassed = self.config.bypass;
        let (found, last_reason) = {
            let record = self.record.lock();
            (record.ready, record.reason)
        };
        let assessed = sight.assess(self.config.minimum_phase, failed_checks.is_empty());
        let ready = bypassed || (found && assessed != Err(Reason::StartupFailed));
        let reason = match assessed {
            _ if ready => None,
            Err(reason @ (Reason::StartupFailed | Reason::UnknownPhase | Reason::CheckFailed)) => {
                Some(reason)
            }
            // All may be well already, but the look that says so is still to come (G8).
            _ if sight.has_reached(Phase::Cache) => Some(Reason::NearReady),
            // What is left is true only if a wait said so; what else it said no longer is.
            _ => last_reason
                .filter(|last| matches!(last, Reason::PhaseTimeout | Reason::IterationBound)),
        };
        Readiness {
            ready,
            state: sight.state,
            phase: sight.phase,
            reason,
            bypassed,
            failed_checks,
            warnings,
        }
    }

    async fn look(&self, wait: &Wait<'_>) -> (Sight, bool) {
        let sight = Sight::of(&self.phases);
        let Some(deadline) = wait.ask_until(Instant::now().into_std(), &sight) else {
            return (sight, false);
        };
        let checks_pass = ask(&self.checks, Some(deadline.into())).await;
        // Read again, for the checks may have taken their time.
        (Sight::of(&self.phases), checks_pass)
    }

    async fn startup_failed(&self) -> Reason {
        match self.phases.complete().await {
            Ok(()) => pending().await,
            Err(_failure) => Reason::StartupFailed,
        }
    }

    async fn check_failed(&self, looks: &mut u64) -> Reason {
        let asked = || {
            self.checks
                .iter()
                .filter(|check| check.is_asked_after_startup())
        };
        if asked().next().is_none() {
            return pending().await;
        }
        loop {
            let now = Instant::now().into_std();
            let start = || (Grid::new(now, self.config.interval), now);
            let (grid, last) = *self.record.lock().pace.get_or_insert_with(start);
            sleep_until(grid.next_after(last).into()).await;
            let pass = ask(asked(), None).await;
            *looks += 1;
            self.record.lock().pace = Some((grid, Instant::now().into_std()));
            if !pass {
                return Reason::CheckFailed;
            }
        }
    }

    fn conclude(&self, outcome: Result<(), Reason>, observation: Observation) -> Verdict {
        self.remember(outcome);
        match outcome {
            Ok(()) => {
                log::succeeded(&observation, self.config.interval);
                Verdict::Ready(Ready {
                    observation,
                    bypassed: false,
                })
            }
            Err(reason) => {
                let why = NotReady {
                    observation,
                    reason,
                };
                log::gave_up(&why, self.config.interval);
                Verdict::NotReady(why)
            }
        }
    }

    fn bypassed(&self) -> Verdict {
        log::bypassed();
        let observation = self.observe(&Sight::of(&self.phases), Instant::now(), 0);
        Verdict::Ready(Ready {
            observation,
            bypassed: true,
        })
    }

    fn remember(&self, outcome: Result<(), Reason>) {
        let mut record = self.record.lock();
        record.ready = outcome.is_ok();
        record.reason = outcome.err();
    }

    fn observe(&self, sight: &Sight, t0: Instant, checks: u64) -> Observation {
        let (failed_checks, warnings) = self.complaints();
        let (state, phase) = (sight.state, sight.phase);
        Observation {
            state,
            phase,
            elapsed: t0.elapsed(),
            checks,
            failed_checks,
            warnings,
        }
    }

    /// What the checks said no to when last asked: failures of the critical ones, warnings of the others.
    fn complaints(&self) -> (Vec<FailedCheck>, Vec<String>) {
        let mut failed = Vec::new();
        let mut warnings = self.config.environment.warnings().to_vec();
        for check in &self.checks {
            match check.complaint() {
                Some(error) if check.is_critical() => {
                    failed.push(FailedCheck {
                        name: check.name().to_owned(),
                        error,
                    });
                }
                Some(error) => warnings.push(format!("optional check {}: {error}", check.name())),
                None => {}
            }
        }
        (failed, warnings)
    }
}

/// Asks all at the same time. Whether every critical one said yes.
async fn ask(checks: impl IntoIterator<Item = &ReadinessCheck>, cut_off: Option<Instant>) -> bool {
    let now = Instant::now();
    let answers = checks
        .into_iter()
        .map(async |check| check.ask(now, cut_off).await || !check.is_critical());
    join_all(answers).await.into_iter().all(|fine| fine)
}

impl fmt::Debug for ReadinessGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessGuard")
            .field("config", &self.config)
            .field("checks", &self.checks)
            .field("readiness", &self.readiness())
            .finish_non_exhaustive()
    }
}
