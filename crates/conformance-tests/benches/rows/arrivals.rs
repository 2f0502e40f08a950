//! Clients that come while nobody can serve them yet, and what became of them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use conformance_tests::figures::{Figure, Samples, Table};
use fastrand::Rng;
use futures::future::join_all;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::Result;
use crate::client::{Client, Failure};

/// Long after anyone who is served at all has been.
const PATIENCE: Duration = Duration::from_secs(15);
/// Who was served so much later than somebody who came later was overtaken.
const OVERTAKEN: Duration = Duration::from_millis(50);
/// Before the second attempt; then twice as long each time. Chance adds up to half of it.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Clients that come evenly over a while.
#[derive(Clone, Copy)]
pub(crate) struct Arrivals {
    pub(crate) clients: u32,
    pub(crate) over: Duration,
    pub(crate) attempts: Attempts,
}

/// What a client does that was not served.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Attempts {
    /// It stays away.
    One,
    /// It comes again after a while that grows, as libraries have it that reconnect.
    BackOff,
}

/// What became of one client: when its first echo came, and what failed before.
#[derive(Default)]
pub(crate) struct End {
    served: Option<Instant>,
    failures: Vec<Failure>,
}

/// What one round found; times in ms.
pub(crate) struct Round {
    served_percent: f64,
    closed_with_1011: f64,
    overtaken: f64,
    since_opening: Samples,
}

impl Arrivals {
    /// Waits until all have come, in order of arrival, and each has been served or has given up.
    pub(crate) async fn come(self, server: SocketAddr, start: Instant) -> Result<Vec<End>> {
        let clients = (0..self.clients).map(|index| {
            // In the middle of its own part of the time.
            let arrival = start + self.over * (2 * index + 1) / (2 * self.clients);
            let mut dice = Rng::with_seed(u64::from(index));
            tokio::spawn(async move {
                sleep_until(arrival).await;
                let mut end = End::default();
                if timeout(PATIENCE, self.attempts.make(server, &mut dice, &mut end))
                    .await
                    .is_err()
                {
                    let late = io::ErrorKind::TimedOut.into();
                    end.failures.push(Failure::Broken(late));
                }
                end
            })
        });
        Ok(join_all(clients)
            .await
            .into_iter()
            .collect::<Result<_, _>>()?)
    }
}

impl Attempts {
    async fn make(self, server: SocketAddr, dice: &mut Rng, end: &mut End) {
        let mut pause = BACK_OFF;
        loop {
            match served(server).await {
                Ok(()) => {
                    end.served = Some(Instant::now());
                    return;
                }
                Err(failure) => end.failures.push(failure),
            }
            if self == Self::One {
                return;
            }
            sleep(pause.mul_f64(1.0 + dice.f64() / 2.0)).await;
            pause *= 2;
        }
    }
}

/// Is served until its first echo has come.
pub(crate) async fn served(server: SocketAddr) -> Result<(), Failure> {
    let mut client = Client::ask(server).await?;
    client.upgraded().await?;
    client.echo(b"hello").await
}

/// How long after a moment each of those was served who were.
pub(crate) fn since(ends: &[End], moment: Instant) -> Samples {
    let served = ends.iter().filter_map(|end| end.served);
    let since = served.map(|at| at.saturating_duration_since(moment));
    since.map(|since| since.as_secs_f64() * 1000.0).collect()
}

impl Round {
    pub(crate) fn new(ends: &[End], opened: Instant) -> Self {
        let failures = ends.iter().flat_map(|end| &end.failures);
        let with_1011 = failures.filter(|failure| matches!(failure, Failure::Closed(1011)));
        let since_opening = since(ends, opened);
        Self {
            served_percent: 100.0 * since_opening.values().len() as f64 / ends.len() as f64,
            closed_with_1011: with_1011.count() as f64,
            overtaken: overtaken(ends) as f64,
            since_opening,
        }
    }
}

fn overtaken(ends: &[End]) -> usize {
    let mut earliest_behind: Option<Instant> = None;
    let mut overtaken = 0;
    for at in ends.iter().rev().filter_map(|end| end.served) {
        let earliest = earliest_behind.map_or(at, |behind| behind.min(at));
        if at.saturating_duration_since(earliest) > OVERTAKEN {
            overtaken += 1;
        }
        earliest_behind = Some(earliest);
    }
    overtaken
}

/// The lines that every table of arrivals has; for each server its rounds, ours first.
pub(crate) fn add_to(table: &mut Table, servers: &[&[Round]]) {
    let figure = |what: &str, of: fn(&Round) -> f64| {
        let rounds = servers.iter().map(|rounds| rounds.iter().map(of).collect());
        Figure::new(what, rounds.collect::<Vec<Samples>>())
    };
    table.add(figure("served, %", |round| round.served_percent).at_least(100.0));
    table.add(figure("closed with 1011", |round| round.closed_with_1011).at_most(0.0));
    let name = format!(
        "served out of order by more than {} ms",
        OVERTAKEN.as_millis()
    );
    table.add(figure(&name, |round| round.overtaken).at_most(0.0));
    let times: Vec<Vec<&Samples>> = servers
        .iter()
        .map(|rounds| rounds.iter().map(|round| &round.since_opening).collect())
        .collect();
    add_times(table, "port open → first echo", &times);
}

/// Lines of times in ms, for each server one value a round in which anybody was served.
pub(crate) fn add_times(table: &mut Table, what: &str, servers: &[Vec<&Samples>]) {
    for (name, q) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        let columns = servers.iter().map(|rounds| {
            let rounds = rounds.iter().filter(|samples| !samples.is_empty());
            rounds.map(|samples| samples.quantile(q)).collect()
        });
        let columns: Vec<Samples> = columns.collect();
        table.add(Figure::new(format!("{what}, {name}, ms"), columns));
    }
}
