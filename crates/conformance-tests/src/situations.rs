//! Four servers that a person on call may have to look at, each reached through a real socket.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use startup_phases::{Phase, Sequence, SequenceBuilder, Step};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use ws_server::ServerBuilder;

use crate::client::{Asked, Client};
use crate::happens;
use crate::running::{Running, server};

/// What the failed step of the one that failed says.
pub const REFUSED: &str = "connection refused (os error 111) at 127.0.0.1:5432";

/// Longer than anybody looks.
const LONG: Duration = Duration::from_secs(3600);

/// A server in one of these situations.
#[derive(Debug)]
pub struct Situation {
    /// The server.
    pub server: Running<SocketAddr>,
    /// Ends what is waited for.
    end: Option<oneshot::Sender<()>>,
    upstream: watch::Sender<bool>,
    held: Vec<Asked<TcpStream>>,
    live: JoinSet<()>,
    /// Where earlier starts are kept.
    _history: TempDir,
}

impl Situation {
    /// Its model takes its time, and twelve clients are held meanwhile. In earlier starts it took 3.1 s.
    ///
    /// Here as in the others, `pace` is what the shortest step takes.
    pub async fn slow(pace: Duration) -> Self {
        let mut slow = Self::starting(pace).await;
        slow.fills(pace).await;
        slow
    }

    /// The same as it begins, before anybody has come.
    pub async fn starting(pace: Duration) -> Self {
        Self::start(pace, Ok(()), Ok(()), |builder| builder).await
    }

    /// Clients come to it while it waits for its model.
    pub async fn fills(&mut self, pace: Duration) {
        self.until(|status| running(status, "model")).await;
        // One has no patience.
        drop(self.server.held().await);
        self.server.holds(0).await;
        self.holds(12, pace).await;
    }

    /// Its database cannot be reached, and it is about to end, in an hour.
    pub async fn failed(pace: Duration) -> Self {
        let failed = Self::start(pace, Err(REFUSED), Ok(()), |builder| builder).await;
        failed
            .until(|status| status["startup"]["state"] == "failed")
            .await;
        failed
    }

    /// Started without its cache, and open, with live clients.
    pub async fn degraded(pace: Duration) -> Self {
        let why = Err("connection refused");
        let mut degraded = Self::start(pace, Ok(()), why, |builder| builder).await;
        degraded.finish();
        degraded.until(is_open).await;
        degraded.serves(3, pace).await;
        degraded
    }

    /// Was open, until what lies behind it went away: three clients are held.
    pub async fn closed_again(pace: Duration) -> Self {
        let (upstream, holds) = watch::channel(true);
        let mut closed = Self::start(pace, Ok(()), Ok(()), |builder| {
            builder.readiness_signal("upstream", holds)
        })
        .await;
        closed.upstream = upstream;
        closed.finish();
        closed.until(is_open).await;
        closed.serves(2, pace).await;
        closed.upstream.send_replace(false);
        closed.until(|status| !is_open(status)).await;
        closed.holds(3, pace).await;
        closed
    }

    /// What is waited for is there.
    pub fn finish(&mut self) {
        self.end = None;
        self.upstream.send_replace(true);
    }

    /// The address of its page.
    #[must_use]
    pub fn page(&self) -> String {
        format!("http://{}/", self.server.network)
    }

    /// Waits until its status is as wished.
    pub async fn until(&self, wished: impl Fn(&Value) -> bool) {
        let mut watch = self.server.watch.clone();
        happens("the status is as wished", async {
            while !wished(&serde_json::from_str(&watch.to_json()).expect("JSON")) {
                watch.changed().await;
            }
        })
        .await;
    }

    async fn start(
        pace: Duration,
        postgres: Result<(), &'static str>,
        redis: Result<(), &'static str>,
        change: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let history = earlier_starts();
        let builder = server(|settings| {
            settings.startup.failed_linger = LONG;
            settings.startup.history = Some(history.path().join("starts.json"));
            // Nobody expires while somebody looks, and nobody is asked whether it is still there.
            settings.queue.max_wait = Duration::from_secs(300);
            settings.limits.ping_interval = Duration::ZERO;
        });
        let (end, ended) = oneshot::channel::<()>();
        let startup = steps(pace, postgres, redis).step(
            Step::new(Phase::Services, "model", move || async move {
                sleep(pace * 28).await;
                // That nobody ends it is an end as well.
                let _ = ended.await;
                Ok::<_, &str>(())
            })
            .timeout(LONG),
        );
        let startup = startup.build().expect("steps that fit");
        Self {
            server: Running::on_tcp(change(builder.startup(startup))).await,
            end: Some(end),
            upstream: watch::Sender::new(true),
            held: Vec::new(),
            live: JoinSet::new(),
            _history: history,
        }
    }

    async fn holds(&mut self, clients: usize, pace: Duration) {
        for _ in 0..clients {
            self.held.push(self.server.held().await);
            sleep(pace).await;
        }
    }

    /// Takes in clients that go on saying something.
    async fn serves(&mut self, clients: usize, pace: Duration) {
        for _ in 0..clients {
            let client: Client<TcpStream> = self.server.client().await;
            self.live.spawn(talk(client, pace));
        }
    }
}

async fn talk(mut client: Client<TcpStream>, pace: Duration) {
    loop {
        client.is_echoed("hello").await;
        sleep(pace * 2).await;
    }
}

fn is_open(status: &Value) -> bool {
    status["queue"]["open"] == true
}

fn running(status: &Value, step: &str) -> bool {
    let steps = status["startup"]["phases"][4]["steps"].as_array();
    steps.is_some_and(|steps| {
        let mut steps = steps.iter();
        steps.any(|it| it["name"] == step && it["state"] == "running")
    })
}

/// All steps but the one that is waited for.
fn steps(
    pace: Duration,
    postgres: Result<(), &'static str>,
    redis: Result<(), &'static str>,
) -> SequenceBuilder {
    let takes = move |paces: u32, end: Result<(), &'static str>| {
        move || async move {
            sleep(pace * paces).await;
            end
        }
    };
    let cache = Step::new(Phase::Cache, "redis", takes(2, redis));
    Sequence::builder()
        .step(Step::new(Phase::Init, "config", takes(0, Ok(()))))
        .step(Step::new(Phase::Dependencies, "vault", takes(3, Ok(()))))
        .step(Step::new(Phase::Database, "postgres", takes(7, postgres)))
        .step(if redis.is_ok() {
            cache
        } else {
            cache.optional()
        })
        .step(Step::new(Phase::Services, "agents", takes(4, Ok(()))))
}

/// What five earlier starts of these steps took.
fn earlier_starts() -> TempDir {
    let start = json!({
        "began_unix_seconds": 1_700_000_000,
        "open_seconds": 4.3,
        "phases": {
            "init": 0.001, "dependencies": 0.25, "database": 0.8, "cache": 0.15, "services": 3.1,
            "websocket": 0.0, "finalize": 0.0,
        },
        "steps": {
            "config": 0.001, "vault": 0.25, "postgres": 0.8, "redis": 0.15, "agents": 0.5,
            "model": 3.1,
        },
    });
    let folder = tempfile::tempdir().expect("a folder");
    let starts = json!({ "version": 1, "starts": vec![start; 5] });
    fs::write(folder.path().join("starts.json"), starts.to_string()).expect("a file");
    folder
}
