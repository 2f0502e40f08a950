//! Which starts are kept, what they usually take, and how they are written down: no file, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use startup_phases::Phase;
use thiserror::Error;

/// As many as a median has use for, and few enough to follow a machine that becomes faster.
const KEPT: usize = 20;

/// Fewer starts say nothing about what is usual.
const ENOUGH: usize = 3;

/// What a short start may take longer without anybody having to know.
const SECOND: Duration = Duration::from_secs(1);

/// What the text says it is; another number is of another program, or of a later one.
const VERSION: u32 = 1;

/// The last complete starts, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Starts(Vec<Start>);

/// One start that was completed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Start {
    #[serde(rename = "began_unix_seconds")]
    pub(crate) began: u64,
    #[serde(flatten)]
    pub(crate) durations: Durations,
}

/// How long a start took, or how long starts take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Durations {
    /// Until the gate opened for the first time.
    #[serde(rename = "open_seconds")]
    pub(crate) open: Seconds,
    pub(crate) phases: BTreeMap<Phase, Seconds>,
    pub(crate) steps: BTreeMap<String, Seconds>,
}

/// What starts of the same steps usually take: medians, each on its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Usual {
    /// Of how many starts.
    pub(crate) starts: usize,
    #[serde(flatten)]
    pub(crate) durations: Durations,
}

impl Starts {
    /// Reads what [`to_json`](Self::to_json) wrote.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Unusable> {
        /// Read on its own: whatever else another version has is its own affair.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        #[derive(Deserialize)]
        struct Document {
            starts: Vec<Start>,
        }
        let Versioned { version } = serde_json::from_slice(text).map_err(Unusable::Foreign)?;
        if version != VERSION {
            return Err(Unusable::Version(version));
        }
        let Document { starts } = serde_json::from_slice(text).map_err(Unusable::Foreign)?;
        let mut starts = Self(starts);
        starts.forget();
        Ok(starts)
    }

    pub(crate) fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            version: u32,
            starts: &'a [Start],
        }
        let document = Document {
            version: VERSION,
            starts: &self.0,
        };
        serde_json::to_string_pretty(&document).expect("our own types serialise") + "\n"
    }

    pub(crate) fn add(&mut self, start: Start) {
        self.0.push(start);
        self.forget();
    }

    fn forget(&mut self) {
        self.0.drain(..self.0.len().saturating_sub(KEPT));
    }

    /// What the starts took that had steps of these names; `None` where there was none. A plan that
    /// was changed begins anew.
    pub(crate) fn usual(&self, steps: &BTreeSet<&str>) -> Option<Usual> {
        let starts = self.0.iter().map(|start| &start.durations);
        let same: Vec<_> = starts.filter(|it| it.steps.keys().eq(steps)).collect();
        let phases = same.iter().flat_map(|it| &it.phases);
        Some(Usual {
            starts: same.len(),
            durations: Durations {
                open: median(same.iter().map(|it| it.open).collect())?,
                phases: medians(phases),
                steps: medians(same.iter().flat_map(|it| &it.steps)),
            },
        })
    }
}

impl Usual {
    /// From when on a start takes far longer than this; `None` where too few are known to say.
    pub(crate) fn far_longer(&self) -> Option<Duration> {
        let open = self.durations.open.0;
        (self.starts >= ENOUGH).then(|| open + open.max(SECOND))
    }
}

fn medians<'a, K: Clone + Ord + 'a>(
    durations: impl Iterator<Item = (&'a K, &'a Seconds)>,
) -> BTreeMap<K, Seconds> {
    let mut by_name: BTreeMap<&K, Vec<Seconds>> = BTreeMap::new();
    for (name, &duration) in durations {
        by_name.entry(name).or_default().push(duration);
    }
    let medians = by_name.into_iter();
    medians
        .filter_map(|(name, all)| Some((name.clone(), median(all)?)))
        .collect()
}

fn median(mut all: Vec<Seconds>) -> Option<Seconds> {
    all.sort_unstable();
    let last = all.len().checked_sub(1)?;
    let [Seconds(low), Seconds(high)] = [all[last / 2], all[all.len() / 2]];
    Some(Seconds::of(low + (high - low) / 2))
}

/// A duration in whole microseconds, since what is below is noise; written as seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seconds(Duration);

impl Seconds {
    /// Longer than any start.
    const LONGEST: Duration = Duration::from_secs(365 * 86_400);

    pub(crate) fn of(duration: Duration) -> Self {
        let nanos = duration.subsec_nanos() % 1000;
        Self((duration - Duration::from_nanos(nanos.into())).min(Self::LONGEST))
    }

    pub(crate) fn duration(self) -> Duration {
        self.0
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_secs_f64().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        match Duration::try_from_secs_f64(seconds) {
            Ok(duration) if duration <= Self::LONGEST => {
                // Of the two whole numbers around what a floating-point number says, the nearer.
                Ok(Self::of(duration + Duration::from_nanos(500)))
            }
            _ => Err(serde::de::Error::custom(format!(
                "{seconds} seconds are no duration of a start"
            ))),
        }
    }
}

/// Why a text is not one of ours.
#[derive(Debug, Error)]
pub(crate) enum Unusable {
    #[error("is no history of starts: {0}")]
    Foreign(serde_json::Error),
    #[error("is of version {0}, and version {VERSION} is read here")]
    Version(u32),
}

#[cfg(test)]
mod tests;
