//! `ws-server watch`: the drawing of `run`, of a server elsewhere.

mod display;
mod events;
mod follow;

use std::time::Duration;

use readiness_guard::Vars;
use startup_phases::Grid;
use tokio::runtime;
use tokio::signal::ctrl_c;
use tokio::time::{Instant, sleep_until};
use ws_server::probe::Probe;

use self::display::Display;
use self::follow::{Lost, follow};
use crate::Exit;
use crate::cli::WatchArgs;
use crate::probe::Asked;
use crate::view::Screen;

/// How often a server is asked that does not tell by itself, or is not there.
const INTERVAL: Duration = Duration::from_secs(1);

/// The pages that show a server, best first. Those under `/-/`, which are ours in front of an
/// application, too, whatever it answers at `/status`.
const PAGES: [&str; 2] = ["/-/status/events", "/-/status"];

/// Watches until Ctrl-C. The server may come later, and may come again.
pub(crate) fn watch(args: &WatchArgs, vars: &Vars) -> Exit {
    let (pages, address) = match pages(args, vars) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let mut display = Display::new(address, Screen::of_stdout(vars));
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let watched = runtime.and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                biased;
                told = ctrl_c() => told,
                () = watch_on(&pages, &mut display) => Ok(()),
            }
        })
    });
    display.end();
    match watched {
        Ok(()) => Exit::Clean,
        Err(error) => {
            eprintln!("ws-server: {error}");
            Exit::RuntimeFault
        }
    }
}

/// What to ask for, and what to call the server: its URL, without secrets.
fn pages(args: &WatchArgs, vars: &Vars) -> Result<(Vec<Probe>, String), Exit> {
    // Its status is for operators, where they have a port of their own.
    let asked = Asked::new(args.url.as_deref(), vars, |settings| {
        settings.admin.listen.unwrap_or(settings.server.listen)
    })?;
    let address = asked.page("")?.to_string();
    let pages: Result<_, _> = PAGES.iter().map(|page| asked.page(page)).collect();
    Ok((pages?, address.trim_end_matches('/').to_owned()))
}

/// Asks again and again, at a fixed interval, for as long as somebody reads what is shown.
async fn watch_on(pages: &[Probe], display: &mut Display) {
    let grid = Grid::new(Instant::now().into_std(), INTERVAL);
    loop {
        let shown = match follow(pages, display).await {
            Err(Lost::Server(why)) => display.cannot_see(&why).map_err(Lost::from),
            followed => followed,
        };
        if shown.is_err() {
            return;
        }
        sleep_until(grid.next_after(Instant::now().into_std()).into()).await;
    }
}
