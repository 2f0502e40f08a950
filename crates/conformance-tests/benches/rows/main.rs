//! The rows of `cargo xtask bench`: each measures ours beside others in alternating rounds, and prints
//! a table in Markdown.
//!
//! ```text
//! rows guard|cold-start|holding [--quick] --ws-server PATH
//! rows serve PEER ADDRESS OPENING      a server to be measured, as a process of its own
//! ```
//!
//! Nothing here asserts how fast anything is: a target that is missed is marked in its table. Progress
//! goes to stderr, tables to stdout.

mod back_off;
mod client;
mod cold_start;
mod guard;
mod holding;
mod peers;
mod process;

use std::error::Error;
use std::path::PathBuf;

use tokio::runtime::Builder;

/// What went wrong in a measurement: a program that did not start, a machine without descriptors.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// What every row is told.
struct Options {
    /// Few rounds: enough to see that everything works, not to compare.
    quick: bool,
    /// The `ws-server` binary.
    ws_server: PathBuf,
}

fn main() -> Result<()> {
    // Ten thousand sockets, here and in the servers that this starts.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Clients have one thread, so that they leave the servers a core of the two.
    let mut clients = Builder::new_current_thread();
    // Guards and servers have what a server has by default: a thread for each core.
    let mut servers = Builder::new_multi_thread();
    match words[..] {
        ["guard", ref rest @ ..] => servers
            .enable_all()
            .build()?
            .block_on(guard::run(&options(rest)?)),
        ["cold-start", ref rest @ ..] => clients
            .enable_all()
            .build()?
            .block_on(cold_start::run(&options(rest)?)),
        ["holding", ref rest @ ..] => clients
            .enable_all()
            .build()?
            .block_on(holding::run(&options(rest)?)),
        ["serve", peer, address, ref opening @ ..] => {
            let (address, opening) = (address.parse()?, peers::Opening::from_words(opening)?);
            servers
                .enable_all()
                .build()?
                .block_on(peers::serve(peer.parse()?, address, opening))
        }
        _ => {
            println!("run by `cargo xtask bench`");
            Ok(())
        }
    }
}

fn options(words: &[&str]) -> Result<Options> {
    let mut options = Options {
        quick: false,
        ws_server: PathBuf::new(),
    };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        match word {
            "--quick" => options.quick = true,
            "--ws-server" => options.ws_server = words.next().ok_or("--ws-server PATH")?.into(),
            other => return Err(format!("no option {other:?}").into()),
        }
    }
    Ok(options)
}
