//! Tables in Markdown that compare ours with others.

use std::fmt;

use super::Samples;

/// A table: a line for each figure, a column for ours and for each of the others, and the ratio of
/// ours to each of them.
///
/// A cell is the median over the rounds, with the smallest and the largest in brackets. A ratio is the
/// median of the rounds' own ratios: what disturbs the machine for a while disturbs both sides of a
/// round.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    notes: Vec<String>,
    /// Ours first.
    peers: Vec<&'static str>,
    figures: Vec<Figure>,
}

/// One line of a table.
#[derive(Clone, Debug)]
pub struct Figure {
    name: String,
    target: Option<Target>,
    /// For each peer one value a round; ours first.
    rounds: Vec<Samples>,
}

#[derive(Clone, Debug)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// At least so many times what the best of those peers has in the same round.
    Multiple(f64, Vec<&'static str>),
}

impl Table {
    /// An empty table. `peers` are the headings of the columns, ours first.
    pub fn new(title: impl Into<String>, peers: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            title: title.into(),
            notes: Vec::new(),
            peers: peers.into_iter().collect(),
            figures: Vec::new(),
        }
    }

    /// A line of text between title and table: what was measured, and how.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// One more line.
    ///
    /// # Panics
    ///
    /// The figure has another number of columns.
    pub fn add(&mut self, figure: Figure) {
        assert_eq!(figure.rounds.len(), self.peers.len(), "{}", figure.name);
        self.figures.push(figure);
    }
}

impl Figure {
    /// A figure with its unit in its name. `rounds` has one value a round for each peer, ours first; no
    /// value at all where there is nothing to measure.
    pub fn new(name: impl Into<String>, rounds: impl IntoIterator<Item = Samples>) -> Self {
        Self {
            name: name.into(),
            target: None,
            rounds: rounds.into_iter().collect(),
        }
    }

    /// Ours should be no more than this.
    #[must_use]
    pub fn at_most(self, limit: f64) -> Self {
        let target = Some(Target::AtMost(limit));
        Self { target, ..self }
    }

    /// Ours should be no less than this.
    #[must_use]
    pub fn at_least(self, limit: f64) -> Self {
        let target = Some(Target::AtLeast(limit));
        Self { target, ..self }
    }

    /// Ours should be no less than so many times what `peer` has in the same round.
    #[must_use]
    pub fn at_least_times(self, factor: f64, peer: &'static str) -> Self {
        self.at_least_times_the_best(factor, [peer])
    }

    /// Ours should be no less than so many times what the best of `peers` has in the same round. A peer
    /// that the table does not have is not waited for, as long as it has one of them.
    #[must_use]
    pub fn at_least_times_the_best(
        self,
        factor: f64,
        peers: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let target = Some(Target::Multiple(factor, peers.into_iter().collect()));
        Self { target, ..self }
    }

    fn misses_target(&self, peers: &[&str]) -> bool {
        let Some(ours) = self.rounds.first().filter(|ours| !ours.is_empty()) else {
            return self.target.is_some();
        };
        match &self.target {
            None => false,
            Some(Target::AtMost(limit)) => ours.median() > *limit,
            Some(Target::AtLeast(limit)) => ours.median() < *limit,
            Some(Target::Multiple(factor, of)) => {
                let columns = peers.iter().zip(&self.rounds);
                let compared =
                    columns.filter_map(|(peer, rounds)| of.contains(peer).then_some(rounds));
                let ratios = ratios(ours, &best(compared));
                ratios.is_empty() || ratios.median() < *factor
            }
        }
    }

    fn line(&self, peers: &[&str]) -> String {
        let target = self.target.as_ref().map(Target::shown).unwrap_or_default();
        let mut cells = vec![self.name.clone(), target];
        for (column, rounds) in self.rounds.iter().enumerate() {
            let missed = column == 0 && self.misses_target(peers);
            let mark = if missed { ", **target missed**" } else { "" };
            cells.push(format!("{}{mark}", cell(rounds)));
        }
        if let Some((ours, others)) = self.rounds.split_first() {
            cells.extend(others.iter().map(|other| ratio(ours, other)));
        }
        format!("| {} |", cells.join(" | "))
    }
}

impl Target {
    fn shown(&self) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit}"),
            Self::AtLeast(limit) => format!("≥ {limit}"),
            Self::Multiple(factor, peers) => match &peers[..] {
                [peer] => format!("≥ {factor} × {peer}"),
                several => format!("≥ {factor} × the best of {}", several.join(", ")),
            },
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.title)?;
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        let others = self.peers.iter().skip(1);
        let ratios = others.map(|peer| format!("ours ÷ {peer}"));
        let headings: Vec<String> = ["figure", "target"]
            .iter()
            .chain(&self.peers)
            .map(ToString::to_string)
            .chain(ratios)
            .collect();
        writeln!(f, "\n| {} |", headings.join(" | "))?;
        writeln!(f, "| --- |{}", " ---: |".repeat(headings.len() - 1))?;
        let mut lines = self.figures.iter().map(|figure| figure.line(&self.peers));
        lines.try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn cell(rounds: &Samples) -> String {
    match rounds.values() {
        [] => "none".to_owned(),
        [only] => number(*only),
        _ => format!(
            "{} ({} to {})",
            number(rounds.median()),
            number(rounds.min()),
            number(rounds.max())
        ),
    }
}

fn ratio(ours: &Samples, other: &Samples) -> String {
    let ratios = ratios(ours, other);
    if ratios.is_empty() {
        return "–".to_owned();
    }
    number(ratios.median())
}

/// For each round the largest of what several have.
fn best<'a>(several: impl IntoIterator<Item = &'a Samples>) -> Samples {
    let mut best: Vec<f64> = Vec::new();
    for rounds in several {
        for (round, &value) in rounds.values().iter().enumerate() {
            match best.get_mut(round) {
                Some(best) => *best = best.max(value),
                None => best.push(value),
            }
        }
    }
    best.into_iter().collect()
}

/// One for each round in which there is something to compare with.
fn ratios(ours: &Samples, other: &Samples) -> Samples {
    let pairs = ours.values().iter().zip(other.values());
    pairs
        .filter(|(_, other)| **other > 0.0)
        .map(|(ours, other)| ours / other)
        .collect()
}

/// As many digits as a machine that others use can tell, and tenths of a millisecond up to a second.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size > 0.0 => 3,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(figure: &Figure) -> String {
        figure.line(&["ours", "axum"])
    }

    #[test]
    fn a_cell_is_the_median_with_the_range_and_a_ratio_the_median_of_the_rounds() {
        let figure = Figure::new(
            "wait, ms",
            [Samples::from([1.0, 2.0, 40.0]), [4.0, 4.0, 40.0].into()],
        );
        assert_eq!(
            line(&figure),
            "| wait, ms |  | 2.00 (1.00 to 40.0) | 4.00 (4.00 to 40.0) | 0.500 |"
        );
    }

    #[test]
    fn a_missed_target_is_marked_and_a_met_one_is_not() {
        let figure = |limit| Figure::new("spread", [Samples::from([2.0])]).at_most(limit);
        assert_eq!(
            line(&figure(1.5)),
            "| spread | ≤ 1.5 | 2.00, **target missed** |"
        );
        assert_eq!(line(&figure(2.0)), "| spread | ≤ 2 | 2.00 |");
        let share = Figure::new("served, %", [Samples::from([99.5])]).at_least(100.0);
        assert!(line(&share).contains("target missed"));
    }

    #[test]
    fn a_target_can_be_a_multiple_of_what_a_peer_has_in_the_same_round() {
        // Two rounds of three are 2.5 times as much, whatever the medians are.
        let rounds = [Samples::from([5.0, 20.0, 9.0]), [2.0, 8.0, 9.0].into()];
        let figure = |factor| Figure::new("echo", rounds.clone()).at_least_times(factor, "axum");
        assert_eq!(
            line(&figure(2.5)),
            "| echo | ≥ 2.5 × axum | 9.00 (5.00 to 20.0) | 8.00 (2.00 to 9.00) | 2.50 |"
        );
        assert!(line(&figure(2.6)).contains("target missed"));
        let unknown = Figure::new("echo", rounds.clone()).at_least_times(1.0, "hyper");
        assert!(line(&unknown).contains("target missed"));
    }

    #[test]
    fn a_target_can_be_a_multiple_of_the_best_in_each_round() {
        // Against either of the two alone it would be met.
        let rounds = [
            Samples::from([22.0, 22.0, 22.0]),
            [30.0, 10.0, 10.0].into(),
            [10.0, 30.0, 20.0].into(),
        ];
        let peers = ["ours", "nginx", "haproxy"];
        let line = |of: &[&'static str]| {
            let figure = Figure::new("proxy", rounds.clone());
            let figure = figure.at_least_times_the_best(1.1, of.iter().copied());
            figure.line(&peers)
        };
        assert!(line(&["nginx", "haproxy"]).starts_with(
            "| proxy | ≥ 1.1 × the best of nginx, haproxy | 22.0 (22.0 to 22.0), **target missed** |"
        ));
        assert!(!line(&["haproxy"]).contains("target missed"));
        assert!(!line(&["nginx", "not installed"]).contains("target missed"));
        assert!(line(&["not installed", "nor this"]).contains("target missed"));
    }

    #[test]
    fn a_target_with_nothing_measured_is_missed() {
        let figure = Figure::new("last, ms", [Samples::default()]).at_most(1.0);
        assert_eq!(
            line(&figure),
            "| last, ms | ≤ 1 | none, **target missed** |"
        );
    }

    #[test]
    fn a_ratio_to_nothing_is_left_open() {
        let figure = Figure::new("lost", [Samples::from([0.0]), [0.0].into()]);
        assert_eq!(line(&figure), "| lost |  | 0 | 0 | – |");
    }

    #[test]
    fn a_table_has_a_column_for_each_peer_and_each_ratio() {
        let table = Table::new("Holding", ["ours", "axum"]).note("Two rounds.");
        assert_eq!(
            table.to_string(),
            "## Holding\n\nTwo rounds.\n\n| figure | target | ours | axum | ours ÷ axum |\n| --- | ---: | ---: | ---: | ---: |\n"
        );
    }
}
