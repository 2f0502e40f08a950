//! The world of one deployment: the server, its startup, what is behind it, and time.

mod applications;
mod startup;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use readiness_guard::ReadinessCheck;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, sleep_until, timeout};
use ws_server::settings::Settings;
use ws_server::{ServeError, ServerBuilder};

use super::client::{ask, client};
use super::link::End;
use super::scenario::{Behind, Monitor, Scenario};
use super::story::{Moment, Story};
use super::visit::{FIRST_LOOKER, Name, Visit};
use crate::network::{Memory, memory};
use crate::running::server;

/// How long a server may take to forget connections whose clients are gone for good: longer than it
/// waits for any of them.
const SETTLING: Duration = Duration::from_secs(20);

/// How long all of it may take at most, in virtual time.
const LIMIT: Duration = Duration::from_secs(24 * 3_600);

pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) story: Story,
    pub(super) network: Memory<End>,
    pub(super) ledger: Mutex<Ledger>,
    /// All clients have ended.
    at_rest: Notify,
}

/// What happened that no client saw.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Whom a handler served, or whom an upstream gave a 101, and when it began to.
    pub(super) served: Vec<(Name, Moment)>,
    /// When a step began and ended, by its index.
    pub(super) steps: Vec<(usize, Moment, Option<Moment>)>,
    /// Which steps were undone.
    pub(super) undone: Vec<usize>,
    /// What the status said.
    pub(super) looks: Vec<(Moment, Value)>,
    /// What it said when all clients were gone and the server was not.
    pub(super) last_look: Option<Value>,
    /// When the server was told to stop.
    pub(super) stopped: Option<Moment>,
    pub(super) ended: Option<(Moment, Outcome)>,
    /// Tasks that outlived everything.
    pub(super) left_over: usize,
}

/// What became of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Clean,
    /// Startup failed, with this step.
    Failed(Option<String>),
    Aborted,
    Panicked(String),
}

/// Acts a scenario out.
pub(super) async fn run(scenario: Scenario) -> (Arc<World>, Vec<Visit>) {
    let (network, listener) = memory::<End>();
    let world = Arc::new(World {
        scenario,
        story: Story::begin(),
        network,
        ledger: Mutex::default(),
        at_rest: Notify::new(),
    });
    world.tell_of_itself();
    let builder = world.builder();
    let running = builder.listen_on(listener).run();
    let abort_at = world.scenario.abort_at;
    let server = tokio::spawn(running);
    let watching = tokio::spawn(watch_over(Arc::clone(&world), server));
    if let Some(at) = abort_at {
        let abort = watching.abort_handle();
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            sleep(at).await;
            abort.abort();
            world.note_end(Outcome::Aborted);
        });
    }
    let acted = timeout(LIMIT, act(&world)).await;
    let visits = acted.unwrap_or_else(|_| panic!("it never comes to rest: {}", world.story.text()));
    (world, visits)
}

async fn act(world: &Arc<World>) -> Vec<Visit> {
    let mut looking = JoinSet::new();
    for (number, at) in world.scenario.looks.iter().copied().enumerate() {
        let world = Arc::clone(world);
        looking.spawn(async move {
            sleep(at).await;
            world.look(FIRST_LOOKER + 1 + number).await;
        });
    }
    let mut clients: Vec<_> = (0..world.scenario.clients.len())
        .map(|number| tokio::spawn(client(Arc::clone(world), number)))
        .collect();
    let mut visits = Vec::new();
    for client in &mut clients {
        visits.extend(client.await.expect("a client does not panic"));
    }
    while looking.join_next().await.is_some() {}
    sleep(SETTLING).await;
    if world.ledger.lock().stopped.is_none() && !world.has_ended() {
        let last = world.look(FIRST_LOOKER).await;
        world.ledger.lock().last_look = last;
    }
    world.at_rest.notify_one();
    while !world.has_ended() {
        sleep(Duration::from_secs(1)).await;
    }
    sleep(SETTLING * 3).await;
    let left_over = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    world.ledger.lock().left_over = left_over;
    visits
}

/// Notes how the server ends. Dropped, it takes the server with it.
async fn watch_over(world: Arc<World>, server: JoinHandle<Result<(), ServeError>>) {
    struct Aborts(JoinHandle<Result<(), ServeError>>);
    impl Drop for Aborts {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut server = Aborts(server);
    let outcome = match (&mut server.0).await {
        Ok(Ok(())) => Outcome::Clean,
        Ok(Err(ServeError::Startup(error))) => Outcome::Failed(error.failure().step.clone()),
        Ok(Err(error)) => Outcome::Panicked(error.to_string()),
        Err(error) => Outcome::Panicked(error.to_string()),
    };
    world.note_end(outcome);
}

impl World {
    fn builder(self: &Arc<Self>) -> ServerBuilder {
        let settings = self.scenario.settings.clone();
        let builder = server(|it| *it = settings)
            .startup(startup::sequence(self))
            .stop_when(stop(Arc::clone(self)));
        let builder = match &self.scenario.monitor {
            Some(monitor) => watched(builder, self, monitor.clone()),
            None => builder,
        };
        match self.scenario.behind {
            Behind::Handler { takes, isolated } => {
                applications::handler(builder, self, takes, isolated)
            }
            Behind::Upstream(_) => upstream::in_front_of(builder, self),
        }
    }

    /// What the seed has drawn, besides the clients.
    fn tell_of_itself(&self) {
        let scenario = &self.scenario;
        let (drawn, usual) = (&scenario.settings, &Settings::default());
        let tells = |part| self.story.tells("seed", part);
        for (section, drawn, usual) in [
            ("startup", lines(&drawn.startup), lines(&usual.startup)),
            ("proxy", lines(&drawn.proxy), lines(&usual.proxy)),
            ("guard", lines(&drawn.guard), lines(&usual.guard)),
            ("queue", lines(&drawn.queue), lines(&usual.queue)),
            ("limits", lines(&drawn.limits), lines(&usual.limits)),
            ("shutdown", lines(&drawn.shutdown), lines(&usual.shutdown)),
        ] {
            let set = drawn.iter().filter(|line| !usual.contains(line));
            let set: Vec<_> = set.map(|line| line.trim_end_matches(',')).collect();
            if !set.is_empty() {
                tells(format!("{section}: {}", set.join(", ")));
            }
        }
        tells(format!("behind it: {:?}", scenario.behind));
        if let Some(monitor) = &scenario.monitor {
            tells(format!("{monitor:?}"));
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ledger.lock().ended.is_some()
    }

    fn note_end(&self, outcome: Outcome) {
        let moment = self
            .story
            .tells("server", format_args!("ended: {outcome:?}"));
        self.ledger.lock().ended.get_or_insert((moment, outcome));
    }

    /// For how long a client may have to wait for an answer, at the very most.
    pub(super) fn longest_hold(&self) -> Duration {
        let settings = &self.scenario.settings;
        let asking = settings.proxy.connect_timeout + settings.proxy.response_timeout;
        settings.queue.max_wait + settings.guard.interval * 4 + asking * 2
    }

    async fn look(&self, number: usize) -> Option<Value> {
        let name = Name {
            client: number,
            attempt: 0,
        };
        let visit = ask(self, name, "GET", "/-/status", 0).await;
        let body = visit.answer?.body;
        let status: Value = serde_json::from_str(&body).ok()?;
        let queue = status["queue"].clone();
        let moment = self
            .story
            .tells("status", format_args!("{queue} {}", status["connections"]));
        self.ledger.lock().looks.push((moment, status.clone()));
        Some(status)
    }
}

/// A line for each thing that is set.
fn lines(settings: &impl std::fmt::Debug) -> Vec<String> {
    let text = format!("{settings:#?}");
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// The signal: at its moment, and at the latest when all clients have ended.
async fn stop(world: Arc<World>) {
    let at = world.scenario.stop_at.map(|at| world.story.instant(at));
    let signal = async {
        match at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = signal => {}
        () = world.at_rest.notified() => {}
    }
    let moment = world.story.tells("server", "is told to stop");
    world.ledger.lock().stopped = Some(moment);
}

fn watched(builder: ServerBuilder, world: &Arc<World>, monitor: Monitor) -> ServerBuilder {
    let Some(takes) = monitor.looked_at else {
        let (tell, holds) = watch::channel(monitor.holds_at(Duration::ZERO));
        let world = Arc::clone(world);
        tokio::spawn(async move {
            for (at, holds) in &monitor.holds[1..] {
                sleep_until(world.story.instant(*at)).await;
                world
                    .story
                    .tells("monitor", if *holds { "holds" } else { "is lost" });
                // The server may be gone.
                let _ = tell.send(*holds);
            }
        });
        return builder.readiness_signal("monitor", holds);
    };
    let story = world.story.clone();
    let check = ReadinessCheck::new("monitor", move || {
        let (story, monitor) = (story.clone(), monitor.clone());
        async move {
            sleep(takes).await;
            let holds = monitor.holds_at(story.moment().at);
            holds.then_some(()).ok_or("the monitor says no")
        }
    });
    builder.readiness_check(check.after_startup())
}
