//! `ws-server check`: the settings in effect, and what startup is going to do.

use std::io::{self, Write};

use readiness_guard::Vars;
use startup_phases::Phase;

use crate::Exit;
use crate::cli::SettingsArgs;
use crate::plan::Plan;

pub(crate) fn check(args: &SettingsArgs, vars: &Vars) -> Exit {
    let loaded = match args.load(vars) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let mut listens = loaded.settings.server.listen;
    if listens.port() == 0 {
        // It becomes a free one when it is bound; any other does to make a plan.
        listens.set_port(1);
    }
    let plan = match Plan::new(&loaded.settings, vars, listens) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("ws-server: {error:#}");
            return Exit::BadConfiguration;
        }
    };
    // A reader that has seen enough and closed the pipe is no fault.
    let _ = print(&mut io::stdout().lock(), &loaded, &plan);
    Exit::Clean
}

fn print(out: &mut impl Write, loaded: &impl std::fmt::Display, plan: &Plan) -> io::Result<()> {
    writeln!(
        out,
        "# The settings in effect\n\n{loaded}\n\n# The startup plan\n#"
    )?;
    for phase in Phase::ALL {
        writeln!(out, "# {} {phase}", phase.number())?;
        for step in plan.startup.steps().filter(|step| step.phase() == phase) {
            let kind = if step.is_critical() {
                "critical"
            } else {
                "optional"
            };
            write!(
                out,
                "#   {} ({kind}, within {:?}",
                step.name(),
                step.time_limit()
            )?;
            if let Some(interval) = step.poll_interval() {
                write!(out, ", every {interval:?}")?;
            }
            writeln!(out, ")")?;
        }
    }
    Ok(())
}
