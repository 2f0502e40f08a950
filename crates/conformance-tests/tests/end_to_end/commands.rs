//! The commands, and the ways to set things.

use conformance_tests::binary::WsServer;
use conformance_tests::servers::Port;
use conformance_tests::wire::Wire;
use nix::sys::signal::Signal;

use super::waits_for;

#[tokio::test]
async fn check_prints_the_settings_and_the_plan() {
    let settings = r#"
        queue.max_size = 500
        [[startup.steps]]
        phase = "database"
        name = "postgres"
        probe = "postgres://app:secret@127.0.0.1:5432/app"
        critical = false
        timeout = "90s"
    "#;
    let checked = WsServer::with(settings)
        .arguments(["check", "--set", "queue.max_wait=10s"])
        .variable("WS_SERVER__LIMITS__MAX_CONNECTIONS", "123")
        .finish()
        .await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for line in [
        "max_size = 500  # file ",
        "max_wait = \"10s\"  # flag --set",
        "max_connections = 123  # environment variable WS_SERVER__LIMITS__MAX_CONNECTIONS",
        "postgres (optional, within 90s, every 100ms)",
    ] {
        assert!(
            checked.stdout.contains(line),
            "{line:?} is not in:\n{}",
            checked.stdout
        );
    }
    let places: Vec<_> = [
        "1 init",
        "2 dependencies",
        "3 database",
        "postgres (",
        "4 cache",
    ]
    .map(|part| checked.stdout.rfind(part).expect(part))
    .into();
    assert!(places.is_sorted(), "{}", checked.stdout);
}

#[tokio::test]
async fn what_check_prints_are_settings() {
    let checked = WsServer::new().arguments(["check"]).finish().await;
    let again = WsServer::with(&checked.stdout)
        .arguments(["check"])
        .finish()
        .await;
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[tokio::test]
async fn probe_says_whether_a_server_is_ready() {
    let port = Port::reserve();
    let server = WsServer::with(waits_for(&port)).start().await;
    let url = format!("http://{}", server.address());
    let probe = async || WsServer::new().arguments(["probe", &url]).finish().await;
    let unready = probe().await;
    assert_eq!(unready.code, Some(1));
    assert!(unready.stderr.contains("not ready"), "{unready:?}");

    let _open = port.open();
    server
        .until(|status| status["readiness"]["ready"] == true)
        .await;
    let ready = probe().await;
    assert_eq!((ready.code, ready.stderr.as_str()), (Some(0), ""));

    // Where the server would listen, if not told.
    let probe = WsServer::new().arguments(["probe"]);
    let probe = probe.variable("PORT", &server.address().port().to_string());
    assert_eq!(probe.finish().await.code, Some(0));

    // Reserved, so that nobody listens there meanwhile.
    let nobody = Port::reserve();
    let url = format!("http://{}", nobody.address());
    let absent = WsServer::new().arguments(["probe", &url]).finish().await;
    assert_eq!(absent.code, Some(1));
    let nonsense = WsServer::new()
        .arguments(["probe", "nonsense"])
        .finish()
        .await;
    assert_eq!(nonsense.code, Some(2));
}

#[tokio::test]
async fn port_is_listened_on_at_every_address() {
    let port = Port::reserve();
    let server = WsServer::new().variable("PORT", &port.number().to_string());
    let server = server.start_on(port).await;
    Wire::open(server.address()).await.echoes("hello").await;
    // Another address of this machine than the one in `address`.
    let other = ([127, 0, 0, 2], server.address().port()).into();
    Wire::open(other).await.echoes("hello").await;
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let max_size = async |server: WsServer| {
        let server = server.start().await;
        server.status().await["queue"]["max_size"].clone()
    };
    let file = "queue.max_size = 2";
    let with_variable = || WsServer::with(file).variable("WS_SERVER__QUEUE__MAX_SIZE", "3");
    assert_eq!(max_size(WsServer::new()).await, 50);
    assert_eq!(max_size(WsServer::with(file)).await, 2);
    assert_eq!(max_size(with_variable()).await, 3);
    let with_flag = with_variable().arguments(["run", "--set", "queue.max_size=4"]);
    assert_eq!(max_size(with_flag).await, 4);
}

#[tokio::test]
async fn g8_a_bypass_opens_the_gate_with_a_warning_and_shows_in_the_status() {
    let port = Port::reserve();
    let settings = "guard.bypass = true\n".to_owned() + &waits_for(&port);
    let server = WsServer::with(settings).start().await;
    Wire::open(server.address()).await.echoes("hello").await;
    let status = server.status().await;
    assert_eq!(status["startup"]["state"], "running");
    assert_eq!(status["readiness"]["bypassed"], true);
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;
    assert!(ended.warns("guard.bypass"), "{}", ended.stderr);
}

#[tokio::test]
async fn g3_a_contradiction_in_the_environment_is_warned_of() {
    let server = WsServer::new().variable("K_SERVICE", "chat");
    let server = server.variable("ENVIRONMENT", "local").start().await;
    server
        .until(|status| status["startup"]["state"] == "complete")
        .await;
    server.signal(Signal::SIGTERM);
    let ended = server.end().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.warns("ENVIRONMENT says local"), "{}", ended.stderr);
}
