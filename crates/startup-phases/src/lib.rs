//! A deterministic startup in seven phases: steps, time limits, stop hooks and a report.
