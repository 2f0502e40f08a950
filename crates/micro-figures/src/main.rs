//! `micro-figures NAME CALLS`: sets one thing up, calls it so often, and ends.
//!
//! For `cargo xtask instructions`, which counts the instructions of a run with calls and of one without:
//! what is left between the two is the calls. So everything here has one thread, no dice and no clock that
//! decides anything, and what was set up is not taken down again.

mod queue;
mod startup;

use std::process::{ExitCode, exit};

use tokio::runtime::{Builder, Runtime};

/// What is called.
type Call = Box<dyn FnMut()>;

struct Figure {
    name: &'static str,
    /// Inside the runtime that it is given.
    set_up: fn(&'static Runtime) -> Call,
}

const FIGURES: &[Figure] = &[
    Figure {
        name: "enter-open",
        set_up: queue::enter_open,
    },
    Figure {
        name: "enter-closed",
        set_up: queue::enter_closed,
    },
    Figure {
        name: "release",
        set_up: queue::release,
    },
    Figure {
        name: "startup",
        set_up: startup::startup,
    },
    Figure {
        name: "guard",
        set_up: startup::guard,
    },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let figure = arguments
        .next()
        .and_then(|name| FIGURES.iter().find(|figure| figure.name == name));
    let calls = arguments.next().and_then(|calls| calls.parse::<u32>().ok());
    let (Some(figure), Some(calls)) = (figure, calls) else {
        let names: Vec<_> = FIGURES.iter().map(|figure| figure.name).collect();
        eprintln!("usage: micro-figures {} CALLS", names.join("|"));
        return ExitCode::FAILURE;
    };
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime: &'static Runtime = Box::leak(Box::new(runtime.expect("a runtime of one thread")));
    let _inside = runtime.enter();
    let mut call = (figure.set_up)(runtime);
    for _ in 0..calls {
        call();
    }
    // At once: to take down what was set up costs something else after the calls than before them.
    exit(0)
}
