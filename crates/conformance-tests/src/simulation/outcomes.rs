//! What became of clients, counted.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use super::scenario::How;
use super::visit::{End, Visit};

/// How many connections ended in which way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// How many clients there were; some come several times.
    pub clients: usize,
    /// How many connections of theirs ended so.
    pub ends: BTreeMap<String, usize>,
}

impl Outcomes {
    pub(super) fn of(visits: &[Visit]) -> Self {
        let mut outcomes = Self::default();
        for visit in visits {
            outcomes.clients += usize::from(visit.name.attempt == 0);
            *outcomes.ends.entry(outcome(visit)).or_default() += 1;
        }
        outcomes
    }
}

impl fmt::Display for Outcomes {
    /// A line for each way to end: how many connections ended so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self
            .ends
            .iter()
            .map(|(end, count)| format!("{count:>9}  {end}"));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, other: Self) {
        self.clients += other.clients;
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
    }
}

fn outcome(visit: &Visit) -> String {
    if let Some(page) = visit.page {
        return match (visit.end, visit.status()) {
            (End::NobodyThere, _) => "found nobody there".to_owned(),
            (_, Some(status)) => format!("page {page}: {status}"),
            (_, None) => format!("page {page}: cut off"),
        };
    }
    let when = || match (visit.is_open(), visit.arrived) {
        (true, _) => "with its 101",
        (false, Some(_)) => "while it waited",
        (false, None) => "before its request was read",
    };
    match (visit.left, &visit.closed, visit.status()) {
        (Some((How::Closes, _)), ..) => format!("left {}", when()),
        (Some((How::Resets, _)), ..) => format!("left with a reset {}", when()),
        (Some((How::Vanishes, _)), ..) => format!("vanished {}", when()),
        (Some((How::ShutsSending, _)), ..) => format!("shut its sending side {}", when()),
        (None, Some(closed), _) if closed.code == 1000 => "served to its end: 1000".to_owned(),
        (None, Some(closed), _) => match closed.code {
            1001 | 1011 if !closed.reason.is_empty() => {
                format!("closed: {} {}", closed.code, closed.reason)
            }
            code => format!("closed: {code}"),
        },
        (None, None, Some(101)) => format!("dropped with its 101: {:?}", visit.end),
        (None, None, Some(503)) => {
            format!(
                "refused: {}",
                visit.refusal().unwrap_or_else(|| "?".to_owned())
            )
        }
        (None, None, Some(status)) => format!("answered: {status}"),
        (None, None, None) if visit.end == End::NobodyThere => "found nobody there".to_owned(),
        (None, None, None) => format!("dropped unanswered: {:?}", visit.end),
    }
}
