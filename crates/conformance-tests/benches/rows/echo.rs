//! Row 4: the steady state, messages for each second of CPU time that the server's process takes.
//!
//! Each figure of each round has a server of its own, started for it; the servers take turns. Wall-clock
//! time says nothing here: on two cores that others use, too, it measures them.

use std::path::Path;
use std::time::Duration;

use conformance_tests::figures::{Figure, Plot, Samples, Table};

use crate::peers::{Opening, Peer, Server};
use crate::steady::Load;
use crate::{Options, Result};

/// The binary twice: the difference between the two is noise.
const SERVERS: [(&str, Option<Peer>); 6] = [
    ("ws-server", None),
    ("ws-server again", None),
    ("fastwebsockets", Some(Peer::FastWebSockets)),
    ("tokio-tungstenite", Some(Peer::Tungstenite)),
    ("axum", Some(Peer::Axum)),
    ("raw bytes", Some(Peer::Raw)),
];
const COMPARED: &str = "fastwebsockets";

/// So many connections take a minute to make, and are made in the first round alone.
const ONE_ROUND: usize = 10_000;

const SMALL: usize = 32;
const PAGE: usize = 16 * 1024;

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (rounds, most, measured_for) = if options.quick {
        (1, 1_000, Duration::from_millis(150))
    } else {
        (3, 10_000, Duration::from_millis(400))
    };
    let loads = loads(most);
    let settings = settings()?;
    let busy = options.quiet_machine().await?;
    let mut measured = vec![[(); SERVERS.len()].map(|()| Samples::default()); loads.len()];
    for round in 0..rounds {
        for (load, measured) in loads.iter().zip(&mut measured) {
            if round > 0 && load.connections >= ONE_ROUND {
                continue;
            }
            eprintln!("echo: round {} of {rounds}, {}", round + 1, load.name());
            for turn in 0..SERVERS.len() {
                // Nobody always comes behind the same one.
                let turn = (turn + round) % SERVERS.len();
                let (name, peer) = SERVERS[turn];
                let server = start(peer, &options.ws_server, settings.path()).await?;
                let raw = matches!(peer, Some(Peer::Raw));
                match load.rate(server, raw, measured_for).await {
                    Ok(rate) => measured[turn].push(rate / 1000.0),
                    // One that does not bear a load has no figure for it; ours has to.
                    Err(error) if peer.is_some() => {
                        eprintln!("{name}, {}: {error}", load.name());
                    }
                    Err(error) => return Err(format!("{name}, {}: {error}", load.name()).into()),
                }
            }
        }
    }
    let names = SERVERS.map(|(name, _)| name);
    let mut table = Table::new("Echo: thousands of messages for each CPU-second", names).note(
        format!(
            "Messages in flight are written at once by each client, which then waits for all of them. The second \
             ws-server is the same as the first: how far their ratio is from 1 is noise. ws-server has one thread for \
             every two cores, fastwebsockets and raw bytes have one, the others one for each core, each as it comes. \
             \"none\" is one that broke a connection under the load. Rounds in turns: {rounds}, \
             with {ONE_ROUND} connections one, each {measured_for:?} once it is steady. Before the row the machine was \
             {busy:.0} % busy."
        ),
    );
    for (load, samples) in loads.iter().zip(&measured) {
        let figure = Figure::new(load.name(), samples.iter().cloned());
        table.add(match target(*load) {
            Some(target) => figure.at_least_times(target, COMPARED),
            None => figure,
        });
    }
    println!("{table}");
    for in_flight in [1, 16] {
        let title = format!("Echo of {SMALL} B, {in_flight} in flight");
        let mut plot = Plot::new(title, "connections", "thousands of messages per CPU-second");
        for (server, name) in names.into_iter().enumerate() {
            if name == "ws-server again" {
                continue;
            }
            let points = loads.iter().zip(&measured);
            let points =
                points.filter(|(load, _)| (load.payload, load.in_flight) == (SMALL, in_flight));
            let mut points: Vec<_> = points
                .filter(|(_, samples)| !samples[server].is_empty())
                .map(|(load, samples)| (load.connections as f64, samples[server].median()))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            plot.add(name, points);
        }
        options.keep(&format!("echo-{in_flight}-in-flight.svg"), &plot)?;
    }
    Ok(())
}

/// At 64 connections all sizes, the smallest at others as well, and a middle one at many.
fn loads(most: usize) -> Vec<Load> {
    let mut loads = Vec::new();
    for in_flight in [1, 16] {
        for payload in [SMALL, 1024, PAGE, 64 * 1024] {
            loads.push(Load::new(payload, in_flight, 64));
        }
    }
    for connections in [1, 1_000, 10_000] {
        loads.push(Load::new(SMALL, 1, connections));
        loads.push(Load::new(SMALL, 16, connections));
    }
    loads.push(Load::new(PAGE, 1, 1_000));
    loads.retain(|load| load.connections <= most);
    loads
}

/// How many times as much as what it is compared with.
fn target(load: Load) -> Option<f64> {
    match (load.payload, load.in_flight, load.connections) {
        (SMALL | PAGE, 1, 64) => Some(1.0),
        (SMALL, 16, 64) => Some(2.5),
        _ => None,
    }
}

async fn start(peer: Option<Peer>, ws_server: &Path, settings: &Path) -> Result<Server> {
    match peer {
        Some(peer) => Server::start(peer, Opening::AtOnce).await,
        None => Server::start_binary(ws_server, settings).await,
    }
}

/// As it comes, but for as many connections as are measured.
fn settings() -> Result<tempfile::NamedTempFile> {
    let file = tempfile::Builder::new().suffix(".toml").tempfile()?;
    let text =
        "[log]\nlevel = \"warn\"\n[queue]\nmax_size = 4096\n[limits]\nmax_connections = 12000\n";
    std::fs::write(&file, text)?;
    Ok(file)
}
