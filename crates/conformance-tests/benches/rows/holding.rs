//! Row 3: what holding costs, and how soon the held have their answer once startup is over.
//!
//! Both servers are this program, opened by the same line on standard input: the opening is the moment
//! before that line is written, on the clock of the clients.

use std::time::Duration;

use conformance_tests::figures::{Figure, Plot, Samples, Table};
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout};

use crate::client::{Client, Failure};
use crate::peers::{Opening, Peer, Server};
use crate::{Options, Result, process};

/// Clients that connect at the same time: fewer than a listener's backlog takes.
const CONNECTING: usize = 200;
/// Long after anyone who is served at all has been.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clients of one opening when few are held.
const FEW: usize = 50;

const COUNTS: [usize; 6] = [50, 500, 1_000, 5_000, 10_000, 15_000];
/// From here on what is allocated ahead weighs less than the clients.
const MANY: usize = 1_000;
/// For this many the last answer, and what holding costs, have their targets.
const TARGETED: usize = 10_000;
/// Descriptors that a process needs besides those of the clients, with room.
const OTHERS: u64 = 200;

const PEERS: [Peer; 2] = [Peer::Ours, Peer::Axum];
const NAMES: [&str; 2] = ["ours", "axum"];

/// What one holding found.
struct Held {
    held_kib: f64,
    live_kib: f64,
    core_percent: f64,
    served_percent: f64,
    /// From the opening to each client's 101, in ms.
    waits: Samples,
}

/// For so many held, the rounds of each peer.
struct Count {
    held: usize,
    rounds: [Vec<Held>; PEERS.len()],
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (largest, rounds, openings, measured) = if options.quick {
        (MANY, 1, 4, Duration::from_secs(1))
    } else {
        (usize::MAX, 3, 10, Duration::from_secs(3))
    };
    let descriptors = rlimit::increase_nofile_limit(u64::MAX)?;
    let fits = |count: usize| count <= largest && count as u64 + OTHERS <= descriptors;
    let counts = COUNTS.into_iter().filter(|count| fits(*count));
    let mut counts: Vec<Count> = counts.map(Count::new).collect();
    let busy = options.quiet_machine().await?;
    let mut few = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        eprintln!("holding: round {round} of {rounds}, {FEW} clients, {openings} openings");
        let mut waits = [Samples::default(), Samples::default()];
        for _ in 0..openings {
            for (peer, waits) in PEERS.into_iter().zip(&mut waits) {
                let held = hold(peer, FEW, Duration::ZERO).await?;
                waits.extend(held.waits.values().iter().copied());
            }
        }
        for (waits, into) in waits.into_iter().zip(&mut few) {
            into.push(waits);
        }
        for count in &mut counts {
            for (peer, into) in PEERS.into_iter().zip(&mut count.rounds) {
                eprintln!(
                    "holding: round {round} of {rounds}, {} clients, {peer}",
                    count.held
                );
                into.push(hold(peer, count.held, measured).await?);
            }
        }
    }
    let mut table = Table::new("Holding", NAMES).note(format!(
        "Rounds in turns: {rounds}, each of {openings} openings for {FEW} held and one for each number; memory is \
         resident memory beyond that at rest. Clients and server are processes of their own, each of which may have \
         {descriptors} descriptors. Before the row the machine was {busy:.0} % busy."
    ));
    let waits = |what: &str, of: fn(&Samples) -> f64| {
        let name = format!("{FEW} held, opening → 101, {what} of all openings, ms");
        let columns: [Samples; 2] = few.each_ref().map(|rounds| rounds.iter().map(of).collect());
        Figure::new(name, columns)
    };
    table.add(waits("p50", |waits| waits.quantile(0.5)));
    table.add(waits("p99", |waits| waits.quantile(0.99)).at_most(5.0));
    table.add(waits("max", Samples::max));
    add_to(&mut table, &counts);
    println!("{table}");
    let memory = ("Memory of a held connection", "KiB for each");
    options.keep(
        "holding-memory.svg",
        &plot(memory, &counts, |_, held| held.held_kib),
    )?;
    let release = ("From the opening to the last 101", "µs for each held");
    let for_each = |count: usize, held: &Held| held.waits.max() * 1000.0 / count as f64;
    options.keep("holding-release.svg", &plot(release, &counts, for_each))
}

fn add_to(table: &mut Table, counts: &[Count]) {
    let mut add = |what: &str, of: fn(&Held) -> f64, target: fn(Figure, usize) -> Figure| {
        for count in counts {
            table.add(target(count.figure(what, of), count.held));
        }
    };
    add(
        "served, %",
        |held| held.served_percent,
        |figure, _| figure.at_least(100.0),
    );
    add(
        "opening → 101, p50, ms",
        |held| held.waits.quantile(0.5),
        |figure, _| figure,
    );
    add(
        "opening → 101, last, ms",
        |held| held.waits.max(),
        |figure, held| at_most(figure, 500.0, held == TARGETED),
    );
    add(
        "CPU while holding, % of one core",
        |held| held.core_percent,
        |figure, held| at_most(figure, 0.5, held == TARGETED),
    );
    add(
        "memory for each while held, KiB",
        |held| held.held_kib,
        |figure, held| at_most(figure, 6.0, held >= MANY),
    );
    add(
        "memory for each once served and idle, KiB",
        |held| held.live_kib,
        |figure, held| at_most(figure, 8.0, held >= MANY),
    );
}

fn at_most(figure: Figure, limit: f64, is_targeted: bool) -> Figure {
    if is_targeted {
        figure.at_most(limit)
    } else {
        figure
    }
}

fn plot((title, axis): (&str, &str), counts: &[Count], of: impl Fn(usize, &Held) -> f64) -> Plot {
    let mut plot = Plot::new(title, "held", axis);
    for (column, name) in NAMES.into_iter().enumerate() {
        let points = counts.iter().map(|count| {
            let rounds = count.rounds[column].iter();
            let median = rounds
                .map(|held| of(count.held, held))
                .collect::<Samples>()
                .median();
            (count.held as f64, median)
        });
        plot.add(name, points);
    }
    plot
}

impl Count {
    fn new(held: usize) -> Self {
        Self {
            held,
            rounds: [Vec::new(), Vec::new()],
        }
    }

    fn figure(&self, what: &str, of: fn(&Held) -> f64) -> Figure {
        let columns: [Samples; 2] = self
            .rounds
            .each_ref()
            .map(|rounds| rounds.iter().map(of).collect());
        Figure::new(format!("{} held, {what}", self.held), columns)
    }
}

/// Holds `count` clients for as long as their CPU time is measured, opens, and has each echo once.
async fn hold(peer: Peer, count: usize, measured: Duration) -> Result<Held> {
    let mut server = Server::start(peer, Opening::Line).await?;
    server.quiet().await?;
    let at_rest = process::resident_kib(server.pid())?;
    let address = server.address();
    let clients: Vec<Client> = stream::iter(0..count)
        .map(|_| Client::ask(address))
        .buffered(CONNECTING)
        .try_collect()
        .await
        .map_err(|failure| format!("{peer}: {failure}"))?;
    server.quiet().await?;
    let for_each = |resident: f64| (resident - at_rest) / count as f64;
    let held_kib = for_each(process::resident_kib(server.pid())?);
    let core_percent = if measured.is_zero() {
        0.0
    } else {
        process::core_share(server.pid(), measured).await?
    };

    let waiting: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(upgraded(client)))
        .collect();
    // They all wait for their sockets before anything comes.
    tokio::task::yield_now().await;
    let opened = server.open()?;
    let mut served = Vec::with_capacity(count);
    for waiting in waiting {
        match waiting.await? {
            Ok((client, at)) => served.push((client, at)),
            Err(failure) => eprintln!("{peer}: not served: {failure}"),
        }
    }
    let waits: Samples = served
        .iter()
        .map(|(_, at)| at.saturating_duration_since(opened).as_secs_f64() * 1000.0)
        .collect();
    let mut echoed = 0;
    for (client, _) in &mut served {
        match timeout(PATIENCE, client.echo(b"hello")).await? {
            Ok(()) => echoed += 1,
            Err(failure) => eprintln!("{peer}: no echo: {failure}"),
        }
    }
    if waits.is_empty() {
        return Err(format!("{peer}: nobody was served").into());
    }
    let live_kib = for_each(process::resident_kib(server.pid())?);
    // Before its clients: so none of them waits for the last packet.
    drop(server);
    Ok(Held {
        held_kib,
        live_kib,
        core_percent,
        served_percent: 100.0 * f64::from(echoed) / count as f64,
        waits,
    })
}

async fn upgraded(mut client: Client) -> Result<(Client, Instant), Failure> {
    match timeout(PATIENCE, client.upgraded()).await {
        Ok(upgraded) => upgraded.map(|()| (client, Instant::now())),
        Err(_elapsed) => Err(Failure::Broken(std::io::ErrorKind::TimedOut.into())),
    }
}
