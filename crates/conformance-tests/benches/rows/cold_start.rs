//! Row 2: clients that come while a server waits for its application, one attempt each.
//!
//! The application is a port of this process: it refuses connections for 4 s, then takes them. So two
//! moments are known on one clock: when the port began to listen, and when the server's look at it came,
//! which is up to 100 ms later for whoever looks every 100 ms. Each round opens at another point of
//! those 100 ms, so that no server is lucky with its grid.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use conformance_tests::figures::{Figure, Samples, Table};
use conformance_tests::servers::Port;
use futures::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::{Client, Failure};
use crate::peers::{Opening, Peer, Server};
use crate::{Options, Result, process};

const CLIENTS: u32 = 200;
const ARRIVING: Duration = Duration::from_secs(4);
/// Long after anyone who is served at all has been.
const PATIENCE: Duration = Duration::from_secs(15);
/// Who was served so much later than somebody who came later was overtaken.
const OVERTAKEN: Duration = Duration::from_millis(50);

/// What one round found; times in ms.
#[derive(Default)]
struct Round {
    served_percent: f64,
    closed_with_1011: f64,
    overtaken: f64,
    since_opening: Samples,
    since_look: Samples,
    failures: Vec<String>,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let rounds = if options.quick { 1 } else { 5 };
    let busy = process::quiet_machine().await?;
    let (mut ours, mut axum) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        eprintln!("cold start: round {} of {rounds}", round + 1);
        let opening = ARRIVING + Duration::from_millis((50 + 37 * round) % 100);
        ours.push(with_ours(&options.ws_server, opening).await?);
        axum.push(with_axum(opening).await?);
    }
    for failure in ours.iter().chain(&axum).flat_map(|round| &round.failures) {
        eprintln!("not served: {failure}");
    }
    let figure = |what: &str, of: fn(&Round) -> f64| {
        Figure::new(
            what,
            [&ours, &axum].map(|rounds| rounds.iter().map(of).collect::<Samples>()),
        )
    };
    let mut table = Table::new("Cold start", ["ws-server", "axum"]).note(format!(
        "{CLIENTS} clients arrive evenly over {ARRIVING:?}, one attempt each, then the application's port begins to \
         listen; rounds in turns: {rounds}. The server looks at that port every 100 ms. Before the row the machine \
         was {busy:.0} % busy."
    ));
    table.add(figure("served, %", |round| round.served_percent).at_least(100.0));
    table.add(figure("closed with 1011", |round| round.closed_with_1011).at_most(0.0));
    table.add(
        figure("served out of order by more than 50 ms", |round| {
            round.overtaken
        })
        .at_most(0.0),
    );
    table.add(figure("port open → first echo, p50, ms", |round| {
        quantile(&round.since_opening, 0.5)
    }));
    table.add(figure("port open → first echo, p99, ms", |round| {
        quantile(&round.since_opening, 0.99)
    }));
    table.add(figure("port open → first echo, max, ms", |round| {
        quantile(&round.since_opening, 1.0)
    }));
    table.add(figure("look → first echo, p50, ms", |round| {
        quantile(&round.since_look, 0.5)
    }));
    table.add(figure("look → first echo, p99, ms", |round| {
        quantile(&round.since_look, 0.99)
    }));
    table.add(figure("look → first echo, max, ms", |round| {
        quantile(&round.since_look, 1.0)
    }));
    println!("{table}");
    Ok(())
}

/// Not a number where nobody was served.
fn quantile(samples: &Samples, q: f64) -> f64 {
    if samples.is_empty() {
        f64::NAN
    } else {
        samples.quantile(q)
    }
}

async fn with_ours(ws_server: &Path, opening: Duration) -> Result<Round> {
    let application = Port::reserve();
    let settings = tempfile::Builder::new().suffix(".toml").tempfile()?;
    let text = format!(
        "[log]\nlevel = \"warn\"\n[queue]\nmax_size = 500\n\
         [[startup.steps]]\nphase = \"services\"\nname = \"app\"\nprobe = \"tcp://{}\"\n",
        application.address()
    );
    std::fs::write(&settings, text)?;
    let server = Server::start_binary(ws_server, settings.path()).await?;
    round(&server, &application, opening).await
}

async fn with_axum(opening: Duration) -> Result<Round> {
    let application = Port::reserve();
    let server = Server::start(Peer::Axum, Opening::Port(application.address())).await?;
    round(&server, &application, opening).await
}

async fn round(server: &Server, application: &Port, opening: Duration) -> Result<Round> {
    let start = Instant::now();
    let application = tokio::spawn(application_opens(start + opening, application.address()));
    let clients = (0..CLIENTS).map(|index| {
        // In the middle of its own part of the time.
        let arrival = start + ARRIVING * (2 * index + 1) / (2 * CLIENTS);
        let address = server.address();
        tokio::spawn(async move {
            sleep_until(arrival).await;
            timeout(PATIENCE, served(address)).await
        })
    });
    let mut ends = Vec::new();
    for client in join_all(clients).await {
        ends.push(match client? {
            Ok(served) => served,
            Err(_elapsed) => Err(Failure::Broken(std::io::ErrorKind::TimedOut.into())),
        });
    }
    let (opened, looked, taking) = application.await??;
    taking.abort();
    Ok(Round::new(&ends, opened, looked))
}

/// When the client's first echo came.
async fn served(server: SocketAddr) -> Result<Instant, Failure> {
    let mut client = Client::ask(server).await?;
    client.upgraded().await?;
    client.echo(b"hello").await?;
    Ok(Instant::now())
}

/// Begins to listen at a moment. Returns when that was, when the first connection came, and what goes on
/// taking connections.
async fn application_opens(
    at: Instant,
    address: SocketAddr,
) -> Result<(Instant, Instant, JoinHandle<()>)> {
    sleep_until(at).await;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(16)?;
    let opened = Instant::now();
    let (mut look, _) = listener.accept().await?;
    let looked = Instant::now();
    let taking = tokio::spawn(async move {
        // Whoever only looks hangs up; nobody is told anything here.
        let _ = look.read(&mut [0]).await;
        while listener.accept().await.is_ok() {}
    });
    Ok((opened, looked, taking))
}

impl Round {
    fn new(ends: &[Result<Instant, Failure>], opened: Instant, looked: Instant) -> Self {
        let mut round = Self::default();
        let mut earliest_behind = None;
        for end in ends.iter().rev() {
            let &at = match end {
                Ok(at) => at,
                Err(failure) => {
                    if matches!(failure, Failure::Closed(1011)) {
                        round.closed_with_1011 += 1.0;
                    }
                    round.failures.push(failure.to_string());
                    continue;
                }
            };
            let since = |moment| at.saturating_duration_since(moment).as_secs_f64() * 1000.0;
            round.since_opening.push(since(opened));
            round.since_look.push(since(looked));
            if earliest_behind
                .is_some_and(|behind| at.saturating_duration_since(behind) > OVERTAKEN)
            {
                round.overtaken += 1.0;
            }
            earliest_behind = Some(earliest_behind.map_or(at, |behind: Instant| behind.min(at)));
        }
        round.served_percent =
            100.0 * round.since_opening.values().len() as f64 / ends.len() as f64;
        round
    }
}
