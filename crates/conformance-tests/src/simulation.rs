//! Whole deployments, simulated: the server over a network in memory, under virtual time, with a seed.
//!
//! A seed stands for a deployment: its settings, its startup, what is behind it, its clients and when a
//! signal comes. [`simulate`] acts it out in a runtime of its own whose time passes only when nobody
//! has anything to do, so that hours cost milliseconds, and the same seed gives the same [`Story`], word
//! for word. Then it is judged, from the clients' side: nobody lost, nobody twice, nobody early, nobody
//! after the limit, nobody overtaken, nobody refused without a reason, and accounts that add up.

mod client;
mod frames;
mod judge;
mod link;
mod outcomes;
mod scenario;
mod story;
mod visit;
mod world;

use std::panic;
use std::sync::Once;

use tokio::runtime::Builder;

pub use self::outcomes::Outcomes;
pub use self::story::{Moment, Story};

/// One deployment that was acted out and judged.
#[derive(Clone, Debug)]
pub struct Run {
    /// What happened, a line for each thing.
    pub story: String,
    /// What was not as it should have been, each with its contract; empty where all was well.
    pub faults: Vec<String>,
    /// What became of its clients.
    pub outcomes: Outcomes,
}

/// Acts out and judges the deployment of this seed.
///
/// # Panics
///
/// Inside another runtime; and where the deployment never comes to rest.
#[must_use]
pub fn simulate(seed: u64) -> Run {
    keep_quiet();
    // The server's own jitter.
    fastrand::seed(seed);
    let scenario = scenario::scenario(seed);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime without I/O needs nothing of the system");
    let (world, visits) = runtime.block_on(world::run(scenario));
    let faults = judge::judge(&world.scenario, &world.ledger.lock(), &visits);
    Run {
        story: world.story.text(),
        faults,
        outcomes: Outcomes::of(&visits),
    }
}

/// What panics on purpose is not worth a line on stderr.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some("on purpose") {
                usual(panic);
            }
        }));
    });
}
