//! The seven phases, their order and their names.

use std::fmt;
use std::str::FromStr;

/// One of the seven stages of startup. The order of the variants is the order they run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Phase {
    /// Configuration, logging, whatever needs nothing else.
    Init = 1,
    /// Things outside the process that everything else leans on.
    Dependencies,
    /// The database answers, its schema fits.
    Database,
    /// Caches are connected and warm.
    Cache,
    /// The application's own services run: usually the longest phase.
    Services,
    /// Everything a WebSocket handler needs is there.
    Websocket,
    /// Last touches: registration, announcements.
    Finalize,
}

impl Phase {
    /// How many phases there are.
    pub(crate) const COUNT: usize = 7;

    /// All phases in their order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Init,
        Self::Dependencies,
        Self::Database,
        Self::Cache,
        Self::Services,
        Self::Websocket,
        Self::Finalize,
    ];

    /// The position in the order, 1 to 7.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name as it is written in settings, logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Dependencies => "dependencies",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Services => "services",
            Self::Websocket => "websocket",
            Self::Finalize => "finalize",
        }
    }

    /// The phase before this one; `None` for the first.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        self.index().checked_sub(1).map(|index| Self::ALL[index])
    }

    /// The phase after this one; `None` for the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::ALL.get(self.index() + 1).copied()
    }

    pub(crate) const fn index(self) -> usize {
        self as usize - 1
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = UnknownPhase;

    /// Reads a phase's name as [`Phase::as_str`] writes it.
    fn from_str(name: &str) -> Result<Self, UnknownPhase> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == name)
            .ok_or_else(|| UnknownPhase(name.to_owned()))
    }
}

/// A name that is none of the seven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown phase `{0}`: one of init, dependencies, database, cache, services, websocket, finalize"
)]
pub struct UnknownPhase(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_neighbours_agree_with_the_order() {
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(phase.number()), index + 1);
            assert_eq!(phase.index(), index);
            assert_eq!(phase.to_string().parse(), Ok(phase));
            assert_eq!(phase.next(), Phase::ALL.get(index + 1).copied());
            assert_eq!(
                phase.next().map_or(Some(phase), Phase::previous),
                Some(phase)
            );
        }
        assert!(Phase::ALL.is_sorted());
        assert_eq!(Phase::Init.previous(), None);
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let error = "redis".parse::<Phase>().unwrap_err().to_string();
        for phase in Phase::ALL {
            assert!(error.contains(phase.as_str()), "{error}");
        }
    }
}
