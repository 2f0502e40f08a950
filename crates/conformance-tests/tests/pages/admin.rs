//! `admin.listen`: the operators' pages on a port of their own, and on no other.

use std::net::SocketAddr;

use conformance_tests::binary::WsServer;
use conformance_tests::client::{Asked, upgrade};
use conformance_tests::network::{Memory, Net};
use conformance_tests::running::{Running, server};
use conformance_tests::startup::by_hand;
use conformance_tests::wire::Wire;
use serde_json::Value;
use startup_phases::Phase;
use tokio::net::{TcpListener, TcpStream};
use ws_server::settings::ProxySettings;
use ws_server::{ServeError, ServerBuilder};

const OPERATORS: [&str; 4] = ["/", "/status", "/status/events", "/metrics"];
const HEALTH: [&str; 3] = ["/livez", "/startupz", "/readyz"];

/// Runs in memory, with its operators' pages on a real port.
async fn with_admin(builder: ServerBuilder) -> (Running<Memory>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (Running::in_memory(builder.admin_on(listener)), address)
}

async fn ask(address: SocketAddr, request: &str) -> Asked<TcpStream> {
    Asked::with(address.connect().await, request).await
}

/// The status of what this path answers, and the whole of it where its length is known.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let answer = ask(address, &request).await.answer().await;
    (answer.status, answer.body)
}

fn early() -> (ServerBuilder, conformance_tests::startup::Hand) {
    let (startup, hand) = by_hand([Phase::Services]);
    let builder = server(|_| {}).startup(startup.build().expect("one step"));
    (builder, hand)
}

#[tokio::test]
async fn o9_what_is_for_operators_is_on_their_port_alone() {
    let (builder, _hand) = early();
    let (server, admin) = with_admin(builder).await;
    for path in OPERATORS {
        for path in [path.to_owned(), format!("/-{path}")] {
            assert_eq!(get(admin, &path).await.0, 200, "{path}");
            let there = server.get(&path).await;
            assert_eq!(
                (there.status, &*there.reason()),
                (404, "admin_port"),
                "{path}"
            );
            // Where to look, for those who may know it.
            assert!(there.body.contains("admin.listen"), "{path}");
            assert!(!there.body.contains(&admin.port().to_string()), "{path}");
        }
    }
    for path in HEALTH {
        let (status, body) = get(admin, path).await;
        let there = server.get(path).await;
        assert_eq!((status, body), (there.status, there.body), "{path}");
    }
}

#[tokio::test]
async fn o9_there_is_no_websocket_on_the_operators_port() {
    let (_server, admin) = with_admin(server(|_| {})).await;
    assert_eq!(get(admin, "/ws").await.0, 404);
    let answer = ask(admin, &upgrade("/ws", &[])).await.answer().await;
    assert_eq!((answer.status, &*answer.reason()), (404, "not_found"));
}

#[tokio::test]
async fn o9_x6_nothing_on_the_operators_port_is_the_applications() {
    let settings = ProxySettings {
        // Nobody is there: whatever is meant for the application is held.
        upstream: "ws://127.0.0.1:1".to_owned(),
        ..ProxySettings::default()
    };
    let builder = server(|settings| settings.server.path = "*".to_owned());
    let (_server, admin) = with_admin(builder.proxy(&settings).unwrap()).await;
    for path in OPERATORS.iter().chain(&["/-/", "/-/status", "/livez"]) {
        assert_eq!(get(admin, path).await.0, 200, "{path}");
    }
    assert_eq!(get(admin, "/anything").await.0, 404);
}

#[tokio::test]
async fn o9_addresses_of_the_held_are_for_operators_alone() {
    let (builder, _hand) = early();
    let (server, admin) = with_admin(builder).await;
    let _held = server.dial().await;
    let held = loop {
        let status: Value = serde_json::from_str(&get(admin, "/status").await.1).unwrap();
        if let Some(held) = status["held"].get(0) {
            break held.clone();
        }
    };
    assert!(
        held["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{held}"
    );

    let (server, _hand) = Running::early(|_| {});
    let _held = server.held().await;
    let status = server.status().await;
    assert_eq!(status["held"].as_array().map(Vec::len), Some(1));
    assert_eq!(status["held"][0].get("peer"), None);
}

#[tokio::test]
async fn o9_s12_operators_are_not_among_the_clients() {
    let builder = server(|settings| settings.limits.max_connections = 1);
    let (server, admin) = with_admin(builder).await;
    let mut client = server.client().await;
    assert_eq!(get(admin, "/status").await.0, 200);
    let status: Value = serde_json::from_str(&get(admin, "/status").await.1).unwrap();
    assert_eq!(
        (
            &status["connections"]["live"],
            &status["connections"]["total"]
        ),
        (&1.into(), &1.into())
    );
    client.is_echoed("hello").await;
}

#[tokio::test]
async fn o9_s9_operators_are_answered_until_the_server_has_stopped() {
    let (mut server, admin) = with_admin(server(|_| {})).await;
    let client = server.client().await;
    server.stop();
    // It is told to go, and takes its time.
    let draining = async { while !get(admin, "/status").await.1.contains("\"draining\":true") {} };
    conformance_tests::happens("the status says so", draining).await;
    assert_eq!(get(admin, "/readyz").await.0, 503);
    assert_eq!(client.is_closed().await.0, 1001);
    server.end().await.unwrap();
}

#[tokio::test]
async fn o9_the_operators_port_is_bound_with_the_other() {
    let bound = server(|settings| {
        settings.server.listen.set_port(0);
        settings.admin.listen = Some(([127, 0, 0, 1], 0).into());
    })
    .bind()
    .unwrap();
    let taken = bound.admin_addr().unwrap().unwrap();
    assert_ne!(bound.local_addr().unwrap(), taken);

    let second = server(|settings| {
        settings.server.listen.set_port(0);
        settings.admin.listen = Some(taken);
    });
    let Err(error) = second.bind() else {
        panic!("{taken} is taken")
    };
    assert!(matches!(error, ServeError::Bind { address, .. } if address == taken));
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn o9_pages_that_were_to_be_elsewhere_are_not_here_instead() {
    // Nobody gave it the listener that these settings ask for.
    let server = Running::in_memory(server(|settings| {
        settings.admin.listen = Some(([127, 0, 0, 1], 9100).into());
    }));
    for path in OPERATORS {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn o9_the_command_says_where_its_operators_pages_are() {
    let settings = "[admin]\nlisten = \"127.0.0.1:0\"";
    let server = WsServer::with(settings).start().await;
    server.until_says("admin pages at http://127.0.0.1:").await;
    assert_eq!(server.get("/status").await.status, 404);
    let said = server.said();
    let (_, address) = said.split_once("admin pages at http://").unwrap();
    let (address, _) = address.split_once('/').unwrap();
    let mut wire = Wire::connect(address.parse().unwrap()).await;
    wire.send(b"GET /status HTTP/1.1\r\nHost: test\r\n\r\n")
        .await;
    assert_eq!(wire.answer().await.status, 200);
}
