//! Settings that are read again while a server is at work.

use ws_server::settings::Loaded;

use crate::given::{Given, LISTING};

/// Another value for every key there is, `steps` aside.
const OTHERWISE: &str = r#"
environment = "staging"
[server]
listen = "127.0.0.1:9090"
path = "/chat"
[startup]
open_after = "finalize"
failed_linger = "2s"
history = "elsewhere.json"
[guard]
minimum_phase = "cache"
interval = "200ms"
timeout = "6s"
timeout_multiplier = 2.0
bypass = true
[queue]
max_size = 51
max_wait = "31s"
hold = "frames"
max_held_bytes = "65KiB"
hold_from = "cache"
refuse_with = "close"
release_per_second = 1
release_in_flight = 2
[limits]
max_connections = 10001
max_connections_per_ip = 1
max_message_size = "2MiB"
max_frame_size = "2MiB"
handshake_timeout = "4s"
idle_timeout = "1s"
ping_interval = "26s"
pong_timeout = "11s"
send_buffer = "2MiB"
slow_reader = "drop"
origins = ["https://example.com"]
[shutdown]
delay = "1s"
drain = "9s"
close_code = 1012
[log]
format = "json"
level = "debug"
"#;

fn loaded(text: &str) -> Loaded {
    Given::toml(text).load().expect("right settings")
}

#[test]
fn limits_log_level_and_pace_are_taken_over_and_nothing_else() {
    let mut running = loaded(LISTING);
    let (before, later) = (running.clone(), loaded(OTHERWISE));
    let changes = running.reload(later.clone());
    let mut expected = before.settings.clone();
    expected.limits = later.settings.limits.clone();
    expected.log.level = later.settings.log.level;
    expected.queue.release_per_second = 1;
    expected.queue.release_in_flight = 2;
    assert_eq!(running.settings, expected);
    // What is said of the settings agrees with what they are.
    assert_eq!(loaded(&running.to_string()).settings, expected);
    let live: Vec<_> = changes.iter().filter(|it| !it.needs_restart).collect();
    let limits = live.iter().filter(|it| it.key.starts_with("limits."));
    assert_eq!((limits.count(), live.len()), (11, 14), "{live:?}");
    for change in &changes {
        let [before, later] = [&before, &later].map(|loaded| {
            let mut entries = loaded.entries().iter();
            entries.find(|it| it.key == change.key)?.value.clone()
        });
        assert_eq!((&before, &later), (&change.before, &change.after));
        assert_ne!(before, later);
    }
    let same = before.entries().iter().filter(|it| {
        let mut changes = changes.iter();
        changes.all(|change| change.key != it.key)
    });
    for entry in same {
        let now = later.entries().iter().find(|it| it.key == entry.key);
        assert_eq!(now.and_then(|it| it.value.as_ref()), entry.value.as_ref());
    }
}

#[test]
fn what_needs_a_restart_is_told_until_it_has_had_one_and_the_rest_once() {
    let mut running = loaded("");
    let later = "queue = { max_size = 500, release_per_second = 50 }";
    let told = |changes: Vec<ws_server::settings::Change>| -> Vec<String> {
        changes.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        told(running.reload(loaded(later))),
        [
            "queue.max_size: 50 -> 500",
            "queue.release_per_second: 0 -> 50"
        ]
    );
    assert_eq!(
        told(running.reload(loaded(later))),
        ["queue.max_size: 50 -> 500"]
    );
    assert_eq!(
        told(running.reload(loaded(""))),
        ["queue.release_per_second: 50 -> 0"]
    );
    assert_eq!(running, loaded(""));
}

#[test]
fn a_step_more_or_less_and_a_value_that_is_not_set_any_more_are_changes() {
    let step = "guard.timeout = \"5s\"\n[[startup.steps]]\nphase = \"init\"\nname = \"a\"\nprobe = \"tcp://a:1\"";
    let keys = |before: &str, later: &str| -> Vec<String> {
        let changes = loaded(before).reload(loaded(later));
        assert!(changes.iter().all(|it| it.needs_restart));
        changes.into_iter().map(|it| it.key).collect()
    };
    for keys in [keys(step, ""), keys("", step)] {
        assert_eq!(keys.len(), 9, "{keys:?}");
        for key in ["guard.timeout", "startup.steps", "startup.steps[0].probe"] {
            assert!(keys.iter().any(|it| it == key), "{keys:?}");
        }
    }
}
