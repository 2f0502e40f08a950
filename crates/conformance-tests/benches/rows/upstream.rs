//! Row 2, the rest of it: clients that come through a proxy while its upstream is not there, because it
//! has not started yet or because it starts again.
//!
//! The upstream is a process of its own that waits for a line before it listens; the opening is the
//! moment before that line is written. Each round opens at another point of 100 ms, so that nobody is
//! lucky with the grid of its looks.

use std::sync::Arc;
use std::time::Duration;

use conformance_tests::figures::Table;
use conformance_tests::servers::Port;
use tokio::time::{Instant, sleep_until};

use crate::arrivals::{self, Arrivals, Attempts, Round};
use crate::peers::{Opening, Peer, Server};
use crate::proxies::{self, Installed, Proxy};
use crate::{Options, Result};

const PROXIES: [Proxy; 5] = [
    Proxy::Ours,
    Proxy::Nginx,
    Proxy::Haproxy,
    Proxy::PatientHaproxy,
    Proxy::Caddy,
];

/// Why the upstream is not there.
#[derive(Clone, Copy, PartialEq)]
enum Absence {
    ColdStart,
    /// It has been there, and has served a client through the proxy.
    Restart,
}

pub(crate) async fn run(options: &Options, mut arrivals: Arrivals) -> Result<()> {
    let installed = PROXIES.map(|proxy| proxy.find(&options.ws_server));
    let proxies: Vec<Installed> = installed.into_iter().flatten().collect();
    let versions = proxies::versions(&proxies)?;
    for absence in [Absence::ColdStart, Absence::Restart] {
        for attempts in [Attempts::One, Attempts::BackOff] {
            if options.quick && (absence == Absence::Restart) != (attempts == Attempts::BackOff) {
                // Enough to see that everything works.
                continue;
            }
            let rounds = match (options.quick, attempts) {
                (false, Attempts::One) => 3,
                // Those who come again later than anybody make it last, and little of it is chance.
                (_, Attempts::BackOff) | (true, _) => 1,
            };
            arrivals.attempts = attempts;
            let mut found: Vec<Vec<Round>> = proxies.iter().map(|_| Vec::new()).collect();
            for round in 0..rounds {
                let opening = arrivals.over + Duration::from_millis((50 + 37 * round) % 100);
                for (proxy, found) in proxies.iter().zip(&mut found) {
                    eprintln!(
                        "{}: round {} of {rounds}, {}",
                        absence.name(),
                        round + 1,
                        proxy.name()
                    );
                    let round = self::round(proxy, absence, arrivals, opening).await;
                    found.push(round.map_err(|error| format!("{}: {error}", proxy.name()))?);
                }
            }
            let table = table(absence, arrivals, &proxies, rounds, &found);
            println!("{}", table.note(format!("Measured: {versions}.")));
        }
    }
    Ok(())
}

fn table(
    absence: Absence,
    arrivals: Arrivals,
    proxies: &[Installed],
    rounds: u64,
    found: &[Vec<Round>],
) -> Table {
    let attempts = match arrivals.attempts {
        Attempts::One => "one attempt each",
        Attempts::BackOff => {
            "each again after 1 s, 2 s, 4 s and so on, and up to half of it by chance"
        }
    };
    let title = match arrivals.attempts {
        Attempts::One => absence.name().to_owned(),
        Attempts::BackOff => format!("{}, clients that come again", absence.name()),
    };
    let names = proxies.iter().map(Installed::name);
    let mut table = Table::new(title, names).note(format!(
        "{} clients arrive at the proxy evenly over {:?}, {attempts}, then the upstream begins to listen, with \
         a backlog of 128, as its runtime has it; rounds in turns: {rounds}.",
        arrivals.clients, arrivals.over
    ));
    let found: Vec<&[Round]> = found.iter().map(Vec::as_slice).collect();
    arrivals::add_to(&mut table, &found);
    table
}

impl Absence {
    fn name(self) -> &'static str {
        match self {
            Self::ColdStart => "Cold start behind a proxy",
            Self::Restart => "Restart behind a proxy",
        }
    }
}

async fn round(
    proxy: &Installed,
    absence: Absence,
    arrivals: Arrivals,
    opening: Duration,
) -> Result<Round> {
    let port = Arc::new(Port::reserve());
    let upstream = |opening| Server::start_on(Peer::FastWebSockets, opening, Arc::clone(&port));
    let earlier = match absence {
        Absence::ColdStart => None,
        Absence::Restart => Some(upstream(Opening::AtOnce)?.listening().await?),
    };
    let proxy = proxy.start(port.address()).await?;
    let address = proxy.address();
    if earlier.is_some() {
        arrivals::served(address)
            .await
            .map_err(|failure| failure.to_string())?;
    }
    drop(earlier);
    let mut upstream = upstream(Opening::Line)?;
    let start = Instant::now();
    let coming = tokio::spawn(arrivals.come(address, start));
    sleep_until(start + opening).await;
    let opened = upstream.open()?;
    Ok(Round::new(&coming.await??, opened))
}
