//! The sections of the settings, each with its defaults.
//!
//! Durations set by `Settings::load` are at most 365 days, so that adding one to an instant cannot overflow.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use startup_phases::Phase;
use tracing::level_filters::LevelFilter;

use super::{HandlerKind, HoldMode, LogFormat, RefuseWith, Restart, SlowReader};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// `[server]`: where to listen and what to serve.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSettings {
    /// The address and port. An address, not a host name: nothing is resolved before the port answers.
    /// Port 0 takes a free one. Default `127.0.0.1:8080`, which nobody else can reach; with the variable
    /// `PORT` set and no other word on it, `0.0.0.0:$PORT`.
    pub listen: SocketAddr,
    /// The path where WebSockets are served; `*` for every path. Default `/ws`.
    pub path: String,
    /// What serves them. Default echo.
    pub handler: HandlerKind,
    /// How many threads serve. Default 0: one for every two cores, since the application behind wants the
    /// others, and a message costs least where nobody has to be woken for it; one carries more than 100,000
    /// small messages a second. The `ws-server` command reads this; the library serves on the runtime that
    /// it is called on.
    pub threads: u16,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            path: "/ws".to_owned(),
            handler: HandlerKind::default(),
            threads: 0,
        }
    }
}

/// `[proxy]`: the server behind this one, with [`HandlerKind::Proxy`].
#[derive(Clone, Debug, PartialEq)]
pub struct ProxySettings {
    /// Where it is: `ws://HOST:PORT`, or `wss://` to verify its certificate with the system's roots. No
    /// default.
    pub upstream: String,
    /// Whether `/readyz` says no while the gate is closed again. Default false: a pod that is taken out of
    /// rotation cannot hold anyone.
    pub readyz_follows_upstream: bool,
    /// How long connecting to it may take; then it counts as not ready. At least 1 ms. Default 1 s: a server
    /// beside this one accepts in microseconds.
    pub connect_timeout: Duration,
    /// How long it may take to answer a request, once connected. At least 1 ms. Default 30 s.
    pub response_timeout: Duration,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            upstream: String::new(),
            readyz_follows_upstream: false,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(30),
        }
    }
}

/// `[child]`: the application that is started along with this server and watched by it. The `ws-server`
/// command does that; the library does not read it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildSettings {
    /// Its program and arguments; no shell reads them. Default empty: none is started.
    pub command: Vec<String>,
    /// What stands before each line it prints. Default: the name of its program.
    pub name: Option<String>,
    /// Whether it is started again when it has ended. Default always. If it is not, the server stops, with
    /// its exit code.
    pub restart: Restart,
    /// How often in a row it is started again; a run of a minute or more begins a new row. Default 10: what
    /// ends each time is for others to repair. 0: no limit.
    pub max_restarts: u32,
    /// The least time between two starts. At least 1 ms. Default 1 s, counted from the earlier start: one
    /// that ran for longer is started again at once, and one that always ends does not fill the log.
    pub restart_interval: Duration,
    /// How long it may take to end after SIGTERM, which it gets when the live connections are closed; then
    /// it is killed. At least 1 ms. Default 1.5 s: with the 8 s of [`ShutdownSettings::drain`] within the
    /// 10 s many platforms grant.
    pub stop_timeout: Duration,
}

impl Default for ChildSettings {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            name: None,
            restart: Restart::default(),
            max_restarts: 10,
            restart_interval: Duration::from_secs(1),
            stop_timeout: Duration::from_millis(1500),
        }
    }
}

/// `[startup]`: what has to happen before connections are served.
#[derive(Clone, Debug, PartialEq)]
pub struct StartupSettings {
    /// The gate opens when this phase is reached (S2). Default `websocket`, the phase that says
    /// connections can be served; `finalize` may go on behind an open gate.
    pub open_after: Phase,
    /// How long the port goes on answering after a failed startup (S8), so that whoever looks can learn
    /// which step failed. Default 1 s; zero exits at once.
    pub failed_linger: Duration,
    /// The file in which the durations of the last 20 complete starts are kept, for `Retry-After` (S5),
    /// the status and a warning when a start takes far longer. It and its folder are made when the first
    /// start is complete; what cannot be read or written is a warning. Default none: no history. By
    /// `Settings::load` it is `startup-history.json` in the first of `$STATE_DIRECTORY`, or else in
    /// `$XDG_STATE_HOME/ws-server`, where one of them is set; an empty text is none.
    pub history: Option<PathBuf>,
    /// Services to wait for. Default none.
    pub steps: Vec<StepSettings>,
}

impl Default for StartupSettings {
    fn default() -> Self {
        Self {
            open_after: Phase::Websocket,
            failed_linger: Duration::from_secs(1),
            history: None,
            steps: Vec::new(),
        }
    }
}

/// `[[startup.steps]]`: one service to wait for.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSettings {
    /// The phase it belongs to.
    pub phase: Phase,
    /// Its name in the report, the status and the logs. Unique among the steps.
    pub name: String,
    /// The address to look at, such as `tcp://127.0.0.1:5432`.
    pub probe: String,
    /// Whether startup fails with it (P4). Default true: a step nobody needs is not configured.
    pub critical: bool,
    /// How long it may take to become ready. At least 1 ms. Default 60 s.
    pub timeout: Duration,
    /// How often it is looked at (P5). At least 1 ms. Default 100 ms.
    pub interval: Duration,
    /// Whether to keep looking after startup; losing it then closes the gate (G9). Default false.
    pub monitor: bool,
}

impl StepSettings {
    /// A critical step that is looked at every 100 ms for at most 60 s and not monitored afterwards.
    pub fn new(phase: Phase, name: impl Into<String>, probe: impl Into<String>) -> Self {
        Self {
            phase,
            name: name.into(),
            probe: probe.into(),
            critical: true,
            timeout: Duration::from_secs(60),
            interval: Duration::from_millis(100),
            monitor: false,
        }
    }
}

/// `[guard]`: how readiness is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardSettings {
    /// The earliest phase that counts as ready. Default `services`.
    pub minimum_phase: Phase,
    /// The fixed interval between two checks (G1). At least 1 ms, since that is what timers count in.
    /// Default 100 ms.
    pub interval: Duration,
    /// How long one wait lasts before it gives its verdict. At least 1 ms. Default: none, it follows from
    /// the environment (G3).
    pub timeout: Option<Duration>,
    /// Stretches or shrinks the wait that follows from the environment. More than 0, at most 1000.
    /// Default 1.
    pub timeout_multiplier: f64,
    /// Answers "ready" without looking (G8). Default false. A last resort of operators: it logs a warning and
    /// shows in the status.
    pub bypass: bool,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            minimum_phase: Phase::Services,
            interval: Duration::from_millis(100),
            timeout: None,
            timeout_multiplier: 1.0,
            bypass: false,
        }
    }
}

/// `[queue]`: how clients that come early are held.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSettings {
    /// How many clients are held at most (Q2); the next one is refused. 1 to 1,000,000. Default 50.
    pub max_size: usize,
    /// How long one client is held at most (Q6). At least 1 ms. Default 30 s, within the patience of
    /// browsers.
    pub max_wait: Duration,
    /// How they are held (S4). Default `upgrade`.
    pub hold: HoldMode,
    /// With [`HoldMode::Frames`], the bytes one held client may send before TCP slows it down. At least 1.
    /// Default 64 KiB.
    pub max_held_bytes: usize,
    /// The earliest phase in which clients are held rather than refused. Not later than
    /// [`StartupSettings::open_after`]. Default `init`: always.
    pub hold_from: Phase,
    /// How a refusal is told (S5). Default `http`.
    pub refuse_with: RefuseWith,
    /// At most so many admissions a second (Q5). Default 0: all at once.
    pub release_per_second: u32,
    /// At most so many admitted and not yet acknowledged by the handler (Q5). Default 0: no limit.
    pub release_in_flight: usize,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            max_size: 50,
            max_wait: Duration::from_secs(30),
            hold: HoldMode::default(),
            max_held_bytes: 64 * KIB,
            hold_from: Phase::Init,
            refuse_with: RefuseWith::default(),
            release_per_second: 0,
            release_in_flight: 0,
        }
    }
}

/// `[limits]`: what one client, and all of them together, may use (S12). They can be changed while a server
/// runs, by its [`Reloader`](crate::Reloader).
#[derive(Clone, Debug, PartialEq)]
pub struct LimitSettings {
    /// Connections in all, held and live together; the next one is refused. At least 1. Default 10,000,
    /// half of a common limit of descriptors.
    pub max_connections: usize,
    /// Connections of one address. Default 0: no limit, since behind a proxy all share one address.
    pub max_connections_per_ip: usize,
    /// Bytes of one message; a larger one is answered with 1009. At least 1. Default 1 MiB.
    pub max_message_size: usize,
    /// Bytes of one frame; a larger one is answered with 1009. At least 1. Default 1 MiB.
    pub max_frame_size: usize,
    /// How long a client may take for its request head and handshake (S6). At least 1 ms. Default 3 s.
    pub handshake_timeout: Duration,
    /// A connection without messages, in either direction, for so long is closed. Default 0 s: never.
    pub idle_timeout: Duration,
    /// How often a ping is sent. Default 25 s, below the 30 s after which many middleboxes forget a
    /// connection; 0 s sends none.
    pub ping_interval: Duration,
    /// How long its answer may take before the connection is given up. At least 1 ms. Default 10 s.
    pub pong_timeout: Duration,
    /// Bytes that may wait behind the message being written; over it, [`slow_reader`](Self::slow_reader)
    /// decides. At least 1. Default 1 MiB.
    pub send_buffer: usize,
    /// What happens to a client that does not read. Default `close`.
    pub slow_reader: SlowReader,
    /// The `Origin`s that may connect, such as `https://example.com`. Default empty: any.
    pub origins: Vec<String>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_ip: 0,
            max_message_size: MIB,
            max_frame_size: MIB,
            handshake_timeout: Duration::from_secs(3),
            idle_timeout: Duration::ZERO,
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            send_buffer: MIB,
            slow_reader: SlowReader::default(),
            origins: Vec::new(),
        }
    }
}

/// `[shutdown]`: how the server stops (S9).
#[derive(Clone, Debug, PartialEq)]
pub struct ShutdownSettings {
    /// How long to go on serving after readiness says no. Default 0 s; a few seconds where a load balancer
    /// goes on routing for a while, as in Kubernetes.
    pub delay: Duration,
    /// How long closing the live connections may take, the close handshakes included; whoever is left then
    /// is dropped. They are told one after the other over three quarters of it, so that they do not all
    /// come back at once, yet no two further apart than 100 ms: a few do not take that long. Default 8 s,
    /// so that the 10 s many platforms grant suffice; count [`delay`](Self::delay) into them.
    pub drain: Duration,
    /// The code live connections are closed with: 1000 to 1003, 1007 to 1009, 1012 to 1014 or 3000 to
    /// 4999. Default 1001, "going away"; 1012 says "service restart".
    pub close_code: u16,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            drain: Duration::from_secs(8),
            close_code: 1001,
        }
    }
}

/// `[admin]`: a port of its own for what is nobody's business but the operators'.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdminSettings {
    /// Where `/metrics`, `/status` with its events and the page are answered; they are not on the main port
    /// then, while the health pages are on both. Not `server.listen`; port 0 takes a free one. Default none,
    /// which is written `""`: everything is on the main port.
    pub listen: Option<SocketAddr>,
}

/// `[log]`: what is logged, and in which form.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSettings {
    /// The form of the lines. Default `text`.
    pub format: LogFormat,
    /// The least important level that is logged, or `off`. Default `info`.
    pub level: LevelFilter,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: LevelFilter::INFO,
        }
    }
}
