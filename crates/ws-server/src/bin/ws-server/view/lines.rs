//! The drawing: what lines a document makes, at a width. Time stands still in here.

use super::document::{Document, History, Phase, Queue, Step};
use super::line::{Line, Tone, exact, so_far};
use super::rates::Rate;

/// What stands before the bar: sign, number, and the longest name of a phase.
const NAME: usize = 12;
const BEFORE_BAR: usize = 2 + 2 + NAME + 1;

/// What must have room behind the bar: `running 999.9 s`.
const BEHIND_BAR: usize = 1 + 15;

/// Longer ones show no more.
const LONGEST_BAR: usize = 24;

/// Where a step's name begins, and what is told of it beyond its line.
const STEP_INDENT: usize = 6;

/// Where the values of the summary begin.
const LABEL: usize = 13;

/// A bar that is full says that it is over. What takes longer than usual is not.
const NEARLY: f64 = 0.95;

/// A startup that is under way: its phases, and who waits for it.
pub(super) fn startup(document: &Document, width: usize) -> Vec<Line> {
    let mut lines = phases(document, width);
    let line = Line::new(width).add(Tone::Plain, "  ");
    let line = if document.queue.open {
        line.add(Tone::Good, "open, ")
    } else {
        line
    };
    lines.push(line.add(Tone::Plain, &held(&document.queue)));
    lines
}

/// All there is to see of the server at `address`.
pub(crate) fn server(
    document: &Document,
    address: &str,
    rate: Option<Rate>,
    width: usize,
) -> Vec<Line> {
    let mut lines = vec![
        Line::new(width).add(Tone::Plain, address),
        gate(document, width),
    ];
    lines.extend(phases(document, width));
    let queue = &document.queue;
    let most = format!("{} of {} held", queue.size, queue.max_size);
    let oldest = (queue.size > 0).then(|| format!("oldest {}", so_far(queue.oldest_age_seconds)));
    lines.extend(values(
        "queue",
        [Some(most), oldest].into_iter().flatten(),
        width,
    ));
    lines.extend(values("", outcomes(document), width));
    let connections = &document.connections;
    let counts = [
        format!("{} live", connections.live),
        format!("{} in all", connections.total),
    ];
    lines.extend(values("connections", counts, width));
    let messages = &document.messages;
    let messages = match rate {
        Some(rate) => [
            format!("{:.0}/s received", rate.received),
            format!("{:.0}/s sent", rate.sent),
        ],
        None => [
            format!("{} received", messages.received),
            format!("{} sent", messages.sent),
        ],
    };
    lines.extend(values("messages", messages, width));
    lines
}

/// What is shown of a server that cannot be seen.
pub(crate) fn unreachable(address: &str, why: &str, width: usize) -> Vec<Line> {
    vec![
        Line::new(width).add(Tone::Plain, address),
        Line::new(width)
            .add(Tone::Bad, "✗ not reachable")
            .add(Tone::Plain, &format!(": {why}")),
        Line::new(width).add(Tone::Faint, "  asked again every second"),
    ]
}

/// Who waits, and for how long.
pub(super) fn held(queue: &Queue) -> String {
    match queue.size {
        0 => "nobody is held".to_owned(),
        size => format!("{size} held, oldest {}", so_far(queue.oldest_age_seconds)),
    }
}

/// Where startup failed, and why.
pub(super) fn failure(document: &Document) -> String {
    let error = document.startup.failed.as_ref().map(|it| it.error.as_str());
    format!("{}: {}", failed(document), error.unwrap_or_default())
}

/// Where startup failed.
fn failed(document: &Document) -> String {
    let after = exact(document.startup.elapsed_seconds);
    let failed = document.startup.failed.clone().unwrap_or_default();
    let step = failed.step.map(|step| format!(", step {step}"));
    let (phase, step) = (failed.phase, step.unwrap_or_default());
    format!("startup failed after {after} in phase {phase}{step}")
}

/// Whether a client that comes now is served, and if not, why.
fn gate(document: &Document, width: usize) -> Line {
    let startup = &document.startup;
    let readiness = &document.readiness;
    let line = Line::new(width);
    if document.draining {
        return line.add(Tone::Warning, "! stopping").add(
            Tone::Plain,
            &format!(", {} live", document.connections.live),
        );
    }
    let line = match (document.queue.open, startup.state.as_str()) {
        (_, "failed") => {
            let has_step = startup.failed.as_ref().is_some_and(|it| it.step.is_some());
            // The step says itself with what it failed.
            let told = if has_step { failed } else { failure };
            return line.add(Tone::Bad, &format!("✗ {}", told(document)));
        }
        (true, "complete") => line.add(Tone::Good, "✓ open").add(
            Tone::Plain,
            &format!(", startup took {}", exact(startup.elapsed_seconds)),
        ),
        (true, _) => line.add(Tone::Good, "✓ open").add(
            Tone::Plain,
            &format!(", startup goes on, {}", so_far(startup.elapsed_seconds)),
        ),
        (false, "complete") => {
            let check = readiness.failed_checks.first();
            let why = check
                .map(|check| format!(": {}: {}", check.name, check.error))
                .or_else(|| Some(format!(": {}", readiness.reason.as_ref()?)))
                .unwrap_or_default();
            line.add(Tone::Warning, "! closed")
                .add(Tone::Plain, &format!(", though startup is complete{why}"))
        }
        (false, _) => line
            .add(Tone::Busy, "▸ closed")
            .add(
                Tone::Plain,
                &format!(
                    ", startup {} {}",
                    startup.state,
                    so_far(startup.elapsed_seconds)
                ),
            )
            .add_if_fits(
                Tone::Faint,
                &usually(document.history.as_ref().map(|it| it.open_seconds)),
            ),
    };
    if readiness.bypassed {
        return line.add(Tone::Warning, ", the guard is bypassed");
    }
    line
}

fn phases(document: &Document, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, phase) in (1..).zip(&document.startup.phases) {
        lines.push(phase_line(number, phase, document.history.as_ref(), width));
        for step in &phase.steps {
            lines.extend(step_lines(step, document.history.as_ref(), width));
        }
    }
    lines
}

fn phase_line(number: u8, phase: &Phase, history: Option<&History>, width: usize) -> Line {
    let is_degraded = phase
        .steps
        .iter()
        .any(|step| step.state == "failed" && !step.critical);
    let (sign, tone) = match phase.state.as_str() {
        "reached" if is_degraded => ("!", Tone::Warning),
        "reached" => ("✓", Tone::Good),
        "running" => ("▸", Tone::Busy),
        "failed" => ("✗", Tone::Bad),
        _ => ("·", Tone::Faint),
    };
    let usual = history.and_then(|history| history.phases.get(&phase.phase).copied());
    let length = width
        .saturating_sub(BEFORE_BAR + BEHIND_BAR)
        .min(LONGEST_BAR);
    let filled = (fraction(phase, usual) * length as f64).round() as usize;
    let line = Line::new(width)
        .add(tone, sign)
        .add(Tone::Plain, &format!(" {number} {:NAME$} ", phase.phase))
        .add(tone, &"█".repeat(filled))
        .add(Tone::Faint, &"░".repeat(length - filled))
        .add(tone, &format!(" {}", phase.state));
    let took = phase.duration_seconds;
    match phase.state.as_str() {
        "running" => line
            .add(Tone::Plain, &time(took, so_far))
            .add_if_fits(Tone::Faint, &usually(usual)),
        "pending" => line.add_if_fits(Tone::Faint, &usually(usual)),
        _ => {
            let line = line.add(Tone::Plain, &time(took, exact));
            if is_degraded {
                line.add_if_fits(Tone::Warning, ", degraded")
            } else {
                line
            }
        }
    }
}

/// Of a step, where there is something to know of it: that it is what startup waits for, or that it
/// failed, and with what it did, or its last attempt.
fn step_lines(step: &Step, history: Option<&History>, width: usize) -> Vec<Line> {
    let line = |sign, tone, state| {
        Line::new(width)
            .add(tone, &format!("    {sign} "))
            .add(Tone::Plain, &step.name)
            .add(tone, state)
    };
    let failed = match step.state.as_str() {
        "running" => {
            let usual = history.and_then(|history| history.steps.get(&step.name).copied());
            let running = line("▸", Tone::Busy, " running")
                .add(Tone::Plain, &time(step.duration_seconds, so_far))
                .add_if_fits(Tone::Faint, &usually(usual));
            return with_reason(running, step.error.as_deref(), width);
        }
        "failed" if step.critical => line("✗", Tone::Bad, " failed"),
        "failed" => line("!", Tone::Warning, " degraded"),
        _ => return Vec::new(),
    };
    // Its end says most: an error ends with its cause.
    let error = step.error.as_deref().unwrap_or_default();
    failed
        .add(Tone::Plain, ": ")
        .flow(error.split_whitespace(), " ", STEP_INDENT)
}

/// A step at work, and why its last attempt failed: beside it if there is room, or else beneath, so
/// that what it is and for how long stays where it was.
fn with_reason(running: Line, error: Option<&str>, width: usize) -> Vec<Line> {
    let words: Vec<&str> = error.unwrap_or_default().split_whitespace().collect();
    if words.is_empty() {
        return vec![running];
    }
    let whole = format!(": {}", words.join(" "));
    let beside = running.clone().add_if_fits(Tone::Plain, &whole);
    if beside != running {
        return vec![beside];
    }
    let beneath = Line::new(width).add(Tone::Plain, &" ".repeat(STEP_INDENT));
    let mut lines = vec![running];
    lines.extend(beneath.flow(words, " ", STEP_INDENT));
    lines
}

/// How much of a phase is over: of the time it usually takes, or else of its steps.
fn fraction(phase: &Phase, usual: Option<f64>) -> f64 {
    match phase.state.as_str() {
        "reached" => 1.0,
        "running" | "failed" => {
            // Nothing is done with a critical step that failed.
            let ended = |step: &&Step| match step.state.as_str() {
                "failed" => !step.critical,
                state => state == "done",
            };
            let done = match usual.filter(|usual| *usual > 0.0) {
                Some(usual) => phase.duration_seconds.unwrap_or_default() / usual,
                None => {
                    phase.steps.iter().filter(ended).count() as f64
                        / phase.steps.len().max(1) as f64
                }
            };
            done.clamp(0.0, NEARLY)
        }
        _ => 0.0,
    }
}

fn time(seconds: Option<f64>, told: fn(f64) -> String) -> String {
    seconds.map_or_else(String::new, |seconds| format!(" {}", told(seconds)))
}

/// Nothing is said of what usually takes no time at all.
fn usually(seconds: Option<f64>) -> String {
    let seconds = seconds.filter(|seconds| *seconds >= 0.001);
    seconds.map_or_else(String::new, |seconds| {
        format!(", usually {}", exact(seconds))
    })
}

/// What became of everyone so far. An outcome nobody had is not named, but for the good one.
fn outcomes(document: &Document) -> impl Iterator<Item = String> {
    let queue = &document.queue;
    [
        ("entered", queue.entered),
        ("admitted", queue.admitted),
        ("expired", queue.expired),
        ("abandoned", queue.abandoned),
        ("refused (full)", queue.refused_full),
        ("refused (early)", queue.refused_early),
        ("refused (failed)", queue.refused_failed),
        ("refused (draining)", queue.refused_draining),
        (
            "refused (connection limit)",
            document.refused.connection_limit,
        ),
    ]
    .into_iter()
    .enumerate()
    .filter(|(index, (_, count))| *index < 2 || *count > 0)
    .map(|(_, (outcome, count))| format!("{count} {outcome}"))
}

/// Values behind their label, on as many lines as they need.
fn values(label: &str, values: impl IntoIterator<Item = String>, width: usize) -> Vec<Line> {
    let label = Line::new(width).add(Tone::Faint, &format!("  {label:LABEL$}"));
    label.flow(values, ", ", 2 + LABEL)
}

#[cfg(test)]
mod tests;
