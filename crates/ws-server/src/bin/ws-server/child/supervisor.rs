//! Watches the application from its start to its end.

use std::convert::Infallible;
use std::future::pending;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};
use ws_server::settings::ChildSettings;
use ws_server::{NotifySocket, Said};

use super::process::{Process, code_of};
use super::restarts::{Next, Restarts};
use super::signals::{Event, Signals};
use super::{Application, Code, News, Order, Stop};

/// What an application that cannot be started again ends with, as far as its exit code goes.
const NOT_STARTED: Code = Code(127);

/// Starts and ends the application when told to, and starts it again in between.
pub(crate) struct Supervisor {
    application: Application,
    settings: ChildSettings,
    orders: mpsc::Receiver<Order>,
    stop: Stop,
    /// Sent to whenever there is reason to look at it.
    up: watch::Sender<bool>,
    ended: watch::Sender<Option<Code>>,
}

/// What ends a run.
enum End {
    Ended(Code),
    ToStop(oneshot::Sender<()>),
}

impl Supervisor {
    pub(super) fn new(
        application: Application,
        settings: &ChildSettings,
        orders: mpsc::Receiver<Order>,
        stop: Stop,
    ) -> Self {
        Self {
            application,
            settings: settings.clone(),
            orders,
            stop,
            up: watch::Sender::new(false),
            ended: watch::Sender::new(None),
        }
    }

    pub(crate) fn news(&self) -> News {
        News {
            up: self.up.subscribe(),
            ended: self.ended.subscribe(),
            stop: self.stop.clone(),
        }
    }

    /// Does what is ordered for as long as it is polled. Dropped, it kills the application.
    pub(crate) async fn supervise(mut self) -> Infallible {
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Start(reply) => match Process::start(&self.application).await {
                    Ok(process) => {
                        // Startup waits for it, unless it is being cancelled: then it is told to
                        // stop next, or dropped.
                        let _ = reply.send(Ok(()));
                        let stopped = self.keep_running(process).await;
                        let _ = stopped.send(());
                    }
                    Err(why) => drop(reply.send(Err(why))),
                },
                Order::Stop(reply) => drop(reply.send(())),
            }
        }
        pending().await
    }

    /// Until it is told to stop, and has.
    async fn keep_running(&mut self, mut process: Process) -> oneshot::Sender<()> {
        let mut signals = Signals::new();
        let mut restarts = Restarts::new(&self.settings, Instant::now().into_std());
        loop {
            info!(
                application = self.application.name,
                pid = process.id(),
                "started"
            );
            self.up.send_replace(true);
            let code = match self.watch(&mut process, &mut signals).await {
                End::ToStop(reply) => {
                    process.stop(self.application.stop_timeout).await;
                    return reply;
                }
                End::Ended(code) => code,
            };
            self.up.send_replace(false);
            process.clear_up().await;
            process = match self.start_again(code, &mut restarts, &mut signals).await {
                Ok(process) => process,
                Err(to_stop) => return to_stop,
            };
        }
    }

    /// Until this run ends, or is to end.
    async fn watch(&mut self, process: &mut Process, signals: &mut Signals) -> End {
        let notify = process.notify.take();
        let mut said = Box::pin(all_it_says(notify.as_ref(), &self.up));
        loop {
            tokio::select! {
                biased;
                Some(order) = self.orders.recv() => match order {
                    Order::Stop(reply) => return End::ToStop(reply),
                    Order::Start(reply) => drop(reply.send(Ok(()))),
                },
                status = process.ended() => {
                    return End::Ended(status.map_or(NOT_STARTED, code_of));
                }
                never = &mut said => match never {},
                event = signals.next() => match event {
                    Event::PassOn(signal) => process.signal(signal),
                    Event::ChildEnded => process.reap_adopted(),
                    Event::Stopping => {}
                },
            }
        }
    }

    /// Starts it again, as often as it takes and is allowed; or is told to stop.
    async fn start_again(
        &mut self,
        mut code: Code,
        restarts: &mut Restarts,
        signals: &mut Signals,
    ) -> Result<Process, oneshot::Sender<()>> {
        let name = self.application.name.clone();
        loop {
            let now = Instant::now().into_std();
            let at = match restarts.ended(now, code == Code(0)) {
                // Everything ends: it is not missed any more.
                _ if signals.is_stopping() => return Err(self.told_to_stop().await),
                Next::GiveUp => {
                    warn!(application = name, code = code.0, "ended, for good");
                    self.ended.send_replace(Some(code));
                    return Err(self.told_to_stop().await);
                }
                Next::StartAt(at) => at,
            };
            let wait = at.duration_since(now);
            warn!(
                application = name,
                code = code.0,
                ?wait,
                "ended, to be started again"
            );
            let mut due = Box::pin(sleep_until(at.into()));
            loop {
                tokio::select! {
                    biased;
                    Some(Order::Stop(reply)) = self.orders.recv() => return Err(reply),
                    event = signals.next() => if let Event::Stopping = event {
                        return Err(self.told_to_stop().await);
                    },
                    () = &mut due => break,
                }
            }
            restarts.started(Instant::now().into_std());
            match Process::start(&self.application).await {
                Ok(process) => return Ok(process),
                Err(why) => {
                    warn!(application = name, why, "cannot be started again");
                    code = NOT_STARTED;
                }
            }
        }
    }

    async fn told_to_stop(&mut self) -> oneshot::Sender<()> {
        loop {
            match self.orders.recv().await {
                Some(Order::Stop(reply)) => return reply,
                Some(Order::Start(_)) => {}
                None => pending().await,
            }
        }
    }
}

/// READY=1 is reason to look at once.
async fn all_it_says(notify: Option<&NotifySocket>, up: &watch::Sender<bool>) -> Infallible {
    if let Some(notify) = notify {
        while let Ok(said) = notify.hear().await {
            if said == Said::Ready {
                up.send_replace(true);
            }
        }
    }
    pending().await
}
