//! Row 5: between clients and a fast upstream. Messages for each second of CPU time that the proxy's
//! processes take, and what the way through it adds to a round trip.
//!
//! The upstream is one process for all of them that sends bytes back without a protocol: that costs
//! least, and what it takes is not counted. As in `echo`, each figure of each round has a proxy of its own.

use std::net::SocketAddr;
use std::time::Duration;

use conformance_tests::figures::{Figure, Samples, Table};

use crate::load::{Clients, Exchange};
use crate::peers::{Opening, Peer, Server};
use crate::proxies::{self, Installed, Proxy};
use crate::steady::Load;
use crate::{Options, Result};

const CONNECTIONS: usize = 64;
const SMALL: usize = 32;
const PAGE: usize = 16 * 1024;

/// Payload and messages in flight.
const LOADS: [(usize, usize); 4] = [(SMALL, 1), (PAGE, 1), (SMALL, 16), (64 * 1024, 1)];

const FACTOR: f64 = 1.1;

/// Round trips that are not counted.
const WARM_UP: Duration = Duration::from_millis(100);

/// The same as ours: the difference between the two is noise.
const AGAIN: &str = "ws-server again";
/// Nobody between the clients and the upstream.
const DIRECT: &str = "direct";

const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

/// For each round the quantiles of its round trips, in µs.
type Trips = [Samples; QUANTILES.len()];

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (rounds, rate_for, trips_for) = if options.quick {
        (1, Duration::from_millis(150), Duration::from_millis(200))
    } else {
        (5, Duration::from_millis(500), Duration::from_secs(1))
    };
    let (names, proxies) = compared(options)?;
    let busy = options.quiet_machine().await?;
    let upstream = Server::start(Peer::Raw, Opening::AtOnce).await?;
    let mut rates = vec![vec![Samples::default(); proxies.len()]; LOADS.len()];
    let mut trips = [1, CONNECTIONS].map(|_| vec![Trips::default(); proxies.len() + 1]);
    for round in 0..rounds {
        for ((payload, in_flight), rates) in LOADS.into_iter().zip(&mut rates) {
            let load = Load::new(payload, in_flight, CONNECTIONS);
            eprintln!("proxy: round {} of {rounds}, {}", round + 1, load.name());
            for turn in turns(round, proxies.len()) {
                let server = proxies[turn].start(upstream.address()).await?;
                let rate = load.rate(server, true, rate_for).await;
                let rate = rate.map_err(|error| format!("{}: {error}", names[turn]))?;
                rates[turn].push(rate / 1000.0);
            }
        }
        eprintln!("proxy: round {} of {rounds}, round trips", round + 1);
        for turn in turns(round, proxies.len() + 1) {
            let [one, many] = match proxies.get(turn) {
                Some(proxy) => {
                    let server = proxy.start(upstream.address()).await?;
                    round_trips(server.address(), trips_for).await?
                }
                None => round_trips(upstream.address(), trips_for).await?,
            };
            for (took, trips) in [one, many].into_iter().zip(&mut trips) {
                for ((_, quantile), trips) in QUANTILES.into_iter().zip(&mut trips[turn]) {
                    trips.push(took.quantile(quantile));
                }
            }
        }
    }
    let rates = rates_table(&names, &rates, rounds, busy);
    let versions = proxies::versions(&proxies)?;
    println!("{}", rates.note(format!("Measured: {versions}.")));
    println!("{}", trips_table(&names, &trips, rounds));
    Ok(())
}

/// Who is compared, with their headings: ours, ours again, and those that are installed.
fn compared(options: &Options) -> Result<(Vec<&'static str>, Vec<Installed>)> {
    let find = |proxy: Proxy| proxy.find(&options.ws_server);
    let ours = find(Proxy::Ours).ok_or("no ws-server")?;
    let others = [Proxy::Nginx, Proxy::Haproxy, Proxy::Caddy, Proxy::Raw].map(find);
    let (mut names, mut proxies) = (vec![ours.name(), AGAIN], vec![ours.clone(), ours]);
    for other in others.into_iter().flatten() {
        names.push(other.name());
        proxies.push(other);
    }
    Ok((names, proxies))
}

/// Nobody always comes behind the same one.
fn turns(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (turn + round) % count)
}

/// How long a message is on its way there and back, in µs: with one connection, and with many, each of
/// which has one on its way.
async fn round_trips(server: SocketAddr, time: Duration) -> Result<[Samples; 2]> {
    let exchange = Exchange {
        payload: SMALL,
        in_flight: 1,
        raw: true,
    };
    let mut clients = Clients::new()?;
    let mut took = [Samples::default(), Samples::default()];
    for (connections, took) in [1, CONNECTIONS].into_iter().zip(&mut took) {
        clients
            .connect(server, connections - clients.count())
            .await?;
        clients.exchange(exchange, WARM_UP)?;
        *took = clients.round_trips(exchange, time)?;
    }
    Ok(took)
}

fn rates_table(names: &[&'static str], rates: &[Vec<Samples>], rounds: usize, busy: f64) -> Table {
    let title = "Proxy: thousands of messages for each CPU-second";
    let mut table = Table::new(title, names.iter().copied()).note(format!(
        "Through the proxy to one fast upstream and back, {CONNECTIONS} connections; counted is the CPU time of all \
         the proxy's processes and threads. The second ws-server is the same as the first: how far their ratio is \
         from 1 is noise. Each proxy as its own documentation has it for WebSockets, with as many threads or \
         processes as it takes unasked or, nginx, with one for each core. Rounds in turns: {rounds}. Before the row \
         the machine was {busy:.0} % busy."
    ));
    for ((payload, in_flight), rates) in LOADS.into_iter().zip(rates) {
        let name = Load::new(payload, in_flight, CONNECTIONS).name();
        let figure = Figure::new(name, rates.iter().cloned());
        table.add(match (payload, in_flight) {
            (SMALL | PAGE, 1) => {
                let best_of = [Proxy::Nginx, Proxy::Haproxy].map(Proxy::name);
                figure.at_least_times_the_best(FACTOR, best_of)
            }
            _ => figure,
        });
    }
    table
}

fn trips_table(names: &[&'static str], trips: &[Vec<Trips>; 2], rounds: usize) -> Table {
    let columns = names.iter().copied().chain([DIRECT]);
    let mut table = Table::new("Proxy: round trip of a message", columns).note(format!(
        "{SMALL} B there and back, in µs, each connection with one message on its way all the time; added is what it \
         takes longer than without a proxy in the same round. Clients, proxy and upstream share the machine's cores. \
         Rounds in turns: {rounds}."
    ));
    for (connections, trips) in [
        "1 connection".to_owned(),
        format!("{CONNECTIONS} connections"),
    ]
    .iter()
    .zip(trips)
    {
        for (at, (quantile, _)) in QUANTILES.into_iter().enumerate() {
            let columns: Vec<&Samples> = trips.iter().map(|trips| &trips[at]).collect();
            let name = format!("{connections}, {quantile}");
            table.add(Figure::new(&name, columns.iter().copied().cloned()));
            // Without a proxy nothing is added.
            let added = columns
                .split_last()
                .into_iter()
                .flat_map(|(direct, through)| {
                    let through = through.iter().map(|through| less(through, direct));
                    through.chain([Samples::default()])
                });
            table.add(Figure::new(format!("{name}, added"), added));
        }
    }
    table
}

/// The difference in each round.
fn less(one: &Samples, other: &Samples) -> Samples {
    let pairs = one.values().iter().zip(other.values());
    pairs.map(|(one, other)| one - other).collect()
}
