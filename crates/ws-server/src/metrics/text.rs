//! The text that Prometheus scrapes.

use std::collections::BTreeSet;

/// OpenMetrics as everybody reads it: there a counter's samples have another name than the counter,
/// and who does not know that takes them for something without a type.
pub(super) fn in_classic_text(open_metrics: &str) -> String {
    let mut counters = BTreeSet::new();
    for line in open_metrics.lines() {
        let declared = line.strip_prefix("# TYPE ");
        if let Some(name) = declared.and_then(|it| it.strip_suffix(" counter")) {
            counters.insert(name);
        }
    }
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(name) => {
                text.extend(["# ", what, " ", name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}
