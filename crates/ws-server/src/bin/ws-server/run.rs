//! `ws-server run`: serves until it is told to stop.

use std::future::pending;
use std::io;
use std::net::TcpListener as StdListener;
use std::num::NonZero;
use std::pin::pin;
use std::process::ExitCode;
use std::thread::available_parallelism;

use readiness_guard::{Environment, Vars};
use startup_phases::BuildError;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use ws_server::settings::{HandlerKind, Loaded, LogFormat};
use ws_server::{ServeError, Server};

use crate::Exit;
use crate::child::{Code, News};
use crate::cli::SettingsArgs;
use crate::inherited;
use crate::plan::{Bound, Plan};
use crate::reload::at_hangup;
use crate::view::{Screen, show_startup};

pub(crate) fn run(args: &SettingsArgs, vars: &Vars) -> ExitCode {
    let loaded = match args.load(vars) {
        Ok(loaded) => loaded,
        Err(exit) => return exit.into(),
    };
    let inherited = match inherited::listener(vars) {
        Ok(inherited) => inherited,
        Err(error) => {
            eprintln!("ws-server: {error:#}");
            return Exit::RuntimeFault.into();
        }
    };
    let ended = runtime(loaded.settings.server.threads)
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let ended = runtime.block_on(serve(loaded, inherited, args, vars));
            // A name lookup may still block a thread; nobody waits for it any more.
            runtime.shutdown_background();
            ended
        });
    match ended {
        Ok(None) => Exit::Clean.into(),
        Ok(Some(Code(application))) => application.into(),
        Err(error) => {
            eprintln!("ws-server: {error}");
            if error.is::<BuildError>() {
                // Steps that are each right, and do not go together.
                return Exit::BadConfiguration.into();
            }
            let exit = match error.downcast_ref() {
                Some(ServeError::Startup(_)) => Exit::StartupFailed,
                _ => Exit::RuntimeFault,
            };
            exit.into()
        }
    }
}

/// Serves to the end, which may be that of the application: then with its code.
/// As many threads as the settings say; one is a runtime of its own kind, in which nothing has to be
/// handed from one thread to another.
fn runtime(threads: u16) -> io::Result<Runtime> {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let threads = match threads {
        0 => (cores / 2).max(1),
        set => set.into(),
    };
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build()
}

async fn serve(
    loaded: Loaded,
    inherited: Option<StdListener>,
    args: &SettingsArgs,
    vars: &Vars,
) -> anyhow::Result<Option<Code>> {
    let is_inherited = inherited.is_some();
    // Before everything else: from here on clients are not refused by the system any more.
    let listener = match inherited {
        Some(inherited) => TcpListener::from_std(inherited)?,
        None => ws_server::bind(&loaded.settings)?,
    };
    let admin = ws_server::bind_admin(&loaded.settings)?;
    let environment = Environment::from_vars(vars);
    let screen = match loaded.settings.log.format {
        LogFormat::Text => Screen::of_stderr(vars),
        LogFormat::Json => Screen::plain(),
    };
    let bound = Bound {
        clients: listener.local_addr()?,
        admin: admin.as_ref().map(TcpListener::local_addr).transpose()?,
        is_inherited,
    };
    let Plan {
        startup,
        monitors,
        supervisor,
        probes: _kept,
    } = Plan::new(&loaded.settings, vars, bound, &screen)?;
    let mut builder = Server::builder().environment(environment);
    if let Some(admin) = admin {
        builder = builder.admin_on(admin);
    }
    if loaded.settings.server.handler == HandlerKind::Proxy {
        builder = builder.proxy(&loaded.settings.proxy)?;
    }
    builder = builder.settings(loaded.settings.clone());
    if is_inherited {
        builder = builder.shared_listener();
    }
    for check in monitors {
        builder = builder.readiness_check(check);
    }
    builder = builder.startup(startup);
    let Some(supervisor) = supervisor else {
        let server = builder.listen_on(listener);
        let (status, reloader) = (server.status(), server.reloader());
        tokio::select! {
            biased;
            served = server.run() => served?,
            never = at_hangup(args, vars, loaded, reloader) => match never {},
            never = show_startup(status, &screen) => match never {},
        }
        return Ok(None);
    };
    let News { up, ended, stop } = supervisor.news();
    let mut to_end = ended.clone();
    let server = builder
        .readiness_signal("application", up)
        .stop_too_when(async move {
            if to_end.wait_for(Option::is_some).await.is_err() {
                pending::<()>().await;
            }
        })
        .listen_on(listener);
    let (status, reloader) = (server.status(), server.reloader());
    let mut supervised = pin!(supervisor.supervise());
    let served = tokio::select! {
        biased;
        served = server.run() => served,
        never = at_hangup(args, vars, loaded, reloader) => match never {},
        never = &mut supervised => match never {},
        never = show_startup(status, &screen) => match never {},
    };
    if !matches!(served, Err(ServeError::StoppedAtOnce)) {
        // Startup may have ended in the moment in which it had started the application: no hook has
        // stopped that then, and it has its time all the same.
        tokio::select! {
            biased;
            _ = stop.order() => {}
            never = supervised => match never {},
        }
    }
    served?;
    Ok(*ended.borrow())
}
