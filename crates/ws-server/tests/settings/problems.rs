//! What is said about mistakes.

use startup_phases::Phase;

use crate::given::Given;

#[test]
fn every_problem_is_reported_together() {
    let given = Given::toml(
        r#"
        environment = "prod-eu"
        quue = 1
        [server]
        listen = "localhost:8080"
        path = "ws"
        handler = "prox"
        [proxy]
        upstream = "ws://app:8000/chat"
        connect_timeout = "0s"
        [startup]
        open_after = "ready"
        [[startup.steps]]
        phase = "databse"
        name = "db"
        probe = "nonsense"
        timeout = 60
        [[startup.steps]]
        phase = "cache"
        name = "db"
        monitor = "sometimes"
        [guard]
        interval = "-5s"
        timeout_multiplier = nan
        [queue]
        max_size = 0
        [limits]
        max_frame_size = "big"
        ping_intervall = "5s"
        [shutdown]
        close_code = 1011
        "#,
    )
    .and_variables(&[
        ("WS_SERVER__QUEUE__MAX_WAIT", "forever"),
        ("WS_SERVER__QUEUE__SIZE", "1"),
    ])
    .and_flags(&["log.level=loud", "log.level"]);
    let expected = [
        r#"queue.size (environment variable WS_SERVER__QUEUE__SIZE): unknown key; queue has max_size, max_wait, hold, max_held_bytes, hold_from, refuse_with, release_per_second, release_in_flight"#,
        r#"flag --set: "log.level" is not KEY=VALUE, such as queue.max_size=500"#,
        r#"environment (file ws.toml): "prod-eu" is not one of local, test, development, staging, production"#,
        r#"server.listen (file ws.toml): "localhost:8080" is not an IP address with a port such as "127.0.0.1:8080" or "[::]:8080""#,
        r#"server.handler (file ws.toml): "prox" is not one of echo, proxy"#,
        r#"server.path (file ws.toml): "ws" is not a path such as "/ws", nor "*" for every path"#,
        r#"proxy.upstream (file ws.toml): "ws://app:8000/chat" is no upstream; write ws://HOST:PORT or wss://HOST:PORT, without a path: the clients' own paths are passed on"#,
        r#"proxy.connect_timeout (file ws.toml): "0s" is out of range; it has to be at least "1ms""#,
        r#"startup.open_after (file ws.toml): "ready" is not one of init, dependencies, database, cache, services, websocket, finalize"#,
        r#"startup.steps[0].phase (file ws.toml): "databse" is not one of init, dependencies, database, cache, services, websocket, finalize"#,
        r#"startup.steps[0].probe (file ws.toml): "nonsense" is not an address"#,
        r#"startup.steps[0].timeout (file ws.toml): 60 has no unit; write a duration such as "100ms", "5s" or "2m""#,
        r#"startup.steps[1].name (file ws.toml): "db" is the name of an earlier step; names have to differ"#,
        r#"startup.steps[1].probe (file ws.toml): is missing and has no default"#,
        r#"startup.steps[1].monitor (file ws.toml): "sometimes" is not true or false"#,
        r#"guard.interval (file ws.toml): "-5s" is negative, which a duration cannot be; write a duration such as "100ms", "5s" or "2m""#,
        r#"guard.timeout_multiplier (file ws.toml): NaN is out of range; it has to be more than 0.0 and at most 1000.0"#,
        r#"queue.max_size (file ws.toml): 0 is out of range; it has to be at least 1 and at most 1000000"#,
        r#"queue.max_wait (environment variable WS_SERVER__QUEUE__MAX_WAIT): "forever" is not a duration; write a duration such as "100ms", "5s" or "2m""#,
        r#"limits.max_frame_size (file ws.toml): "big" is not a size such as 4096, "64KiB" or "1MiB""#,
        r#"limits.ping_intervall (file ws.toml): unknown key; did you mean limits.ping_interval?"#,
        r#"shutdown.close_code (file ws.toml): 1011 cannot be sent at shutdown; use 1001 (going away), 1012 (service restart), or one of 1000 to 1003, 1007 to 1009, 1012 to 1014, 3000 to 4999"#,
        r#"log.level (flag --set): "loud" is not one of off, error, warn, info, debug, trace"#,
        r#"quue (file ws.toml): unknown key; did you mean queue?"#,
    ];
    let problems = given.problems();
    for (problem, expected) in problems.iter().zip(expected) {
        assert_eq!(problem, expected);
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    let advice = |assignment| {
        let problem = Given::flags(&[assignment]).problem();
        problem.split_once("): ").unwrap().1.to_owned()
    };
    assert_eq!(
        advice("queue.max-size=5"),
        "unknown key; did you mean queue.max_size?"
    );
    assert_eq!(
        advice("queue.pong_timeout=5s"),
        "unknown key; did you mean limits.pong_timeout?"
    );
    assert_eq!(
        advice("max_wait=5s"),
        "unknown key; did you mean queue.max_wait?"
    );
    assert_eq!(
        advice("que.hold=frames"),
        "unknown key; did you mean queue.hold?"
    );
    assert_eq!(
        advice("shutdown.x=1"),
        "unknown key; shutdown has delay, drain, close_code"
    );
    assert_eq!(
        advice("proxy.upstraem=ws://a"),
        "unknown key; did you mean proxy.upstream?",
    );
    assert_eq!(
        advice("bridge.to=ws://a"),
        "unknown key; there are environment, server, proxy, child, startup, guard, queue, limits, shutdown, admin, log",
    );
    assert_eq!(advice("log=json"), "is a section; it has format, level");
}

#[test]
fn unknown_sections_and_keys_of_a_file_are_each_reported() {
    let given = Given::toml(
        "[bridge]\nto = \"ws://a\"\n[aside]\n[limts]\nsend_buffer = 1\n\
         [[startup.steps]]\nphase = \"init\"\nname = \"a\"\nprobe = \"tcp://a:1\"\nprob = 1\nzzzzz = 1\n",
    );
    let sections =
        "environment, server, proxy, child, startup, guard, queue, limits, shutdown, admin, log";
    assert_eq!(
        given.problems(),
        [
            "startup.steps[0].prob (file ws.toml): unknown key; did you mean startup.steps[0].probe?"
                .to_owned(),
            "startup.steps[0].zzzzz (file ws.toml): unknown key; \
             startup.steps[0] has phase, name, probe, critical, timeout, interval, monitor"
                .to_owned(),
            format!("aside: unknown key; there are {sections}"),
            format!("bridge (file ws.toml): unknown key; there are {sections}"),
            "limts (file ws.toml): unknown key; did you mean limits?".to_owned(),
        ],
    );
}

#[test]
fn a_variable_cannot_replace_a_section_of_the_file() {
    let given =
        Given::toml("[queue]\nmax_size = \"x\"").and_variables(&[("WS_SERVER__QUEUE", "5")]);
    let problems = given.problems();
    assert!(problems[0].starts_with("queue (environment variable WS_SERVER__QUEUE): is a section"));
    assert!(problems[1].starts_with("queue.max_size (file ws.toml): \"x\" is not a whole number"));
}

#[test]
fn values_and_sections_are_not_mixed_up() {
    assert_eq!(
        Given::toml("queue = 5\nstartup.steps = 3\n[log]\nlevel = { a = 1 }\n[server.path]\n")
            .problems(),
        [
            "server.path: a table is not text; put it in quotes",
            "startup.steps (file ws.toml): is a list of sections; write each in a file as [[startup.steps]]",
            "queue (file ws.toml): is a section, not a value; set its keys",
            "log.level (file ws.toml): a table is not one of off, error, warn, info, debug, trace",
        ],
    );
    assert_eq!(
        Given::flags(&["startup.steps=a"]).problem(),
        "startup.steps (flag --set): is a list of sections; write each in a file as [[startup.steps]]",
    );
    assert_eq!(
        Given::file(
            "ws.json",
            r#"{"queue.max_size": 1, "startup": {"steps": [1, null]}}"#
        )
        .problems()[..2],
        [
            "queue.max_size (file ws.json): is not a plain name; write sections as tables",
            "startup.steps[0] (file ws.json): is a section, not a value; set its keys",
        ],
    );
}

#[test]
fn a_problem_stays_on_one_line() {
    let given = Given::file(
        "odd\nname.toml",
        "\"odd\\nkey\" = 1\n[queue]\nmax_size = \"1\\n\\n2\"",
    );
    assert_eq!(given.problems().len(), 2);
}

#[test]
fn durations_say_what_is_wrong_with_them() {
    let complaint = |value: &str| {
        let problem = Given::toml(&format!("queue.max_wait = {value}")).problem();
        let (complaint, _) = problem.split_once(';').unwrap();
        complaint.split_once("): ").unwrap().1.to_owned()
    };
    assert_eq!(
        complaint("\"-5s\""),
        "\"-5s\" is negative, which a duration cannot be"
    );
    assert_eq!(
        complaint("-5"),
        "-5 is negative, which a duration cannot be"
    );
    assert_eq!(complaint("\"30\""), "\"30\" has no unit");
    assert_eq!(complaint("0.5"), "0.5 has no unit");
    assert_eq!(
        complaint("\"5 parsecs\""),
        "\"5 parsecs\" is not a duration"
    );
    assert_eq!(complaint("\"\""), "\"\" is not a duration");
    assert_eq!(complaint("true"), "true is not a duration");
    assert_eq!(
        complaint("\"2years\""),
        "\"2years\" is longer than 365 days"
    );
    assert_eq!(complaint("\"0s\""), "\"0s\" is out of range");
    assert_eq!(
        complaint("\"18446744073709551615s 1000ms\""),
        "\"18446744073709551615s 1000ms\" has too many digits",
    );
}

#[test]
fn close_codes_are_those_that_can_be_sent() {
    for code in ["1000", "1001", "1012", "1013", "3000", "4999"] {
        let text = format!("shutdown.close_code = {code}");
        assert_eq!(
            Given::toml(&text)
                .settings()
                .shutdown
                .close_code
                .to_string(),
            code
        );
    }
    for code in [
        "0", "999", "1004", "1005", "1006", "1011", "1015", "2999", "5000", "-1", "70000",
    ] {
        let problem = Given::toml(&format!("shutdown.close_code = {code}")).problem();
        assert!(
            problem.starts_with("shutdown.close_code (file ws.toml): "),
            "{problem}"
        );
    }
}

#[test]
fn an_origin_no_browser_would_send_is_refused() {
    for origin in ["https://example.com", "http://localhost:3000", "null"] {
        let given = Given::toml(&format!("limits.origins = [{origin:?}]"));
        assert_eq!(given.settings().limits.origins, [origin]);
    }
    for origin in ["example.com", "https://example.com/", "https://", "*"] {
        let problem = Given::toml(&format!("limits.origins = [{origin:?}]")).problem();
        assert!(
            problem.contains(&format!("{origin:?} is not an origin")),
            "{problem}"
        );
    }
}

#[test]
fn holding_that_could_never_begin_is_a_contradiction() {
    let early = "startup.open_after=database";
    assert_eq!(
        Given::flags(&[early, "queue.hold_from=cache"]).problem(),
        "queue.hold_from: cache is later than startup.open_after, database, so every client that comes \
         early would be refused; it has to be database or earlier",
    );
    assert_eq!(
        Given::flags(&[early, "queue.hold_from=database"])
            .settings()
            .queue
            .hold_from,
        Phase::Database
    );
}

#[test]
fn an_upstream_is_a_place_without_a_path() {
    for upstream in [
        "ws://127.0.0.1:8000",
        "wss://app.example",
        "http://[::1]:80/",
        "https://app",
    ] {
        let given = Given::toml(&format!(
            "server.handler = \"proxy\"\nproxy.upstream = {upstream:?}"
        ));
        assert_eq!(given.settings().proxy.upstream, upstream);
    }
    for upstream in [
        "127.0.0.1:8000",
        "ws://",
        "ws:///",
        "ws://app/chat",
        "ws://app?room=1",
        "ws://app#top",
        "tcp://app:1",
        "ws://a b",
        "//app",
    ] {
        let problem = Given::toml(&format!("proxy.upstream = {upstream:?}")).problem();
        assert!(
            problem.starts_with(&format!(
                "proxy.upstream (file ws.toml): {upstream:?} is no upstream; "
            )),
            "{problem}"
        );
    }
}

#[test]
fn an_application_behind_us_has_its_sockets_where_it_likes() {
    let proxy = ["server.handler=proxy", "proxy.upstream=ws://a"];
    assert_eq!(Given::flags(&proxy).settings().server.path, "*");
    let flags = [proxy[0], proxy[1], "server.path=/chat"];
    assert_eq!(Given::flags(&flags).settings().server.path, "/chat");
}

#[test]
fn handler_and_upstream_need_each_other() {
    assert_eq!(
        Given::flags(&["server.handler=proxy"]).problem(),
        "proxy.upstream: is not set, and server.handler is \"proxy\"; write ws://HOST:PORT",
    );
    assert_eq!(
        Given::flags(&["proxy.upstream=ws://a"]).problem(),
        "proxy.upstream: is set, and server.handler is not \"proxy\"; set that too, or use --upstream",
    );
}

#[test]
fn a_proxy_cannot_answer_before_its_upstream() {
    let flags = [
        "server.handler=proxy",
        "proxy.upstream=ws://a",
        "queue.hold=frames",
    ];
    let problem = Given::flags(&flags).problem();
    assert!(
        problem.starts_with("queue.hold: \"frames\" answers clients before the upstream does"),
        "{problem}"
    );
}

#[test]
fn a_syntax_error_says_the_line() {
    let toml = Given::toml("[queue]\nmax_size = 5\nmax_wait == \"5s\"\n").problem();
    assert!(
        toml.starts_with("file ws.toml: TOML parse error at line 3, column "),
        "{toml}"
    );
    let yaml = Given::file("ws.yaml", "queue:\n  max_size: 5\n max_wait: 1s\n").problem();
    assert!(
        yaml.starts_with("file ws.yaml: ") && yaml.contains("line 3"),
        "{yaml}"
    );
    let json = Given::file("ws.json", "{\n  \"queue\": 5,\n}").problem();
    assert!(
        json.starts_with("file ws.json: ") && json.contains("line 3"),
        "{json}"
    );
}

#[test]
fn a_broken_file_hides_no_other_problem() {
    let problems = Given::toml("= =")
        .and_flags(&["queue.max_size=x"])
        .problems();
    assert!(problems[0].starts_with("file ws.toml: "));
    assert_eq!(
        problems[1],
        "queue.max_size (flag --set): \"x\" is not a whole number"
    );
    assert_eq!(problems.len(), 2);
}

#[test]
fn a_file_that_is_missing_or_of_no_known_kind_is_named() {
    let mut given = Given::toml("");
    let folder = given.file.take().unwrap().0;
    // Without the extension guessing that would find this one.
    std::fs::write(folder.path().join("gone.toml.json"), "{}").unwrap();
    let path = folder.path().join("gone.toml");
    given.file = Some((folder, path));
    let problem = given.problem();
    assert!(
        problem.starts_with("file gone.toml: cannot be read: No such file"),
        "{problem}"
    );
    assert_eq!(
        Given::file("ws.conf", "").problem(),
        "file ws.conf: its name has to end in .toml, .yaml, .yml or .json",
    );
}
