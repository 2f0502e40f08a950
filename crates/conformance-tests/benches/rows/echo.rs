//! Row 4: the steady state, messages for each second of CPU time that the server's process takes.
//!
//! Each figure of each round has a server of its own, started for it; the servers take turns. Wall-clock
//! time says nothing here: on two cores that others use, too, it measures them.

use std::path::Path;
use std::time::Duration;

use conformance_tests::figures::{Figure, Plot, Samples, Table};

use crate::load::{Clients, Exchange};
use crate::peers::{Opening, Peer, Server};
use crate::{Options, Result, process};

const SLICE: Duration = Duration::from_millis(100);
/// A server is steady once a slice is within this share of the one before it.
const STEADY: f64 = 0.1;
const STEADY_LIMIT: usize = 10;

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

const SMALL: usize = 32;
const PAGE: usize = 16 * 1024;

#[derive(Clone, Copy, PartialEq)]
struct Load {
    payload: usize,
    in_flight: usize,
    connections: usize,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (rounds, most, measured_for) = if options.quick {
        (1, 1_000, Duration::from_millis(150))
    } else {
        (3, 10_000, Duration::from_millis(400))
    };
    let loads = loads(most);
    let settings = settings()?;
    let busy = process::quiet_machine().await?;
    let mut measured = vec![[(); SERVERS.len()].map(|()| Samples::default()); loads.len()];
    for round in 0..rounds {
        for (load, measured) in loads.iter().zip(&mut measured) {
            eprintln!("echo: round {} of {rounds}, {}", round + 1, load.name());
            for turn in 0..SERVERS.len() {
                // Nobody always comes behind the same one.
                let turn = (turn + round) % SERVERS.len();
                let (name, peer) = SERVERS[turn];
                let server = start(peer, &options.ws_server, settings.path()).await?;
                let rate = rate(server, peer, *load, measured_for).await;
                let rate = rate.map_err(|error| format!("{name}, {}: {error}", load.name()))?;
                measured[turn].push(rate / 1000.0);
            }
        }
    }
    let names = SERVERS.map(|(name, _)| name);
    let mut table = Table::new("Echo: thousands of messages for each CPU-second", names).note(
        format!(
            "Messages in flight are written at once by each client, which then waits for all of them. The second \
             ws-server is the same as the first: how far their ratio is from 1 is noise. fastwebsockets and raw bytes \
             have one thread, the others one for each core, each as its own example has it. Rounds in turns: {rounds}, \
             each {measured_for:?} once it is steady. Before the row the machine was {busy:.0} % busy."
        ),
    );
    for (load, samples) in loads.iter().zip(&measured) {
        let figure = Figure::new(load.name(), samples.iter().cloned());
        table.add(match load.target() {
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

impl Load {
    fn new(payload: usize, in_flight: usize, connections: usize) -> Self {
        Self {
            payload,
            in_flight,
            connections,
        }
    }

    fn name(self) -> String {
        let size = match self.payload {
            bytes @ ..1024 => format!("{bytes} B"),
            bytes => format!("{} KiB", bytes / 1024),
        };
        let connections = match self.connections {
            1 => "1 connection".to_owned(),
            many => format!("{many} connections"),
        };
        format!("{size}, {} in flight, {connections}", self.in_flight)
    }

    /// How many times as much as what it is compared with.
    fn target(self) -> Option<f64> {
        match (self.payload, self.in_flight, self.connections) {
            (SMALL | PAGE, 1, 64) => Some(1.0),
            (SMALL, 16, 64) => Some(2.5),
            _ => None,
        }
    }
}

async fn start(peer: Option<Peer>, ws_server: &Path, settings: &Path) -> Result<Server> {
    match peer {
        Some(peer) => Server::start(peer, Opening::AtOnce).await,
        None => Server::start_binary(ws_server, settings).await,
    }
}

/// Messages for each CPU-second of a server under a load, once it is steady.
async fn rate(server: Server, peer: Option<Peer>, load: Load, time: Duration) -> Result<f64> {
    let mut clients = Clients::new()?;
    clients.connect(server.address(), load.connections).await?;
    let exchange = Exchange {
        payload: load.payload,
        in_flight: load.in_flight,
        raw: matches!(peer, Some(Peer::Raw)),
    };
    let mut measure = |time| -> Result<f64> {
        let before = process::run_time(server.pid())?;
        let messages = clients.exchange(exchange, time)?;
        let ran = process::run_time(server.pid())?.saturating_sub(before);
        Ok(messages / ran.as_secs_f64())
    };
    let mut before = 0.0;
    for _ in 0..STEADY_LIMIT {
        let now = measure(SLICE)?;
        if (now - before).abs() < STEADY * before {
            break;
        }
        before = now;
    }
    let rate = measure(time);
    // Before its clients: so none of them waits for the last packet.
    drop(server);
    rate
}

/// As it comes, but for as many connections as are measured.
fn settings() -> Result<tempfile::NamedTempFile> {
    let file = tempfile::Builder::new().suffix(".toml").tempfile()?;
    let text =
        "[log]\nlevel = \"warn\"\n[queue]\nmax_size = 4096\n[limits]\nmax_connections = 12000\n";
    std::fs::write(&file, text)?;
    Ok(file)
}
