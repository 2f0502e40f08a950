//! The rows of `cargo xtask bench`: each measures ours beside others in alternating rounds, and prints
//! a table in Markdown, and where there is a curve to see, a plot.
//!
//! ```text
//! rows guard|cold-start|holding|echo|idle|proxy|entry|process [--quick] --ws-server PATH --plots DIRECTORY
//! rows serve PEER ADDRESS OPENING      a server to be measured, as a process of its own
//! rows pass ADDRESS UPSTREAM           a proxy that knows no protocol, the same
//! rows load ADDRESS PAYLOAD IN_FLIGHT CONNECTIONS SECONDS      the load of `echo`, for a profiler
//! ```
//!
//! Nothing here asserts how fast anything is: a target that is missed is marked in its table. Progress
//! goes to stderr, tables to stdout.

mod arrivals;
mod back_off;
mod client;
mod cold_start;
mod echo;
mod entry;
mod guard;
mod holding;
mod idle;
mod load;
mod peers;
mod process;
mod proxies;
mod proxy;
mod starting;
mod steady;
mod upstream;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use conformance_tests::figures::Plot;
use tokio::runtime::{Builder, Runtime};

use crate::load::Exchange;
use crate::peers::{Opening, Peer};

/// What went wrong in a measurement: a program that did not start, a machine without descriptors.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// What every row is told.
struct Options {
    /// Few rounds: enough to see that everything works, not to compare.
    quick: bool,
    /// The `ws-server` binary.
    ws_server: PathBuf,
    /// Where plots are written.
    plots: PathBuf,
}

impl Options {
    /// Waits for a moment in which the machine does next to nothing, if there is one; returns how busy it
    /// is, in %. A look has no time for that.
    async fn quiet_machine(&self) -> Result<f64> {
        process::quiet_machine(if self.quick { 1 } else { 15 }).await
    }

    /// Writes a plot beside the tables.
    fn keep(&self, name: &str, plot: &Plot) -> Result<()> {
        Ok(std::fs::write(self.plots.join(name), plot.to_string())?)
    }
}

fn main() -> Result<()> {
    // Ten thousand sockets, here and in the servers that this starts.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", peer, address, ref opening @ ..] => {
            let (peer, address) = (peer.parse::<Peer>()?, address.parse()?);
            let opening = Opening::from_words(opening)?;
            runtime(!peer.has_one_thread())?.block_on(peers::serve(peer, address, opening))
        }
        ["pass", address, upstream] => {
            let (address, upstream) = (address.parse()?, upstream.parse()?);
            runtime(false)?.block_on(peers::pass_on(address, upstream))
        }
        ["load", address, ref numbers @ ..] => {
            let numbers: Result<Vec<usize>, _> = numbers.iter().map(|it| it.parse()).collect();
            let [payload, in_flight, connections, seconds] = numbers?[..] else {
                return Err("PAYLOAD IN_FLIGHT CONNECTIONS SECONDS".into());
            };
            let exchange = Exchange {
                payload,
                in_flight,
                raw: false,
            };
            let time = Duration::from_secs(seconds as u64);
            let address = address.parse()?;
            let messages =
                runtime(false)?.block_on(load::run(address, exchange, connections, time))?;
            println!("{messages} messages");
            Ok(())
        }
        // Flags are those of `cargo bench`.
        [row, ref rest @ ..] if !row.starts_with('-') => {
            let options = options(rest)?;
            // Guards have what a server has by default. Clients have one thread, so that they leave the
            // servers a core of the two.
            runtime(row == "guard")?.block_on(measure(row, &options))
        }
        _ => {
            println!("run by `cargo xtask bench`");
            Ok(())
        }
    }
}

/// With a thread for each core, or with one for everything.
fn runtime(many_threads: bool) -> io::Result<Runtime> {
    let mut builder = if many_threads {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    builder.enable_all().build()
}

async fn measure(row: &str, options: &Options) -> Result<()> {
    match row {
        "guard" => guard::run(options).await,
        "cold-start" => cold_start::run(options).await,
        "holding" => holding::run(options).await,
        "echo" => echo::run(options).await,
        "idle" => idle::run(options).await,
        "proxy" => proxy::run(options).await,
        "entry" => entry::run(options).await,
        "process" => starting::run(options).await,
        other => Err(format!("no row {other:?}").into()),
    }
}

fn options(words: &[&str]) -> Result<Options> {
    let mut options = Options {
        quick: false,
        ws_server: PathBuf::new(),
        plots: PathBuf::new(),
    };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        match word {
            "--quick" => options.quick = true,
            "--ws-server" => options.ws_server = words.next().ok_or("--ws-server PATH")?.into(),
            "--plots" => options.plots = words.next().ok_or("--plots DIRECTORY")?.into(),
            other => return Err(format!("no option {other:?}").into()),
        }
    }
    Ok(options)
}
