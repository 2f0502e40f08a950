//! Row 6: the process itself, before anybody has come.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use conformance_tests::figures::{Figure, Samples, Table};
use conformance_tests::servers::Port;
use tokio::time::{Instant, sleep};

use crate::{Options, Result, process};

const BIND_LIMIT: Duration = Duration::from_secs(20);
/// Longer than a startup without steps takes.
const AT_REST: Duration = Duration::from_millis(300);

pub(crate) async fn run(options: &Options) -> Result<()> {
    let starts = if options.quick { 10 } else { 50 };
    let busy = options.quiet_machine().await?;
    let mib = std::fs::metadata(&options.ws_server)?.len() as f64 / f64::from(1 << 20);
    let bare = std::env::current_exe()?;
    let mut bound = [Samples::default(), Samples::default()];
    let mut resident = [Samples::default(), Samples::default()];
    for start in 0..starts {
        for (column, program) in [&options.ws_server, &bare].into_iter().enumerate() {
            let port = Port::reserve();
            let mut command = command(program, column == 0, &port);
            let before = Instant::now();
            let mut child = Started(command.spawn()?);
            let took = answered(&port, before)?;
            bound[column].push(took.as_secs_f64() * 1000.0);
            // Once it has nothing left to do, which takes its time.
            if start < 5 {
                sleep(AT_REST).await;
                resident[column].push(process::resident_kib(child.0.id())? / 1024.0);
            }
            child.0.kill()?;
        }
    }
    let mut table = Table::new("The process", ["ws-server", "bare"]).note(format!(
        "`bare` is a program that makes a runtime, binds and listens: what no server can be faster than. Starts in \
         turns: {starts}, each from before `spawn` to the first connection that is taken. Before the row the machine \
         was {busy:.0} % busy."
    ));
    let one = |value| [Samples::from([value]), Samples::default()];
    let figure = Figure::new("binary as released, MiB", one(mib));
    table.add(figure.at_most(12.0));
    let quantile = |name: &str, q: f64| {
        let of = bound
            .each_ref()
            .map(|bound| Samples::from([bound.quantile(q)]));
        Figure::new(format!("exec → bound port, {name}, ms"), of)
    };
    table.add(quantile("p50", 0.5).at_most(20.0));
    table.add(quantile("p99", 0.99).at_most(20.0));
    table.add(Figure::new("memory at rest, MiB", resident));
    println!("{table}");
    Ok(())
}

struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(program: &Path, is_ours: bool, port: &Port) -> Command {
    let address = port.address().to_string();
    let mut command = Command::new(program);
    if is_ours {
        command.args(["--listen", &address, "--set", "log.level=warn"]);
    } else {
        command.args(["serve", "raw", &address, "at-once"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// How long it took until the port answered, looked at without a pause: on a core that the program
/// does not need.
fn answered(port: &Port, before: Instant) -> Result<Duration> {
    loop {
        let answers = TcpStream::connect(port.address()).is_ok();
        let took = before.elapsed();
        if answers {
            return Ok(took);
        }
        if took > BIND_LIMIT {
            return Err("a program that does not listen".into());
        }
    }
}
