//! The report as text: one line for each phase and step, their bars on a common axis.

use std::fmt;
use std::time::Duration;

use crate::State;
use crate::report::{PhaseReport, PhaseState, Report, StepReport, StepState};

/// Columns: a name, two times, the bars, a remark. In all at most `WIDTH`.
const WIDTH: usize = 100;
const NAME: usize = 22;
const TIME: usize = 10;
const BAR: usize = 40;

struct Row<'a> {
    name: String,
    started: Option<Duration>,
    duration: Option<Duration>,
    bar: char,
    remark: String,
    error: Option<&'a str>,
}

pub(crate) fn write(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&lines(report).join("\n"))
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines = vec![line(&title(report))];
    if report.state == State::Unknown {
        return lines;
    }
    let end = seconds(report.elapsed);
    let axis = format!("0 s{end:>width$}", width = BAR - 3);
    lines.push(String::new());
    lines.push(line(&format!(
        "{:NAME$}{:>TIME$}{:>TIME$}  {axis}",
        "", "start", "duration"
    )));
    for phase in &report.phases {
        phase_row(phase).write(report.elapsed, &mut lines);
        for step in &phase.steps {
            step_row(step).write(report.elapsed, &mut lines);
        }
    }
    lines
}

fn title(report: &Report) -> String {
    let elapsed = seconds(report.elapsed);
    let title = match &report.state {
        State::Unknown => "startup has not begun".to_owned(),
        State::Running(phase) => {
            format!(
                "startup running for {elapsed}, in phase {} {phase}",
                phase.number()
            )
        }
        State::Complete => format!("startup complete in {elapsed}"),
        State::Failed(failure) => {
            let step = failure.step.as_ref().map(|step| format!(", step {step}"));
            let step = step.unwrap_or_else(|| format!(": {}", failure.error));
            format!(
                "startup failed after {elapsed} in phase {}{step}",
                failure.phase
            )
        }
    };
    let degraded: Vec<&str> = report
        .degraded
        .iter()
        .map(|lost| lost.step.as_str())
        .collect();
    match degraded.as_slice() {
        [] => title,
        degraded => format!("{title}; degraded, without {}", degraded.join(", ")),
    }
}

fn phase_row(phase: &PhaseReport) -> Row<'static> {
    let remark = match phase.state {
        PhaseState::Pending | PhaseState::Reached => "",
        PhaseState::Running => "running",
        PhaseState::Failed => "failed",
    };
    Row {
        name: format!("{} {}", phase.phase.number(), phase.phase),
        started: phase.started,
        duration: phase.duration,
        bar: '█',
        remark: remark.to_owned(),
        error: None,
    }
}

fn step_row(step: &StepReport) -> Row<'_> {
    let mut remark = match (step.state, step.critical) {
        (StepState::Running, _) => "running",
        (StepState::Failed, true) => "failed",
        (StepState::Failed, false) => "degraded",
        (StepState::Cancelled, _) => "cancelled",
        (StepState::Pending | StepState::Done, true) => "",
        (StepState::Pending | StepState::Done, false) => "optional",
    }
    .to_owned();
    if step.attempts > 1 {
        let gap = if remark.is_empty() { "" } else { " " };
        remark += &format!("{gap}×{}", step.attempts);
    }
    Row {
        name: format!("    {}", step.name),
        started: step.started,
        duration: step.duration,
        bar: '━',
        remark,
        error: step.error.as_deref(),
    }
}

impl Row<'_> {
    fn write(&self, total: Duration, lines: &mut Vec<String>) {
        let name = shortened(&self.name, NAME);
        let time = |time: Option<Duration>| time.map_or_else(|| "·".to_owned(), seconds);
        let (started, duration) = (time(self.started), time(self.duration));
        let bar = match (self.started, self.duration) {
            (Some(started), Some(duration)) => bar(self.bar, started, started + duration, total),
            _ => String::new(),
        };
        let remark = &self.remark;
        lines.push(line(&format!(
            "{name:NAME$}{started:>TIME$}{duration:>TIME$}  {bar:BAR$}  {remark}"
        )));
        if let Some(error) = self.error {
            lines.push(line(&format!("      └ {error}")));
        }
    }
}

/// At least one character, so that nothing that happened is invisible.
fn bar(filled: char, from: Duration, to: Duration, total: Duration) -> String {
    let column = |at: Duration| {
        let at = at.as_nanos() * BAR as u128 + total.as_nanos() / 2;
        usize::try_from(at.checked_div(total.as_nanos()).unwrap_or(0)).unwrap_or(BAR)
    };
    let from = column(from).min(BAR - 1);
    let to = column(to).clamp(from + 1, BAR);
    (0..to)
        .map(|at| if at < from { ' ' } else { filled })
        .collect()
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// Whatever a step's name or error contains, it stays one line and within the width.
fn line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    shortened(text.trim_end(), WIDTH)
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
