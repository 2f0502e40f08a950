//! A server at work, with everything a test needs to meet it.

use std::fmt::Debug;
use std::net::SocketAddr;

use readiness_guard::{Environment, Vars};
use serde_json::Value;
use startup_phases::Phase;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use ws_server::settings::Settings;
use ws_server::{Listener, Reloader, ServeError, Server, ServerBuilder, StatusWatch};

use crate::client::{Answer, Asked, Client, upgrade};
use crate::network::{Memory, MemoryListener, Net, memory};
use crate::startup::{Hand, by_hand};

/// How often the status is asked for before a test gives up.
const PATIENCE: usize = 20_000;

/// A server with these settings, in an environment without any marks.
pub fn server(change: impl FnOnce(&mut Settings)) -> ServerBuilder {
    let mut settings = Settings::default();
    change(&mut settings);
    Server::builder()
        .settings(settings)
        .environment(Environment::from_vars(&Vars::default()))
}

/// A server that runs. Dropped, it is told to stop.
#[derive(Debug)]
pub struct Running<N> {
    /// Where it can be reached.
    pub network: N,
    /// What it shows of itself.
    pub watch: StatusWatch,
    reloader: Reloader,
    stop: Option<oneshot::Sender<()>>,
    run: JoinHandle<Result<(), ServeError>>,
}

impl Running<Memory> {
    /// Runs in memory.
    #[must_use]
    pub fn in_memory(builder: ServerBuilder) -> Self {
        let (network, listener): (Memory, MemoryListener) = memory();
        Self::on(network, builder, listener)
    }

    /// Runs in memory, held up in phase `services` until the hand ends it.
    #[must_use]
    pub fn early(change: impl FnOnce(&mut Settings)) -> (Self, Hand) {
        let (startup, hand) = services_by_hand(server(change));
        (Self::in_memory(startup), hand)
    }
}

impl Running<SocketAddr> {
    /// Runs on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn on_tcp(builder: ServerBuilder) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        Self::on(address, builder, listener)
    }

    /// Runs on a free port of 127.0.0.1, held up in phase `services` until the hand ends it.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn early_on_tcp(change: impl FnOnce(&mut Settings)) -> (Self, Hand) {
        let (startup, hand) = services_by_hand(server(change));
        (Self::on_tcp(startup).await, hand)
    }
}

fn services_by_hand(builder: ServerBuilder) -> (ServerBuilder, Hand) {
    let (startup, hand) = by_hand([Phase::Services]);
    let startup = startup.build().expect("one step fits with itself");
    (builder.startup(startup), hand)
}

impl<N> Running<N> {
    /// Runs on this listener, which is reached through `network`.
    pub fn on<L: Listener>(network: N, builder: ServerBuilder, listener: L) -> Self {
        let (stop, told) = oneshot::channel();
        let told = async {
            // Whoever stopped caring about this server wants it to end, too.
            let _ = told.await;
        };
        let server = builder.stop_when(told).listen_on(listener);
        Self {
            network,
            watch: server.status(),
            reloader: server.reloader(),
            stop: Some(stop),
            run: tokio::spawn(server.run()),
        }
    }

    /// Puts in effect what can be of the default settings with this change.
    pub fn reload(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::default();
        change(&mut settings);
        self.reloader.apply(&settings);
    }

    /// Tells it to stop.
    pub fn stop(&mut self) {
        self.stop = None;
    }

    /// Drops the future of `Server::run`.
    pub fn abort(&self) {
        self.run.abort();
    }

    /// Whether `Server::run` has returned.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.run.is_finished()
    }

    /// What `Server::run` returns.
    ///
    /// # Panics
    ///
    /// If it panics.
    pub async fn end(self) -> Result<(), ServeError> {
        self.run.await.expect("the server does not panic")
    }
}

impl<N: Net<Stream: Debug>> Running<N> {
    /// Sends a request on a connection of its own.
    pub async fn ask(&self, request: impl AsRef<[u8]>) -> Asked<N::Stream> {
        Asked::with(self.network.connect().await, request).await
    }

    /// Asks for a WebSocket.
    pub async fn dial(&self) -> Asked<N::Stream> {
        self.ask(upgrade("/ws", &[])).await
    }

    /// Asks for a WebSocket and gets it.
    pub async fn client(&self) -> Client<N::Stream> {
        self.dial().await.client().await
    }

    /// Asks for a WebSocket and is held.
    pub async fn held(&self) -> Asked<N::Stream> {
        let held = self.size().await;
        let asked = self.dial().await;
        self.holds(held + 1).await;
        asked
    }

    /// Gets a page.
    pub async fn get(&self, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        self.ask(request).await.answer().await
    }

    /// What `/-/status` says.
    pub async fn status(&self) -> Value {
        self.get("/-/status").await.json()
    }

    /// How many are held.
    pub async fn size(&self) -> u64 {
        number(&self.status().await, "/queue/size")
    }

    /// Waits until so many are held.
    pub async fn holds(&self, held: u64) {
        self.shows("/queue/size", held).await;
    }

    /// Waits until a number of the status, found by its JSON pointer, is this one.
    ///
    /// It goes round without sleeping, so that in virtual time no time passes.
    ///
    /// # Panics
    ///
    /// If that does not happen.
    pub async fn shows(&self, pointer: &str, value: u64) {
        for _ in 0..PATIENCE {
            if number(&self.status().await, pointer) == value {
                return;
            }
        }
        let status = self.status().await;
        panic!(
            "{pointer} is not {value}: {:#} {:#}",
            status["queue"], status["connections"]
        );
    }
}

/// A number of the status, by its JSON pointer.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn number(status: &Value, pointer: &str) -> u64 {
    let value = status.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("{pointer} is no number in {status:#}"))
}
