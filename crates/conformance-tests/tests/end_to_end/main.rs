//! The real `ws-server`, as its users meet it: a process with real services that come late, and
//! real clients, of other people's making where theirs is the word that counts.

mod bad_input;
mod bad_settings;
mod child;
mod commands;
mod draining;
mod ending;
mod golden;
mod handing_over;
mod history;
mod leaving;
mod order;
mod refusing;
mod reloading;
mod startup;
mod telemetry;
mod terminal;
mod watching;

use conformance_tests::servers::Port;
use serde_json::Value;

/// A startup that waits in the phase `services` until `port` answers, for as long as it takes.
fn waits_for(port: &Port) -> String {
    step("services", "upstream", port, "10m")
}

/// A critical step that waits for `port`.
fn step(phase: &str, name: &str, port: &Port, timeout: &str) -> String {
    let address = port.address();
    format!(
        "[[startup.steps]]\nphase = \"{phase}\"\nname = \"{name}\"\n\
         probe = \"tcp://{address}\"\ntimeout = \"{timeout}\"\n"
    )
}

/// Everyone who entered is held or has come to one end (Q9); returns how many entered.
fn adds_up(status: &Value) -> u64 {
    let queue = &status["queue"];
    let count = |key: &str| queue[key].as_u64().expect(key);
    let accounted_for = [
        "size",
        "admitted",
        "expired",
        "abandoned",
        "refused_full",
        "refused_early",
        "refused_failed",
        "refused_draining",
    ];
    let entered = count("entered");
    assert_eq!(
        entered,
        accounted_for.map(count).iter().sum::<u64>(),
        "{queue:#}"
    );
    entered
}
