//! The settings in effect, as text.

use ws_server::settings::Loaded;

use crate::given::{Given, LISTING};

#[test]
fn the_settings_in_effect_load_to_the_same_settings() {
    let full = Given::toml(LISTING)
        .and_variables(&[("PORT", "1"), ("WS_SERVER__QUEUE__MAX_WAIT", "1500ms")])
        .and_flags(&[
            "server.path=/a\"b\\c",
            "limits.origins=http://a,http://b",
            "limits.max_message_size=1025",
            "limits.send_buffer=1536KiB",
            "guard.timeout_multiplier=0.1",
        ]);
    for given in [full, Given::default(), Given::toml(LISTING)] {
        let loaded = given.load().unwrap();
        let again = Given::toml(&loaded.to_string()).load().unwrap();
        assert_eq!(again.settings, loaded.settings, "{loaded}");
        let values = |loaded: &Loaded| -> Vec<_> {
            loaded
                .entries()
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.clone()))
                .collect()
        };
        assert_eq!(values(&again), values(&loaded));
    }
}

#[test]
fn the_settings_in_effect_say_where_each_came_from() {
    let given =
        Given::toml("[[startup.steps]]\nphase = \"init\"\nname = \"a\"\nprobe = \"tcp://a:1\"")
            .and_variables(&[("PORT", "9000"), ("WS_SERVER__GUARD__TIMEOUT", "7s")])
            .and_flags(&["queue.max_size=5"]);
    let folder = format!("{}/", given.file.as_ref().unwrap().0.path().display());
    let text = given.load().unwrap().to_string().replace(&folder, "");
    let beginning = r#"# environment is not set: it is detected

[server]
listen = "0.0.0.0:9000"  # environment variable PORT
handler = "echo"
path = "/ws"
threads = 0

[proxy]
upstream = ""
readyz_follows_upstream = false
connect_timeout = "1s"
response_timeout = "30s"

[child]
command = []
# name is not set: it is the name of the program
restart = "always"
max_restarts = 10
restart_interval = "1s"
stop_timeout = "1s 500ms"

[startup]
open_after = "websocket"
failed_linger = "1s"
history = ""

[[startup.steps]]
phase = "init"  # file ws.toml
name = "a"  # file ws.toml
probe = "tcp://a:1"  # file ws.toml
critical = true
timeout = "1m"
interval = "100ms"
monitor = false

[guard]
minimum_phase = "services"
interval = "100ms"
timeout = "7s"  # environment variable WS_SERVER__GUARD__TIMEOUT
timeout_multiplier = 1.0
bypass = false

[queue]
max_size = 5  # flag --set
max_wait = "30s"
"#;
    assert!(text.starts_with(beginning), "{text}");
}

#[test]
fn the_settings_in_effect_survive_odd_characters() {
    let step = "phase = \"init\"\nname = \"a\\u007f\\n\\\"\\\\\\u0001é\"\nprobe = \"tcp://a:1\"";
    let given = Given::file("odd\nname.toml", &format!("[[startup.steps]]\n{step}"));
    let loaded = given.load().unwrap();
    assert_eq!(loaded.settings.startup.steps[0].name, "a\u{7f}\n\"\\\u{1}é");
    assert_eq!(
        Given::toml(&loaded.to_string()).settings(),
        loaded.settings,
        "{loaded}"
    );
}
