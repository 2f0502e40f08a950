//! What a guard waits for, how often it looks, and how long.

use std::time::Duration;

use startup_phases::Phase;

use crate::{Environment, Tier};

/// On Cloud Run, services may need this long before a wait for them is given up.
const CLOUD_RUN_SERVICES: Duration = Duration::from_secs(8);
/// On Cloud Run and in staging, a startup that never reported is given this long to report.
const UNKNOWN_PHASE: Duration = Duration::from_secs(15);
/// A longer limit than this is this: instants end somewhere, and nobody waits without a limit.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The settings of a [`ReadinessGuard`](crate::ReadinessGuard).
///
/// ```
/// # use std::time::Duration;
/// # use readiness_guard::{Environment, GuardConfig, Vars};
/// let vars: Vars = [("ENVIRONMENT", "staging")].into_iter().collect();
/// let config = GuardConfig::for_environment(&Environment::from_vars(&vars)).timeout_multiplier(2.0);
/// assert_eq!(config.time_limit(), Duration::from_secs(6));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GuardConfig {
    pub(crate) minimum_phase: Phase,
    pub(crate) interval: Duration,
    pub(crate) bypass: bool,
    pub(crate) environment: Environment,
    timeout: Option<Duration>,
    timeout_multiplier: f64,
}

impl GuardConfig {
    /// The defaults for a place.
    #[must_use]
    pub fn for_environment(environment: &Environment) -> Self {
        Self {
            minimum_phase: Phase::Services,
            interval: Duration::from_millis(100),
            bypass: false,
            environment: environment.clone(),
            timeout: None,
            timeout_multiplier: 1.0,
        }
    }

    /// The phase that must have been reached. Default `services`: the heavy one, after which the
    /// application can answer.
    #[must_use]
    pub fn minimum_phase(self, minimum_phase: Phase) -> Self {
        Self {
            minimum_phase,
            ..self
        }
    }

    /// How often the guard looks (G1). Default 100 ms: ten looks a second cost nothing, and nobody
    /// notices a tenth of a second.
    ///
    /// # Panics
    /// If the interval is zero.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Self {
        assert!(
            !interval.is_zero(),
            "the interval of a readiness guard must not be zero"
        );
        Self { interval, ..self }
    }

    /// How long a wait may take, whatever else is set: this wins over the environment, the multiplier
    /// and the longer limits of Cloud Run and staging. Zero means one look, no wait. Default: by
    /// environment (G3).
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Stretches the environment's time limits for a machine that is slower than most. Default 1.0.
    ///
    /// # Panics
    /// If the multiplier is not a finite number above zero.
    #[must_use]
    pub fn timeout_multiplier(self, timeout_multiplier: f64) -> Self {
        assert!(
            timeout_multiplier.is_finite() && timeout_multiplier > 0.0,
            "the timeout multiplier of a readiness guard must be a finite number above zero"
        );
        Self {
            timeout_multiplier,
            ..self
        }
    }

    /// Answers `Ready` without looking: the operator's way past a broken check. Every such answer logs a
    /// warning, and verdict and readiness say `bypassed` (G8). Default off; nothing but this turns it on.
    #[must_use]
    pub fn bypass(self, bypass: bool) -> Self {
        Self { bypass, ..self }
    }

    /// How long a wait may take (G3): 1 s in local and test, 3 s in development and staging, 5 s in
    /// production; at least 8 s on Cloud Run when waiting for `services` or later; all times the
    /// multiplier. At most a year.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        let limit = self.timeout.unwrap_or_else(|| {
            let tier = Duration::from_secs(match self.environment.tier() {
                Tier::Local | Tier::Test => 1,
                Tier::Development | Tier::Staging => 3,
                Tier::Production => 5,
            });
            let slow = self.environment.is_cloud_run() && self.minimum_phase >= Phase::Services;
            let base = if slow {
                tier.max(CLOUD_RUN_SERVICES)
            } else {
                tier
            };
            Duration::try_from_secs_f64(base.as_secs_f64() * self.timeout_multiplier)
                .unwrap_or(LONGEST)
        });
        limit.min(LONGEST)
    }

    /// How long a wait may take while startup has not reported at all: never less than
    /// [`time_limit`](Self::time_limit), and on Cloud Run and in staging at least 15 s, whatever the
    /// multiplier. There the process that reports may itself be slow to come up.
    #[must_use]
    pub fn time_limit_unknown(&self) -> Duration {
        let patient = self.environment.is_cloud_run() || self.environment.tier() == Tier::Staging;
        match self.timeout {
            None if patient => self.time_limit().max(UNKNOWN_PHASE),
            _ => self.time_limit(),
        }
    }

    /// How many looks a wait of `limit` may take (G4): 1.2 times what fits, rounded up, so 12 a second
    /// at 100 ms. At least one, since nothing is ever decided without having looked.
    #[must_use]
    pub fn iteration_limit(&self, limit: Duration) -> u64 {
        let looks = (limit.as_nanos() * 12).div_ceil(self.interval.as_nanos() * 10);
        u64::try_from(looks).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vars;

    fn config(vars: &[(&str, &str)]) -> GuardConfig {
        GuardConfig::for_environment(&Environment::from_vars(
            &vars.iter().copied().collect::<Vars>(),
        ))
    }

    #[test]
    fn a_small_multiplier_shortens_every_limit_but_the_one_for_the_unknown() {
        let quick = config(&[("K_SERVICE", "chat")]).timeout_multiplier(0.5);
        assert_eq!(quick.time_limit(), Duration::from_secs(4));
        assert_eq!(quick.time_limit_unknown(), Duration::from_secs(15));
    }

    #[test]
    fn the_limit_for_the_unknown_is_never_the_shorter_one() {
        let slow = config(&[("ENVIRONMENT", "staging")]).timeout_multiplier(10.0);
        assert_eq!(slow.time_limit_unknown(), slow.time_limit());
    }

    #[test]
    fn limits_beyond_reason_are_capped() {
        let endless = config(&[]).timeout_multiplier(f64::MAX);
        assert_eq!(endless.time_limit(), LONGEST);
        assert_eq!(config(&[]).timeout(Duration::MAX).time_limit(), LONGEST);
    }

    #[test]
    fn the_iteration_limit_rounds_up() {
        let config = config(&[]).interval(Duration::from_millis(100));
        let looks = |ms| config.iteration_limit(Duration::from_millis(ms));
        assert_eq!(
            [looks(1000), looks(250), looks(500), looks(0)],
            [12, 3, 6, 1]
        );
    }

    #[test]
    #[should_panic(expected = "must not be zero")]
    fn an_interval_of_zero_is_refused() {
        let _ = config(&[]).interval(Duration::ZERO);
    }

    #[test]
    #[should_panic(expected = "finite number above zero")]
    fn a_multiplier_that_is_not_a_number_is_refused() {
        let _ = config(&[]).timeout_multiplier(f64::NAN);
    }
}
