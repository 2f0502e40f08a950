//! The clients that the guides give away come back when, and only when, that makes sense: after the
//! time a refusal names, after a restart, and where nobody is there at all.

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::clients::{Client, closed, message, open};
use conformance_tests::running;
use conformance_tests::servers::Port;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use ws_server::Connection;

/// A server that holds nobody as long as `upstream` is not there, and that restarts with 1012.
async fn unready(listens: Port, upstream: &Port, refuse_with: &str) -> Running {
    let settings = format!(
        "[queue]\nhold_from = \"websocket\"\nrefuse_with = \"{refuse_with}\"\n[shutdown]\nclose_code = 1012\n\
         [[startup.steps]]\nphase = \"services\"\nname = \"upstream\"\n\
         probe = \"tcp://{}\"\ntimeout = \"10m\"\n",
        upstream.address()
    );
    let listen = listens.address().to_string();
    let server = WsServer::with(settings).arguments(["--listen", &listen]);
    server.start_on(listens).await
}

fn url(port: &Port) -> String {
    format!("ws://{}/ws", port.address())
}

/// The next refusal, or what it has heard. Passed over are attempts that found nobody, or a process
/// on its end, and that it has its WebSocket, which a refusal by 1013 needs too.
async fn next(client: &mut Client, words: &Words) -> Value {
    loop {
        let event = client.event().await;
        let is_refused = event["code"] == 1013 || event.to_string().contains("retry_after_ms=");
        if is_refused || event == words.heard {
            return event;
        }
    }
}

/// It is refused as often as it takes, and then served.
async fn is_served(client: &mut Client, words: &Words) {
    let mut event = next(client, words).await;
    while event != words.heard {
        waits_as_asked(&event);
        event = next(client, words).await;
    }
}

/// It waits as long as it was asked to, at least, in milliseconds or words.
fn waits_as_asked(event: &Value) {
    let asked = |words: &str, from: &str| -> f64 {
        let number = words.split(from).nth(1).expect(from);
        let number = number
            .split(|c: char| c != '.' && !c.is_ascii_digit())
            .next();
        number.and_then(|it| it.parse().ok()).expect("a number")
    };
    if let Some(words) = event.as_str() {
        let (asked, wait) = (asked(words, "retry_after_ms="), asked(words, "again in "));
        // It says tenths of a second.
        assert!(wait * 1000.0 > asked - 50.0, "{words}");
    } else {
        assert_eq!(event["code"], 1013, "{event}");
        // The server asks for a second and more, by chance.
        assert!(event["milliseconds"].as_u64() >= Some(1000), "{event}");
    }
}

/// What a client says, in its own way.
struct Words {
    heard: Value,
    restart: fn(&Value) -> bool,
}

fn of_python() -> Words {
    Words {
        heard: "heard hello".into(),
        restart: |event| {
            event
                .as_str()
                .is_some_and(|it| it.starts_with("closed with 1012;"))
        },
    }
}

fn of_javascript() -> Words {
    Words {
        heard: message("hello"),
        restart: |event| event["event"] == "waiting" && event["code"] == 1012,
    }
}

/// Nobody is there; then a server that refuses with 1013, and then serves; that restarts.
async fn comes_back(client: impl AsyncFnOnce(&str) -> Option<Client>, words: Words) {
    // What is still to be built is built before the client counts its attempts.
    WsServer::new().arguments(["check"]).finish().await;
    let (port, upstream) = (Port::reserve(), Port::reserve());
    let Some(mut client) = client(&url(&port)).await else {
        return;
    };
    // It has found nobody when the server starts.
    client.event().await;
    let server = unready(port, &upstream, "close").await;
    waits_as_asked(&next(&mut client, &words).await);

    let _open = upstream.open();
    is_served(&mut client, &words).await;

    server.signal(Signal::SIGTERM);
    let event = client.event().await;
    assert!((words.restart)(&event), "{event}");
    let (ended, port) = server.leaving_its_port().await;
    assert_eq!(ended.code, Some(0));
    let _server = unready(port, &upstream, "close").await;
    is_served(&mut client, &words).await;
}

#[tokio::test]
async fn s5_s9_python_comes_back() {
    comes_back(Client::reconnecting_python, of_python()).await;
}

#[tokio::test]
async fn s5_s9_node_comes_back() {
    comes_back(Client::reconnecting_node, of_javascript()).await;
}

#[tokio::test]
async fn s5_s9_a_browser_comes_back() {
    comes_back(Client::reconnecting_chromium, of_javascript()).await;
}

#[tokio::test]
async fn s5_python_honours_retry_after() {
    let upstream = Port::reserve();
    let server = unready(Port::reserve(), &upstream, "http").await;
    let Some(mut python) = Client::reconnecting_python(&server.url()).await else {
        return;
    };
    let refused = python.event().await;
    let refused = refused.as_str().expect("words");
    let wait = refused.strip_prefix("refused with 503; again in ");
    let wait = wait.and_then(|it| it.strip_suffix(" s"));
    // One to two seconds, which the field counts in whole ones, and up to a fifth on top.
    let wait: f64 = wait.and_then(|it| it.parse().ok()).expect("a time");
    assert!((1.0..=2.4).contains(&wait), "{refused}");
}

/// A server whose handler ends every connection with this code.
async fn ends_with(code: u16) -> running::Running<std::net::SocketAddr> {
    let handler = move |connection: Connection| async move { connection.close(code, "enough") };
    running::Running::on_tcp(running::server(|_| {}).handler(handler)).await
}

#[tokio::test]
async fn nobody_comes_back_when_the_application_has_had_enough() {
    for code in [1000, 1008, 4001] {
        let server = ends_with(code).await;
        let url = format!("ws://{}/ws", server.network);
        let Some(mut node) = Client::reconnecting_node(&url).await else {
            return;
        };
        let Some(mut python) = Client::reconnecting_python(&url).await else {
            return;
        };
        assert_eq!(node.event().await, open());
        assert_eq!(node.event().await, closed(code, "enough"));
        assert_eq!(python.event().await, "connected");
        let last = format!("closed with {code} enough; for good");
        assert_eq!(python.event().await, last.as_str());
    }
}

#[tokio::test]
async fn nobody_comes_back_to_a_path_that_is_not_there() {
    let server = ends_with(1000).await;
    let url = format!("ws://{}/elsewhere", server.network);
    let Some(mut python) = Client::reconnecting_python(&url).await else {
        return;
    };
    assert_eq!(python.event().await, json!("refused with 404; for good"));
}
