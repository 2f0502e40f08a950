//! The application behind the proxy, where this command starts it: `ws-server --upstream … -- COMMAND`.
//!
//! Its start is a step of startup, its end a stop hook, which runs when the live connections are
//! closed. In between the [`Supervisor`] watches it: what it prints is passed on with its name, and
//! when it ends the gate closes, and it is started again or its exit code becomes ours.

mod handover;
mod output;
mod process;
mod restarts;
mod signals;
mod supervisor;

use std::time::Duration;

use startup_phases::{Phase, Step};
use tokio::sync::{mpsc, oneshot, watch};
use ws_server::settings::Settings;

pub(crate) use self::handover::{SUBCOMMAND, become_application};
pub(crate) use self::supervisor::Supervisor;

use self::output::Form;
use crate::view::Screen;

/// What is left for the stop hook once the application was killed: to see it gone, and to pass on
/// the last it printed.
const AFTER_KILL: Duration = Duration::from_secs(2);

/// What startup and shutdown want of the supervisor.
enum Order {
    Start(oneshot::Sender<Result<(), String>>),
    Stop(oneshot::Sender<()>),
}

/// An application, as the settings describe it.
#[derive(Clone, Debug)]
struct Application {
    command: Vec<String>,
    /// Before each line it prints.
    name: String,
    form: Form,
    screen: Screen,
    /// The port the upstream's address names: where the application is expected to listen.
    port: Option<u16>,
    stop_timeout: Duration,
}

/// The step that starts the application, and who watches it; nothing if there is none.
pub(crate) fn application(settings: &Settings, screen: &Screen) -> Option<(Step, Supervisor)> {
    let child = &settings.child;
    let program = child.command.first()?;
    let application = Application {
        command: child.command.clone(),
        name: child.name.clone().unwrap_or_else(|| file_name(program)),
        form: Form::from(settings.log.format),
        screen: screen.clone(),
        port: port_of(&settings.proxy.upstream),
        stop_timeout: child.stop_timeout,
    };
    // Each order is waited for by whoever gives it.
    let (give, orders) = mpsc::channel(1);
    let stop = Stop(give.clone());
    let hook = stop.clone();
    let step = Step::new(Phase::Services, "application", move || async move {
        let (reply, started) = oneshot::channel();
        give.send(Order::Start(reply)).await.map_err(|_| GONE)?;
        started.await.map_err(|_| GONE)?
    })
    .on_stop(move || async move { hook.order().await })
    .stop_timeout(child.stop_timeout + AFTER_KILL);
    Some((step, Supervisor::new(application, child, orders, stop)))
}

/// Orders the application's end.
#[derive(Clone)]
pub(crate) struct Stop(mpsc::Sender<Order>);

impl Stop {
    /// Waits until it has ended, which it has at once where none runs.
    pub(crate) async fn order(&self) -> Result<(), &'static str> {
        let (reply, stopped) = oneshot::channel();
        self.0.send(Order::Stop(reply)).await.map_err(|_| GONE)?;
        stopped.await.map_err(|_| GONE)
    }
}

const GONE: &str = "nobody watches the application";

fn file_name(program: &str) -> String {
    program.rsplit('/').next().unwrap_or(program).to_owned()
}

fn port_of(upstream: &str) -> Option<u16> {
    let (_, place) = upstream.split_once("://")?;
    let (_, port) = place.trim_end_matches('/').rsplit_once(':')?;
    port.parse().ok()
}

/// How the application has ended, as shells tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u8);

/// Tells whether the application is up, and that it has ended for good; and ends it.
pub(crate) struct News {
    pub(crate) up: watch::Receiver<bool>,
    pub(crate) ended: watch::Receiver<Option<Code>>,
    pub(crate) stop: Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_called_by_its_program() {
        assert_eq!(file_name("/usr/bin/uvicorn"), "uvicorn");
        assert_eq!(file_name("uvicorn"), "uvicorn");
    }

    #[test]
    fn the_application_is_told_the_port_of_the_upstream() {
        assert_eq!(port_of("ws://127.0.0.1:8000"), Some(8000));
        assert_eq!(port_of("ws://[::1]:8000/"), Some(8000));
        assert_eq!(port_of("ws://[::1]"), None);
        assert_eq!(port_of("ws://app"), None);
    }
}
