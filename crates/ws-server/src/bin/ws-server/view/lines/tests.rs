//! What is drawn, as people see it without colours.

use super::super::document::{FailedCheck, Failure};
use super::*;

/// In the middle of a startup whose earlier ones are known: one optional step is lost, two wait.
const RUNNING: &str = r#"{
  "startup": {"state": "running", "phase": "services", "phase_number": 5, "elapsed_seconds": 2.1,
    "failed": null, "degraded": [{"phase": "cache", "step": "redis", "error": "refused"}],
    "phases": [
      {"phase": "init", "state": "reached", "started_seconds": 0.0, "duration_seconds": 0.004,
       "steps": [{"name": "config", "critical": true, "state": "done", "attempts": 1,
                  "started_seconds": 0.0, "duration_seconds": 0.002, "error": null}]},
      {"phase": "dependencies", "state": "reached", "started_seconds": 0.004,
       "duration_seconds": 0.0, "steps": []},
      {"phase": "database", "state": "reached", "started_seconds": 0.004,
       "duration_seconds": 1.096, "steps": []},
      {"phase": "cache", "state": "reached", "started_seconds": 1.1, "duration_seconds": 0.0,
       "steps": [{"name": "redis", "critical": false, "state": "failed", "attempts": 4,
                  "duration_seconds": 0.3, "error": "connection refused"}]},
      {"phase": "services", "state": "running", "started_seconds": 1.1, "duration_seconds": 1.0,
       "steps": [{"name": "model", "critical": true, "state": "running", "attempts": 10,
                  "duration_seconds": 1.0, "error": null},
                 {"name": "agents", "critical": true, "state": "running", "attempts": 10,
                  "duration_seconds": 0.5, "error": null},
                 {"name": "warm", "critical": true, "state": "pending", "attempts": 0,
                  "duration_seconds": null, "error": null}]},
      {"phase": "websocket", "state": "pending", "started_seconds": null,
       "duration_seconds": null, "steps": []},
      {"phase": "finalize", "state": "pending", "started_seconds": null,
       "duration_seconds": null, "steps": []}]},
  "readiness": {"ready": false, "state": "dependencies_ready", "reason": "near_ready",
                "bypassed": false, "failed_checks": []},
  "queue": {"open": false, "size": 12, "max_size": 50, "oldest_age_seconds": 1.4, "entered": 14,
            "admitted": 0, "expired": 0, "abandoned": 1, "refused_full": 1, "refused_early": 0,
            "refused_failed": 0, "refused_draining": 0},
  "connections": {"live": 0, "total": 0},
  "messages": {"received": 7, "received_bytes": 70, "sent": 8, "sent_bytes": 80},
  "history": {"starts": 5, "open_seconds": 4.02, "phases": {"services": 2.0, "websocket": 0.01, "finalize": 0.0},
              "steps": {"model": 1.9}},
  "something_new": {"of": ["a", "later", "version"]}
}"#;

fn running() -> Document {
    serde_json::from_str(RUNNING).expect("a document")
}

fn plain(lines: &[Line]) -> String {
    let lines: Vec<String> = lines.iter().map(Line::plain).collect();
    lines.join("\n")
}

#[test]
fn a_startup_shows_its_phases_with_what_they_wait_for() {
    let expected = "\
✓ 1 init         ████████████████████████ reached 4 ms
✓ 2 dependencies ████████████████████████ reached 0 ms
✓ 3 database     ████████████████████████ reached 1.10 s
! 4 cache        ████████████████████████ reached 0 ms, degraded
    ! redis degraded: connection refused
▸ 5 services     ████████████░░░░░░░░░░░░ running 1.0 s, usually 2.00 s
    ▸ model running 1.0 s, usually 1.90 s
    ▸ agents running 0.5 s
· 6 websocket    ░░░░░░░░░░░░░░░░░░░░░░░░ pending, usually 10 ms
· 7 finalize     ░░░░░░░░░░░░░░░░░░░░░░░░ pending
  12 held, oldest 1.4 s";
    assert_eq!(plain(&startup(&running(), 80)), expected);
}

#[test]
fn whoever_never_came_to_the_queue_is_among_the_outcomes() {
    let mut document = running();
    document.refused.connection_limit = 3;
    let shown = plain(&server(&document, "http://a", None, 120));
    let all = "1 refused (full), 3 refused (connection limit)\n";
    assert!(shown.contains(all), "{shown}");
}

#[test]
fn at_forty_columns_nothing_is_lost_but_what_is_usual() {
    let expected = "\
✓ 1 init         ███████ reached 4 ms
✓ 2 dependencies ███████ reached 0 ms
✓ 3 database     ███████ reached 1.10 s
! 4 cache        ███████ reached 0 ms
    ! redis degraded: connection refused
▸ 5 services     ████░░░ running 1.0 s
    ▸ model running 1.0 s
    ▸ agents running 0.5 s
· 6 websocket    ░░░░░░░ pending
· 7 finalize     ░░░░░░░ pending
  12 held, oldest 1.4 s";
    assert_eq!(plain(&startup(&running(), 40)), expected);
}

#[test]
fn no_line_is_wider_than_it_may_be() {
    for width in 0..120 {
        let drawings = [
            startup(&running(), width),
            server(&running(), "http://127.0.0.1:8080", None, width),
            unreachable("http://127.0.0.1:8080", "connection refused", width),
        ];
        for line in drawings.iter().flatten() {
            let shown = line.plain();
            assert!(
                console::measure_text_width(&shown) <= width,
                "{width}: {shown}"
            );
        }
    }
}

#[test]
fn a_server_shows_its_gate_its_queue_and_its_connections() {
    let rate = Some(Rate {
        received: 12.4,
        sent: 0.0,
    });
    let drawn = plain(&server(&running(), "http://chat", rate, 80));
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "http://chat",
            "▸ closed, startup running 2.1 s, usually 4.02 s"
        ]
    );
    assert_eq!(
        lines[12..],
        [
            "  queue        12 of 50 held, oldest 1.4 s",
            "               14 entered, 0 admitted, 1 abandoned, 1 refused (full)",
            "  connections  0 live, 0 in all",
            "  messages     12/s received, 0/s sent",
        ]
    );
    let narrow = plain(&server(&running(), "http://chat", None, 40));
    let narrow: Vec<&str> = narrow.lines().collect();
    assert_eq!(
        narrow[12..],
        [
            "  queue        12 of 50 held,",
            "               oldest 1.4 s",
            "               14 entered, 0 admitted,",
            "               1 abandoned,",
            "               1 refused (full)",
            "  connections  0 live, 0 in all",
            "  messages     7 received, 8 sent",
        ]
    );
}

#[test]
fn the_gate_says_whether_it_is_open_and_if_not_why() {
    let told = |change: fn(&mut Document)| {
        let mut document = running();
        change(&mut document);
        gate(&document, 100).plain()
    };
    assert_eq!(
        told(|it| {
            it.queue.open = true;
            it.startup.state = "complete".to_owned();
            it.startup.elapsed_seconds = 4.018;
        }),
        "✓ open, startup took 4.02 s"
    );
    assert_eq!(
        told(|it| {
            it.queue.open = true;
            it.readiness.bypassed = true;
        }),
        "✓ open, startup goes on, 2.1 s, the guard is bypassed"
    );
    assert_eq!(
        told(|it| {
            it.startup.state = "complete".to_owned();
            it.readiness.reason = Some("check_failed".to_owned());
        }),
        "! closed, though startup is complete: check_failed"
    );
    assert_eq!(
        told(|it| {
            it.startup.state = "complete".to_owned();
            it.readiness.failed_checks.push(FailedCheck {
                name: "upstream".to_owned(),
                error: "connection refused".to_owned(),
            });
        }),
        "! closed, though startup is complete: upstream: connection refused"
    );
    assert_eq!(told(|it| it.draining = true), "! stopping, 0 live");
    assert_eq!(
        told(|it| {
            it.startup.state = "failed".to_owned();
            it.startup.failed = Some(Failure {
                phase: "services".to_owned(),
                step: Some("model".to_owned()),
                error: "no such file".to_owned(),
            });
        }),
        "✗ startup failed after 2.10 s in phase services, step model"
    );
    assert_eq!(
        told(|it| {
            it.startup.state = "failed".to_owned();
            it.startup.failed = Some(Failure {
                phase: "services".to_owned(),
                step: None,
                error: "its driver was lost".to_owned(),
            });
        }),
        "✗ startup failed after 2.10 s in phase services: its driver was lost"
    );
}

#[test]
fn a_failed_phase_shows_the_step_that_failed() {
    let mut document = running();
    let services = &mut document.startup.phases[4];
    services.state = "failed".to_owned();
    services.steps[0].state = "failed".to_owned();
    services.steps[0].error = Some("not ready within 60s; last attempt: no such file".to_owned());
    services.steps[1].state = "cancelled".to_owned();
    let drawn = plain(&startup(&document, 60));
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(
        lines[5..8],
        [
            "✗ 5 services     ████████████░░░░░░░░░░░░ failed 1.00 s",
            "    ✗ model failed: not ready within 60s; last attempt: no",
            "      such file"
        ]
    );
}

#[test]
fn a_step_at_work_shows_why_its_last_attempt_failed() {
    let mut document = running();
    let refused = "http://127.0.0.1:9/ready: connection refused";
    document.startup.phases[4].steps[0].error = Some(refused.to_owned());
    let steps = |width| {
        let drawn = plain(&startup(&document, width));
        let from = drawn.find("    ▸ model").expect("its line");
        let to = drawn.find("    ▸ agents").expect("the next one's");
        drawn[from..to].to_owned()
    };
    assert_eq!(
        steps(100),
        format!("    ▸ model running 1.0 s, usually 1.90 s: {refused}\n")
    );
    let expected = "    \
    ▸ model running 1.0 s
      http://127.0.0.1:9/ready:
      connection refused
";
    assert_eq!(steps(40), expected);
}

#[test]
fn a_phase_without_a_past_is_measured_by_its_steps_and_full_only_once_reached() {
    let mut phase = running().startup.phases[4].clone();
    assert_eq!(fraction(&phase, None), 0.0);
    phase.steps[0].state = "done".to_owned();
    assert_eq!(fraction(&phase, None), 1.0 / 3.0);
    assert_eq!(fraction(&phase, Some(0.1)), NEARLY);
    phase.steps[1].state = "failed".to_owned();
    assert_eq!(fraction(&phase, None), 1.0 / 3.0);
    phase.state = "reached".to_owned();
    assert_eq!(fraction(&phase, Some(100.0)), 1.0);
}

#[test]
fn a_document_needs_no_more_than_a_startup_and_a_queue() {
    let bare: Document = serde_json::from_str(r#"{"startup": {}, "queue": {}}"#).expect("enough");
    assert_eq!(plain(&startup(&bare, 80)), "  nobody is held");
    for other in ["{}", "[]", r#"{"startup": {}}"#, "null"] {
        assert!(serde_json::from_str::<Document>(other).is_err(), "{other}");
    }
}

#[test]
fn those_who_are_still_held_behind_an_open_gate_are_told_apart() {
    let mut document = running();
    document.queue.open = true;
    let lines = startup(&document, 80);
    let last = lines.last().map(Line::plain);
    assert_eq!(last.as_deref(), Some("  open, 12 held, oldest 1.4 s"));
}
