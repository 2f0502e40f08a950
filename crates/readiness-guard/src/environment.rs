//! Where the process runs, and how patient that makes the guard.

use std::fmt;
use std::str::FromStr;

use crate::Vars;

/// The kind of environment: it decides how long a wait may take (G3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Tier {
    /// A developer's machine.
    Local,
    /// An automated test. Also read from `testing`.
    Test,
    /// A shared development system. Also read from `dev`.
    Development,
    /// The rehearsal for production.
    Staging,
    /// Production. Also read from `prod`.
    Production,
}

impl Tier {
    /// The name, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Local => "local",
            Tier::Test => "test",
            Tier::Development => "development",
            Tier::Staging => "staging",
            Tier::Production => "production",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Tier {
    type Err = UnknownTier;

    /// Upper and lower case are the same, and so are the short forms `testing`, `dev` and `prod`.
    fn from_str(name: &str) -> Result<Self, UnknownTier> {
        match name.trim().to_ascii_lowercase().as_str() {
            "local" => Ok(Tier::Local),
            "test" | "testing" => Ok(Tier::Test),
            "development" | "dev" => Ok(Tier::Development),
            "staging" => Ok(Tier::Staging),
            "production" | "prod" => Ok(Tier::Production),
            _ => Err(UnknownTier(name.to_owned())),
        }
    }
}

/// No [`Tier`] has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTier(String);

impl fmt::Display for UnknownTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        write!(
            f,
            "unknown environment `{name}`: local, test, development, staging or production"
        )
    }
}

impl std::error::Error for UnknownTier {}

/// The environment as detected, and what was odd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    tier: Tier,
    cloud_run: bool,
    warnings: Vec<String>,
}

impl Environment {
    /// Reads the process environment. See [`from_vars`](Self::from_vars) for the rules.
    #[must_use]
    pub fn detect() -> Self {
        Self::from_vars(&Vars::from_process())
    }

    /// Decides from `ENVIRONMENT` and the platform's own marker, `K_SERVICE` (Cloud Run).
    ///
    /// No marker at all is production: waiting too long costs seconds, giving up too early costs
    /// clients. So is an `ENVIRONMENT` nobody knows, and one that claims `local` or `test` on Cloud Run;
    /// both leave a [warning](Self::warnings). A variable that is set to nothing counts as not set.
    #[must_use]
    pub fn from_vars(vars: &Vars) -> Self {
        let set = |name| {
            vars.get(name)
                .map(str::trim)
                .filter(|value| !value.is_empty())
        };
        let cloud_run = set("K_SERVICE").is_some();
        let mut warnings = Vec::new();
        let tier = match set("ENVIRONMENT").map(str::parse) {
            None => Tier::Production,
            Some(Ok(tier @ (Tier::Local | Tier::Test))) if cloud_run => {
                warnings.push(format!(
                    "ENVIRONMENT says {tier}, K_SERVICE says Cloud Run: taken for production"
                ));
                Tier::Production
            }
            Some(Ok(tier)) => tier,
            Some(Err(unknown)) => {
                warnings.push(format!("ENVIRONMENT: {unknown}; taken for production"));
                Tier::Production
            }
        };
        Self {
            tier,
            cloud_run,
            warnings,
        }
    }

    /// The same place under an explicitly configured tier. The platform marker stays; the warnings go,
    /// since they were about a variable that no longer decides anything.
    #[must_use]
    pub fn with_tier(self, tier: Tier) -> Self {
        Self {
            tier,
            warnings: Vec::new(),
            ..self
        }
    }

    /// The kind of environment.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Whether the platform is Cloud Run.
    #[must_use]
    pub fn is_cloud_run(&self) -> bool {
        self.cloud_run
    }

    /// What contradicted itself or could not be understood. A guard logs these and repeats them in its
    /// verdicts.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(vars: &[(&str, &str)]) -> Environment {
        Environment::from_vars(&vars.iter().copied().collect())
    }

    #[test]
    fn every_tier_reads_back_its_own_name() {
        for tier in [
            Tier::Local,
            Tier::Test,
            Tier::Development,
            Tier::Staging,
            Tier::Production,
        ] {
            assert_eq!(tier.to_string().to_uppercase().parse(), Ok(tier));
        }
    }

    #[test]
    fn a_variable_set_to_nothing_is_not_set() {
        let blank = environment(&[("ENVIRONMENT", ""), ("K_SERVICE", " ")]);
        assert_eq!(blank, environment(&[]));
    }

    #[test]
    fn a_tier_that_nobody_knows_is_told_with_those_that_there_are() {
        let odd = environment(&[("ENVIRONMENT", "moon")]);
        let told = "ENVIRONMENT: unknown environment `moon`: \
            local, test, development, staging or production; taken for production";
        assert_eq!(odd.warnings(), [told]);
    }

    #[test]
    fn an_explicit_tier_keeps_the_platform_and_drops_the_doubts() {
        let odd = environment(&[("ENVIRONMENT", "test"), ("K_SERVICE", "chat")]);
        assert_eq!(odd.warnings().len(), 1);
        let explicit = odd.with_tier(Tier::Test);
        assert_eq!(
            (explicit.tier(), explicit.is_cloud_run()),
            (Tier::Test, true)
        );
        assert!(explicit.warnings().is_empty());
    }
}
