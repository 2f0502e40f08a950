//! Defaults, files, environment variables and flags.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use readiness_guard::Tier;
use startup_phases::Phase;
use tracing::level_filters::LevelFilter;
use ws_server::settings::{HoldMode, LogFormat, RefuseWith, Settings, SlowReader, StepSettings};

use crate::given::{Given, LISTING};

fn listen(address: &str) -> SocketAddr {
    address.parse().expect("an address")
}

#[test]
fn defaults_are_those_of_the_specification() {
    let postgres = StepSettings::new(
        Phase::Database,
        "postgres",
        "postgres://app@127.0.0.1:5432/app",
    );
    // The listing shows examples of what has no fixed default.
    let mut expected = Settings {
        environment: Some(Tier::Production),
        ..Settings::default()
    };
    expected.guard.timeout = Some(Duration::from_secs(5));
    expected.startup.steps = vec![postgres];
    assert_eq!(Given::toml(LISTING).settings(), expected);
}

#[test]
fn nothing_given_means_the_defaults() {
    assert_eq!(Given::default().settings(), Settings::default());
}

#[test]
fn every_key_of_the_specification_is_read() {
    let settings = Given::toml(
        r#"
        environment = "staging"
        [server]
        listen = "[::1]:9000"
        path = "*"
        [startup]
        open_after = "finalize"
        failed_linger = "2s"
        [[startup.steps]]
        phase = "cache"
        name = "redis"
        probe = "redis://127.0.0.1"
        critical = false
        timeout = "1m"
        interval = "250ms"
        monitor = true
        [guard]
        minimum_phase = "cache"
        interval = "50ms"
        timeout = "9s"
        timeout_multiplier = 2
        bypass = true
        [queue]
        max_size = 500
        max_wait = "1m 30s"
        hold = "frames"
        max_held_bytes = "128KiB"
        hold_from = "database"
        refuse_with = "close"
        release_per_second = 100
        release_in_flight = 10
        [limits]
        max_connections = 20
        max_connections_per_ip = 3
        max_message_size = 1000
        max_frame_size = "1.5KiB"
        handshake_timeout = "1s"
        idle_timeout = "1h"
        ping_interval = "0s"
        pong_timeout = "4s"
        send_buffer = "64 KiB"
        slow_reader = "drop"
        origins = ["https://example.com", "http://localhost:3000"]
        [shutdown]
        delay = "3s"
        drain = "20s"
        close_code = 1012
        [admin]
        listen = "127.0.0.1:9100"
        [log]
        format = "json"
        level = "debug"
        "#,
    )
    .settings();

    let secs = Duration::from_secs;
    let mut expected = Settings {
        environment: Some(Tier::Staging),
        ..Settings::default()
    };
    expected.server.listen = listen("[::1]:9000");
    expected.server.path = "*".to_owned();
    expected.startup.open_after = Phase::Finalize;
    expected.startup.failed_linger = secs(2);
    expected.startup.steps = vec![StepSettings {
        critical: false,
        timeout: secs(60),
        interval: Duration::from_millis(250),
        monitor: true,
        ..StepSettings::new(Phase::Cache, "redis", "redis://127.0.0.1")
    }];
    expected.guard.minimum_phase = Phase::Cache;
    expected.guard.interval = Duration::from_millis(50);
    expected.guard.timeout = Some(secs(9));
    expected.guard.timeout_multiplier = 2.0;
    expected.guard.bypass = true;
    expected.queue.max_size = 500;
    expected.queue.max_wait = secs(90);
    expected.queue.hold = HoldMode::Frames;
    expected.queue.max_held_bytes = 128 * 1024;
    expected.queue.hold_from = Phase::Database;
    expected.queue.refuse_with = RefuseWith::Close;
    expected.queue.release_per_second = 100;
    expected.queue.release_in_flight = 10;
    expected.limits.max_connections = 20;
    expected.limits.max_connections_per_ip = 3;
    expected.limits.max_message_size = 1000;
    expected.limits.max_frame_size = 1536;
    expected.limits.handshake_timeout = secs(1);
    expected.limits.idle_timeout = secs(3600);
    expected.limits.ping_interval = Duration::ZERO;
    expected.limits.pong_timeout = secs(4);
    expected.limits.send_buffer = 64 * 1024;
    expected.limits.slow_reader = SlowReader::Drop;
    expected.limits.origins = ["https://example.com", "http://localhost:3000"]
        .map(str::to_owned)
        .into();
    expected.shutdown.delay = secs(3);
    expected.shutdown.drain = secs(20);
    expected.shutdown.close_code = 1012;
    expected.admin.listen = Some(listen("127.0.0.1:9100"));
    expected.log.format = LogFormat::Json;
    expected.log.level = LevelFilter::DEBUG;
    assert_eq!(settings, expected);
}

#[test]
fn yaml_and_json_files_say_the_same_as_toml() {
    let toml = Given::toml(
        "[queue]\nmax_size = 7\n[limits]\norigins = [\"http://a\"]\n\
         [[startup.steps]]\nphase = \"cache\"\nname = \"c\"\nprobe = \"tcp://c:1\"\nmonitor = true\n",
    );
    let yaml = "
log:
queue:
  max_size: 7
limits:
  origins: [http://a]
startup:
  steps:
    - phase: cache
      name: c
      probe: tcp://c:1
      monitor: true
";
    let json = r#"{"queue": {"max_size": 7}, "limits": {"origins": ["http://a"]},
        "startup": {"steps": [{"phase": "cache", "name": "c", "probe": "tcp://c:1", "monitor": true}]}}"#;
    let expected = toml.settings();
    assert_eq!(Given::file("ws.yaml", yaml).settings(), expected);
    assert_eq!(Given::file("ws.yml", yaml).settings(), expected);
    assert_eq!(Given::file("ws.json", json).settings(), expected);
}

#[test]
fn an_empty_file_sets_nothing() {
    for (name, text) in [
        ("a.toml", ""),
        ("a.yaml", "\n"),
        ("a.yml", "# nothing\n"),
        ("a.json", "{}"),
    ] {
        assert_eq!(
            Given::file(name, text).settings(),
            Settings::default(),
            "{name}"
        );
    }
}

#[test]
fn a_section_without_keys_sets_nothing() {
    let yaml = "server:\nstartup:\n  steps:\n";
    let settings = Given::file("ws.yaml", yaml)
        .and_variables(&[("PORT", "9000")])
        .settings();
    assert_eq!(settings.server.listen, listen("0.0.0.0:9000"));
    assert!(settings.startup.steps.is_empty());
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file = || Given::toml("[queue]\nmax_size = 1\nmax_wait = \"1s\"\nrelease_in_flight = 1");
    let variables = [
        ("WS_SERVER__QUEUE__MAX_SIZE", "2"),
        ("WS_SERVER__QUEUE__MAX_WAIT", "2s"),
    ];
    let queue = file()
        .and_variables(&variables)
        .and_flags(&["queue.max_size=9", "queue.max_size=3"])
        .settings()
        .queue;
    assert_eq!(queue.max_size, 3);
    assert_eq!(queue.max_wait, Duration::from_secs(2));
    assert_eq!(queue.release_in_flight, 1);
    assert_eq!(queue.release_per_second, 0);
}

#[test]
fn a_value_that_is_replaced_is_not_judged() {
    let given = Given::toml("queue.max_size = \"lots\"").and_flags(&["queue.max_size=3"]);
    assert_eq!(given.settings().queue.max_size, 3);
}

#[test]
fn port_sets_the_address_unless_something_else_does() {
    let port = ("PORT", "9000");
    assert_eq!(
        Given::variables(&[port]).settings().server.listen,
        listen("0.0.0.0:9000")
    );
    let file = Given::toml("server.listen = \"127.0.0.1:1\"").and_variables(&[port]);
    assert_eq!(file.settings().server.listen, listen("127.0.0.1:1"));
    let variable = Given::variables(&[port, ("WS_SERVER__SERVER__LISTEN", "127.0.0.1:2")]);
    assert_eq!(variable.settings().server.listen, listen("127.0.0.1:2"));
    let flag = Given::variables(&[port]).and_flags(&["server.listen=127.0.0.1:3"]);
    assert_eq!(flag.settings().server.listen, listen("127.0.0.1:3"));
    assert_eq!(
        Given::variables(&[("PORT", "http")]).problem(),
        "server.listen (environment variable PORT): \"0.0.0.0:http\" is not an IP address with a port \
         such as \"127.0.0.1:8080\" or \"[::]:8080\"",
    );
}

#[test]
fn the_history_is_kept_where_the_environment_has_a_place_for_it_unless_something_else_is_said() {
    let file = |given: &Given| given.settings().startup.history;
    let service = ("STATE_DIRECTORY", "/var/lib/ws-server:/var/lib/other");
    let user = ("XDG_STATE_HOME", "/home/me/.local/state");
    let of_user = "/home/me/.local/state/ws-server/startup-history.json";
    let of_service = "/var/lib/ws-server/startup-history.json";
    for (variables, expected) in [
        (&[service, user][..], Some(of_service)),
        (&[service], Some(of_service)),
        (&[user], Some(of_user)),
        (&[("STATE_DIRECTORY", ""), user], Some(of_user)),
        (&[("XDG_STATE_HOME", "state")], None),
        (&[], None),
    ] {
        let history = file(&Given::variables(variables));
        assert_eq!(history.as_deref(), expected.map(Path::new), "{variables:?}");
    }
    let elsewhere = Given::toml("startup.history = \"mine.json\"").and_variables(&[service]);
    assert_eq!(file(&elsewhere).as_deref(), Some(Path::new("mine.json")));
    let off = Given::variables(&[service]).and_flags(&["startup.history="]);
    assert_eq!(file(&off), None);
}

#[test]
fn variables_hold_every_kind_of_value() {
    let settings = Given::variables(&[
        ("WS_SERVER__ENVIRONMENT", "dev"),
        (
            "WS_SERVER__LIMITS__ORIGINS",
            "https://a.example, https://b.example",
        ),
        ("WS_SERVER__GUARD__BYPASS", "true"),
        ("WS_SERVER__GUARD__TIMEOUT_MULTIPLIER", "1.5"),
        ("WS_SERVER__QUEUE__MAX_SIZE", "0123"),
        ("WS_SERVER__LIMITS__SEND_BUFFER", "2MiB"),
        ("WS_SERVER__LOG__FORMAT", "JSON"),
        ("WS_SERVER__SHUTDOWN__CLOSE_CODE", "1012"),
    ])
    .settings();
    assert_eq!(settings.environment, Some(Tier::Development));
    assert_eq!(
        settings.limits.origins,
        ["https://a.example", "https://b.example"]
    );
    assert!(settings.guard.bypass);
    assert_eq!(settings.guard.timeout_multiplier, 1.5);
    assert_eq!(settings.queue.max_size, 123);
    assert_eq!(settings.limits.send_buffer, 2 << 20);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.shutdown.close_code, 1012);
}

#[test]
fn variables_that_are_not_ours_or_empty_are_left_alone() {
    let settings = Given::variables(&[
        ("WS_SERVER_PORT", "tcp://10.0.0.1:80"),
        ("WS_SERVER_SERVICE_HOST", "10.0.0.1"),
        ("WS_SERVER__QUEUE__MAX_SIZE", ""),
        ("PORT", ""),
        ("QUEUE__MAX_SIZE", "1"),
    ])
    .settings();
    assert_eq!(settings, Settings::default());
}
