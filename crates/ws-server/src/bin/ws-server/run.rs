//! `ws-server run`: serves until it is told to stop.

use readiness_guard::{Environment, Vars};
use startup_phases::BuildError;
use tokio::net::TcpListener;
use tokio::runtime;
use ws_server::settings::{HandlerKind, Loaded};
use ws_server::{ServeError, Server};

use crate::Exit;
use crate::cli::SettingsArgs;
use crate::plan::Plan;

pub(crate) fn run(args: &SettingsArgs, vars: &Vars) -> Exit {
    let loaded = match args.load(vars) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let ended = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let ended = runtime.block_on(serve(loaded, vars));
            // A name lookup may still block a thread; nobody waits for it any more.
            runtime.shutdown_background();
            ended
        });
    match ended {
        Ok(()) => Exit::Clean,
        Err(error) => {
            eprintln!("ws-server: {error}");
            if error.is::<BuildError>() {
                // Steps that are each right, and do not go together.
                return Exit::BadConfiguration;
            }
            match error.downcast_ref() {
                Some(ServeError::Startup(_)) => Exit::StartupFailed,
                _ => Exit::RuntimeFault,
            }
        }
    }
}

async fn serve(loaded: Loaded, vars: &Vars) -> anyhow::Result<()> {
    // Before everything else: from here on clients are not refused by the system any more.
    let listener: TcpListener = ws_server::bind(&loaded.settings)?;
    let environment = Environment::from_vars(vars);
    let plan = Plan::new(&loaded.settings, vars, listener.local_addr()?)?;
    let mut builder = Server::builder().environment(environment);
    if loaded.settings.server.handler == HandlerKind::Proxy {
        builder = builder.proxy(&loaded.settings.proxy)?;
    }
    builder = builder.settings(loaded.settings);
    for check in plan.monitors {
        builder = builder.readiness_check(check);
    }
    builder
        .startup(plan.startup)
        .listen_on(listener)
        .run()
        .await?;
    Ok(())
}
