//! What the kernel says of a process: its memory, the time it has run; and how busy the machine is.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::sleep;

use crate::Result;

/// How busy a quiet machine may be, in %.
const QUIET: f64 = 5.0;

/// The memory that is resident, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmRSS")?.parse()?)
}

/// A process and all that come of it, itself first.
pub(crate) fn family(pid: u32) -> Result<Vec<u32>> {
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(member) = family.get(at) {
        for thread in fs::read_dir(format!("/proc/{member}/task"))? {
            let thread = thread?.path();
            match fs::read_to_string(thread.join("children")) {
                Ok(children) => {
                    for child in children.split_whitespace() {
                        family.push(child.parse()?);
                    }
                }
                // A thread may be gone by now.
                Err(_) if !thread.exists() => {}
                Err(error) => return Err(error.into()),
            }
        }
        at += 1;
    }
    Ok(family)
}

/// The time that the threads have run which it and its family have now. Taken from where the kernel counts nanoseconds: user
/// and system time count ticks of 10 ms, too coarse for a process that does next to nothing.
pub(crate) fn run_time(pid: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for member in family(pid)? {
        for thread in fs::read_dir(format!("/proc/{member}/task"))? {
            // A thread may be gone by now.
            let Ok(line) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            let ran = line.split_whitespace().next().ok_or("an empty schedstat")?;
            nanoseconds += ran.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The time that the calling thread has run.
pub(crate) fn thread_run_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// The share of one core that a process uses `over` a while from now, in %.
pub(crate) async fn core_share(pid: u32, over: Duration) -> Result<f64> {
    let before = run_time(pid)?;
    sleep(over).await;
    let ran = run_time(pid)?.saturating_sub(before);
    Ok(100.0 * ran.as_secs_f64() / over.as_secs_f64())
}

/// Waits for a second in which the machine does next to nothing, for `seconds`; returns how busy it was
/// in the last one, in %. For whoever reads the table: on a machine that others use, figures are theirs
/// as well.
pub(crate) async fn quiet_machine(seconds: u32) -> Result<f64> {
    let mut busy = 100.0;
    for _ in 0..seconds {
        let machine = Machine::now()?;
        sleep(Duration::from_secs(1)).await;
        busy = machine.busy_since()?;
        if busy < QUIET {
            break;
        }
    }
    Ok(busy)
}

/// What all cores have done since the machine was started, in ticks.
pub(crate) struct Machine {
    idle: f64,
    all: f64,
}

impl Machine {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().ok_or("an empty /proc/stat")?;
        // What comes after the eighth is counted in the first two as well.
        let ticks = line.split_whitespace().skip(1).take(8).map(str::parse);
        let ticks: Vec<f64> = ticks.collect::<Result<_, _>>()?;
        // Waiting for a disk is idleness, too.
        let idle = ticks.get(3..5).ok_or("a short /proc/stat")?.iter().sum();
        let all = ticks.iter().sum();
        Ok(Self { idle, all })
    }

    /// The share of all cores that was in use since then, in %.
    pub(crate) fn busy_since(&self) -> Result<f64> {
        let now = Self::now()?;
        let (idle, all) = (now.idle - self.idle, now.all - self.all);
        Ok(100.0 * (1.0 - idle / all.max(1.0)))
    }
}
