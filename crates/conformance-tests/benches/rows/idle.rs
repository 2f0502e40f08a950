//! Row 4, the rest of it: what a connection costs in memory that has been served and has nothing to say.

use conformance_tests::figures::{Figure, Plot, Samples, Table};

use crate::load::{Clients, Exchange};
use crate::peers::{Opening, Peer, Server};
use crate::{Options, Result, process};

const PEERS: [Peer; 5] = [
    Peer::Ours,
    Peer::FastWebSockets,
    Peer::Tungstenite,
    Peer::Axum,
    Peer::Raw,
];
const NAMES: [&str; 5] = [
    "ours",
    "fastwebsockets",
    "tokio-tungstenite",
    "axum",
    "raw bytes",
];

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (rounds, counts) = if options.quick {
        (1, &[100, 1_000][..])
    } else {
        (2, &[100, 1_000, 2_000, 5_000, 10_000][..])
    };
    let busy = options.quiet_machine().await?;
    // For each count and each peer.
    let mut measured = vec![[(); PEERS.len()].map(|()| Samples::default()); counts.len()];
    for round in 1..=rounds {
        for (column, peer) in PEERS.into_iter().enumerate() {
            eprintln!("idle: round {round} of {rounds}, {peer}");
            let each = memory_for_each(peer, counts).await?;
            for (kib, measured) in each.into_iter().zip(&mut measured) {
                measured[column].push(kib);
            }
        }
    }
    let mut table = Table::new("Idle connections: memory for each, KiB", NAMES).note(format!(
        "Resident memory beyond that at rest, divided by the connections there are; each has had one message of 32 B \
         echoed. Rounds in turns: {rounds}. Before the row the machine was {busy:.0} % busy."
    ));
    for (count, samples) in counts.iter().zip(&measured) {
        let figure = Figure::new(format!("{count} connections"), samples.iter().cloned());
        table.add(if *count < 1_000 {
            // What is allocated ahead weighs more here than the connections.
            figure
        } else {
            figure.at_most(8.0)
        });
    }
    println!("{table}");
    let mut plot = Plot::new(
        "Memory of an idle connection",
        "connections",
        "KiB for each",
    );
    for (column, name) in NAMES.into_iter().enumerate() {
        let points = counts.iter().zip(&measured);
        plot.add(
            name,
            points.map(|(count, samples)| (f64::from(*count), samples[column].median())),
        );
    }
    options.keep("idle.svg", &plot)
}

async fn memory_for_each(peer: Peer, counts: &[u32]) -> Result<Vec<f64>> {
    let mut clients = Clients::new()?;
    // Dropped before its clients, so that none of them waits for the last packet.
    let server = Server::start(peer, Opening::AtOnce).await?;
    server.quiet().await?;
    let at_rest = process::resident_kib(server.pid())?;
    let mut each = Vec::new();
    for &count in counts {
        let more = count as usize - clients.count();
        clients.connect(server.address(), more).await?;
        clients.exchange_once(Exchange {
            payload: 32,
            in_flight: 1,
            raw: matches!(peer, Peer::Raw),
        })?;
        server.quiet().await?;
        let resident = process::resident_kib(server.pid())?;
        each.push((resident - at_rest) / f64::from(count));
    }
    Ok(each)
}
