//! `ws-server check`: the settings in effect, and what startup is going to do.

use std::io::{self, Write};

use readiness_guard::Vars;
use startup_phases::Phase;
use ws_server::probe::Probe;
use ws_server::settings::StepSettings;

use crate::Exit;
use crate::cli::SettingsArgs;
use crate::plan::{Bound, Plan};
use crate::view::Screen;

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
    let bound = Bound {
        clients: listens,
        admin: None,
        is_inherited: false,
    };
    let plan = match Plan::new(&loaded.settings, vars, bound, &Screen::plain()) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("ws-server: {error:#}");
            return Exit::BadConfiguration;
        }
    };
    let effective = without_secrets(loaded.to_string(), &loaded.settings.startup.steps);
    // A reader that has seen enough and closed the pipe is no fault.
    let _ = print(&mut io::stdout().lock(), &effective, &plan);
    Exit::Clean
}

/// What is printed may be shown to others: the passwords of probe addresses are not.
fn without_secrets(effective: String, steps: &[StepSettings]) -> String {
    steps.iter().fold(effective, |text, step| {
        let shown = step.probe.parse().map(|probe: Probe| probe.to_string());
        text.replace(&step.probe, &shown.unwrap_or_default())
    })
}

fn print(out: &mut impl Write, effective: &str, plan: &Plan) -> io::Result<()> {
    writeln!(
        out,
        "# The settings in effect\n\n{}\n\n# The startup plan\n#",
        effective.trim_end()
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
