//! What the kernel says of a process: its memory, the time it has run; and how busy the machine is.

use std::fs;
use std::time::Duration;

use tokio::time::sleep;

use crate::Result;

/// The memory that is resident, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmRSS")?.parse()?)
}

/// The time that the threads it has now have run. Taken from where the kernel counts nanoseconds: user
/// and system time count ticks of 10 ms, too coarse for a process that does next to nothing.
pub(crate) fn run_time(pid: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may be gone by now.
        let Ok(line) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        let ran = line.split_whitespace().next().ok_or("an empty schedstat")?;
        nanoseconds += ran.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The share of one core that a process uses `over` a while from now, in %.
pub(crate) async fn core_share(pid: u32, over: Duration) -> Result<f64> {
    let before = run_time(pid)?;
    sleep(over).await;
    let ran = run_time(pid)?.saturating_sub(before);
    Ok(100.0 * ran.as_secs_f64() / over.as_secs_f64())
}

/// The share of the whole machine that is in use `over` a while from now, in %.
pub(crate) async fn machine_busy(over: Duration) -> Result<f64> {
    let before = machine_times()?;
    sleep(over).await;
    let after = machine_times()?;
    let (idle, all) = (after.0 - before.0, after.1 - before.1);
    Ok(100.0 * (1.0 - idle / all.max(1.0)))
}

/// Ticks of all cores since the machine was started: idle ones, and all.
fn machine_times() -> Result<(f64, f64)> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().ok_or("an empty /proc/stat")?;
    let ticks = line.split_whitespace().skip(1).map(str::parse);
    // The two after the eighth are counted in the first two as well.
    let ticks: Vec<f64> = ticks.take(8).collect::<Result<_, _>>()?;
    let idle = ticks.get(3..5).ok_or("a short /proc/stat")?.iter().sum();
    Ok((idle, ticks.iter().sum()))
}
