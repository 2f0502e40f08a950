//! Row 3: what holding costs, and how soon the held have their answer once startup is over.
//!
//! Both servers are this program, opened by the same line on standard input: the opening is the moment
//! before that line is written, on the clock of the clients.

use std::time::Duration;

use conformance_tests::figures::{Figure, Samples, Table};
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

const PEERS: [Peer; 2] = [Peer::Ours, Peer::Axum];

/// What one holding found.
struct Held {
    held_kib: f64,
    live_kib: f64,
    core_percent: f64,
    served_percent: f64,
    /// From the opening to each client's 101, in ms.
    waits: Samples,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (many, rounds, openings) = if options.quick {
        (1_000, 1, 4)
    } else {
        (10_000, 3, 10)
    };
    let busy = process::quiet_machine().await?;
    let mut few = [Vec::new(), Vec::new()];
    let mut held = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        eprintln!("holding: round {round} of {rounds}, {FEW} clients");
        let mut waits = [Samples::default(), Samples::default()];
        for _ in 0..openings {
            for (peer, waits) in PEERS.into_iter().zip(&mut waits) {
                waits.extend(
                    hold(peer, FEW, Duration::ZERO)
                        .await?
                        .waits
                        .values()
                        .iter()
                        .copied(),
                );
            }
        }
        for (waits, into) in waits.into_iter().zip(&mut few) {
            into.push(waits);
        }
        for (peer, into) in PEERS.into_iter().zip(&mut held) {
            eprintln!("holding: round {round} of {rounds}, {many} clients, {peer}");
            into.push(hold(peer, many, Duration::from_secs(5)).await?);
        }
    }

    let mut table = Table::new("Holding", ["ours", "axum"]).note(format!(
        "Rounds in turns: {rounds}, each of {openings} openings for {FEW} held and one for {many}; memory is resident \
         memory beyond that at rest. Before the row the machine was {busy:.0} % busy."
    ));
    let waits = |what: &str, of: fn(&Samples) -> f64| {
        let name = format!("{FEW} held, opening → 101, {what}, ms");
        Figure::new(
            name,
            few.each_ref()
                .map(|rounds| rounds.iter().map(of).collect::<Samples>()),
        )
    };
    table.add(waits("p50", |waits| waits.quantile(0.5)));
    table.add(waits("p99", |waits| waits.quantile(0.99)).at_most(5.0));
    table.add(waits("max", Samples::max));
    let figure = |what: &str, of: fn(&Held) -> f64| {
        let name = format!("{many} held, {what}");
        Figure::new(
            name,
            held.each_ref()
                .map(|rounds| rounds.iter().map(of).collect::<Samples>()),
        )
    };
    table.add(figure("served, %", |held| held.served_percent).at_least(100.0));
    table.add(figure("opening → 101, p50, ms", |held| {
        held.waits.quantile(0.5)
    }));
    table.add(figure("opening → 101, last, ms", |held| held.waits.max()).at_most(500.0));
    table.add(figure("CPU while holding, % of one core", |held| held.core_percent).at_most(0.5));
    table.add(figure("memory for each while held, KiB", |held| held.held_kib).at_most(6.0));
    table.add(
        figure("memory for each once served and idle, KiB", |held| {
            held.live_kib
        })
        .at_most(8.0),
    );
    println!("{table}");
    Ok(())
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
    Ok(Held {
        held_kib,
        live_kib: for_each(process::resident_kib(server.pid())?),
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
