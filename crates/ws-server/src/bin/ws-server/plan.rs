//! What startup does: the command's own steps, and those that are configured.

use std::net::SocketAddr;
use std::time::Duration;
use std::{fs, io};

use anyhow::Context;
use readiness_guard::{Environment, ReadinessCheck, Vars};
use sd_notify::NotifyState;
use startup_phases::{Phase, Sequence, Step};

use tracing::{info, warn};
use ws_server::probe::Probe;
use ws_server::settings::{Settings, StepSettings};

use crate::child::{self, Supervisor};
use crate::view::Screen;
use crate::{probe, telemetry};

/// How long the server may take to answer itself. It takes a millisecond, unless the machine is
/// so busy that nobody else would be answered either.
const SELF_CHECK_LIMIT: Duration = Duration::from_secs(10);

/// What is left for everything that is not a held or live connection: health checks, log files,
/// the probes' own connections.
const SPARE_DESCRIPTORS: u64 = 100;

const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";

/// What the process listens on by the time it has a plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) clients: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    /// The clients' listener was passed to us.
    pub(crate) is_inherited: bool,
}

pub(crate) struct Plan {
    pub(crate) startup: Sequence,
    /// The steps that are looked at after startup, too.
    pub(crate) monitors: Vec<ReadinessCheck>,
    /// Who starts and watches the application, if there is one.
    pub(crate) supervisor: Option<Supervisor>,
    /// To be kept: a service that said there that it is ready goes on talking.
    pub(crate) probes: Vec<Probe>,
}

impl Plan {
    pub(crate) fn new(
        settings: &Settings,
        vars: &Vars,
        bound: Bound,
        screen: &Screen,
    ) -> anyhow::Result<Self> {
        let mut startup = Sequence::builder()
            .step(telemetry_step(settings, vars, bound, screen))
            .step(config_step(settings, vars))
            .step(descriptors_step(settings.limits.max_connections));
        let mut monitors = Vec::new();
        let mut probes = Vec::new();
        for step in &settings.startup.steps {
            let probe: Probe = step.probe.parse().with_context(|| step.name.clone())?;
            if step.monitor {
                monitors.push(monitor(step, probe.clone()));
            }
            probes.push(probe.clone());
            startup = startup.step(probe_step(step, probe));
        }
        let (application, supervisor) = child::application(settings, screen).unzip();
        if let Some(application) = application {
            startup = startup.step(application);
        }
        startup = startup.step(listener_step(bound.clients)?);
        if vars.get("NOTIFY_SOCKET").is_some() {
            startup = startup.step(systemd_step());
        }
        Ok(Self {
            startup: startup.build()?,
            monitors,
            supervisor,
            probes,
        })
    }
}

/// Installs the log, then says where the server can be reached already.
fn telemetry_step(settings: &Settings, vars: &Vars, bound: Bound, screen: &Screen) -> Step {
    let log = settings.log.clone();
    let (vars, screen) = (vars.clone(), screen.clone());
    Step::new(Phase::Init, "telemetry", move || async move {
        telemetry::install(&log, &screen, &vars)?;
        let listens = bound.clients;
        info!(%listens, version = env!("CARGO_PKG_VERSION"), "listening");
        if let Some(admin) = bound.admin {
            info!("admin pages at http://{admin}/");
        }
        if bound.is_inherited {
            info!("the listener was inherited (LISTEN_FDS): server.listen is ignored");
        }
        anyhow::Ok(())
    })
}

/// Says what is odd about the settings, and where this machine cannot give what they ask for. The
/// guard says some of it too, but it begins before there is a log.
fn config_step(settings: &Settings, vars: &Vars) -> Step {
    let max_size = settings.queue.max_size;
    let bypass = settings.guard.bypass;
    let environment = match settings.environment {
        // What the variables say decides nothing then.
        Some(_) => Vec::new(),
        None => Environment::from_vars(vars).warnings().to_vec(),
    };
    Step::new(Phase::Init, "config", move || async move {
        for warning in environment {
            warn!("{warning}");
        }
        if bypass {
            warn!("guard.bypass is set: clients are served whether or not startup is complete");
        }
        let somaxconn = fs::read_to_string(SOMAXCONN);
        // Elsewhere than on Linux nothing is known, and nothing is said.
        if let Some(backlog) = somaxconn
            .ok()
            .and_then(|it| it.trim().parse::<usize>().ok())
            && backlog < max_size
        {
            warn!(
                backlog,
                max_size,
                "the kernel's backlog (net.core.somaxconn) is smaller than queue.max_size"
            );
        }
        io::Result::Ok(())
    })
    .after("telemetry")
}

/// Raises the limit of open files, of which each connection needs one.
fn descriptors_step(max_connections: usize) -> Step {
    let work = move || async move { provide_descriptors(max_connections) };
    Step::new(Phase::Init, "descriptors", work).after("telemetry")
}

/// As many as this machine grants; says if they do not suffice.
pub(crate) fn provide_descriptors(max_connections: usize) -> io::Result<()> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    if limit < (max_connections as u64).saturating_add(SPARE_DESCRIPTORS) {
        warn!(
            limit,
            max_connections, "fewer files may be open than limits.max_connections"
        );
    }
    Ok(())
}

fn probe_step(step: &StepSettings, probe: Probe) -> Step {
    let made = Step::polling(step.phase, &step.name, move || probe.check())
        .timeout(step.timeout)
        .interval(step.interval);
    if step.critical { made } else { made.optional() }
}

fn monitor(step: &StepSettings, probe: Probe) -> ReadinessCheck {
    let check = ReadinessCheck::new(&step.name, move || probe.check()).after_startup();
    if step.critical {
        check
    } else {
        check.optional()
    }
}

/// Asks the server itself, over its own port, before the gate may open.
fn listener_step(listens: SocketAddr) -> anyhow::Result<Step> {
    let own: Probe = format!("http://{}/livez", probe::reachable(listens)).parse()?;
    let step = Step::polling(Phase::Websocket, "listener", move || own.check());
    Ok(step.timeout(SELF_CHECK_LIMIT))
}

/// Tells systemd that the service is up.
fn systemd_step() -> Step {
    Step::new(Phase::Finalize, "systemd", || async {
        sd_notify::notify(&[NotifyState::Ready])
    })
    .on_stop(|| async { sd_notify::notify(&[NotifyState::Stopping]) })
}
