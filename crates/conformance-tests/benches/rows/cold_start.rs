//! Row 2: clients that come while a server waits for its application, one attempt each.
//!
//! The application is a port of this process: it refuses connections for a while, then takes them. So two
//! moments are known on one clock: when the port began to listen, and when the server's look at it came,
//! which is up to 100 ms later for whoever looks every 100 ms. Each round opens at another point of
//! those 100 ms, so that no server is lucky with its grid.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use conformance_tests::figures::{Samples, Table};
use conformance_tests::servers::Port;
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::arrivals::{self, Arrivals, Attempts, Round, since};
use crate::peers::{Opening, Peer, Server};
use crate::{Options, Result, upstream};

const CLIENTS: u32 = 334;
const ARRIVING: Duration = Duration::from_secs(4);

/// What else can be done with those who come early.
const PEERS: [(&str, Peer); 4] = [
    ("axum, waits", Peer::Axum),
    ("axum, 503", Peer::Refusing),
    ("axum, backlog", Peer::Backlog),
    ("binds late", Peer::Tungstenite),
];

/// A server's rounds, and for each how long after the server's look its clients had their echoes.
#[derive(Default)]
struct Found {
    rounds: Vec<Round>,
    since_look: Vec<Samples>,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    // As many a second in both.
    let (rounds, part) = if options.quick { (1, 4) } else { (5, 1) };
    let arrivals = Arrivals {
        clients: CLIENTS / part,
        over: ARRIVING / part,
        attempts: Attempts::One,
    };
    let busy = options.quiet_machine().await?;
    let mut found = [(); 1 + PEERS.len()].map(|()| Found::default());
    for round in 0..rounds {
        eprintln!("cold start: round {} of {rounds}", round + 1);
        let opening = arrivals.over + Duration::from_millis((50 + 37 * round) % 100);
        let [ours, others @ ..] = &mut found;
        ours.push(with_ours(&options.ws_server, arrivals, opening).await?);
        for ((_, peer), found) in PEERS.into_iter().zip(others) {
            found.push(with_peer(peer, arrivals, opening).await?);
        }
    }
    let names = ["ws-server"].into_iter().chain(PEERS.map(|(name, _)| name));
    let mut table = Table::new("Cold start", names).note(format!(
        "{} clients arrive evenly over {:?}, one attempt each, then the application's port begins to \
         listen; rounds in turns: {rounds}. The server looks at that port every 100 ms. Before the row the machine \
         was {busy:.0} % busy.",
        arrivals.clients, arrivals.over
    ));
    let since_look = found
        .each_ref()
        .map(|found| found.since_look.iter().collect());
    arrivals::add_to(&mut table, &found.each_ref().map(|found| &found.rounds[..]));
    arrivals::add_times(&mut table, "look → first echo", &since_look);
    println!("{table}");
    upstream::run(options, arrivals).await
}

async fn with_ours(
    ws_server: &Path,
    arrivals: Arrivals,
    opening: Duration,
) -> Result<(Round, Samples)> {
    let application = Port::reserve();
    let settings = tempfile::Builder::new().suffix(".toml").tempfile()?;
    let text = format!(
        "[log]\nlevel = \"warn\"\n[queue]\nmax_size = 500\n\
         [[startup.steps]]\nphase = \"services\"\nname = \"app\"\nprobe = \"tcp://{}\"\n",
        application.address()
    );
    std::fs::write(&settings, text)?;
    let server = Server::start_binary(ws_server, settings.path()).await?;
    round(&server, &application, arrivals, opening).await
}

async fn with_peer(peer: Peer, arrivals: Arrivals, opening: Duration) -> Result<(Round, Samples)> {
    let application = Port::reserve();
    let server = Server::start(peer, Opening::Port(application.address())).await?;
    round(&server, &application, arrivals, opening).await
}

async fn round(
    server: &Server,
    application: &Port,
    arrivals: Arrivals,
    opening: Duration,
) -> Result<(Round, Samples)> {
    let start = Instant::now();
    let application = tokio::spawn(application_opens(start + opening, application.address()));
    let ends = arrivals.come(server.address(), start).await?;
    let (opened, looked, taking) = application.await??;
    taking.abort();
    Ok((Round::new(&ends, opened), since(&ends, looked)))
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

impl Found {
    fn push(&mut self, (round, since_look): (Round, Samples)) {
        self.rounds.push(round);
        self.since_look.push(since_look);
    }
}
