//! The page loses its server, or has never had room for its events: what it says, and how it comes back.

use std::future::pending;
use std::net::SocketAddr;

use conformance_tests::browser::Browser;
use conformance_tests::client::Asked;
use conformance_tests::happens;
use conformance_tests::network::Net;
use conformance_tests::running::{Running, server};
use conformance_tests::situations::Situation;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::browser::{PACE, looking_at};

#[tokio::test]
async fn o3_o4_where_there_is_no_room_for_events_the_page_asks() {
    let mut slow = Situation::slow(PACE).await;
    let mut seated = Vec::new();
    for _ in 0..64 {
        let request = "GET /status/events HTTP/1.1\r\nHost: test\r\n\r\n";
        let mut asked = Asked::with(slow.server.network.connect().await, request).await;
        assert_eq!(asked.answer().await.status, 200);
        seated.push(asked);
    }
    let Some(mut browser) = looking_at(&slow, "waiting for model").await else {
        return;
    };
    assert_eq!(browser.text("#link").await, "◐ polling every second");
    slow.finish();
    browser.until("document.title.startsWith('Open')").await;
    let complaints = browser.complaints();
    assert!(
        complaints.iter().all(|it| it.contains("503")),
        "{complaints:?}"
    );
}

#[tokio::test]
async fn o4_silence_is_told_and_what_was_known_is_shown_as_old() {
    let slow = Situation::slow(PACE).await;
    let Some(mut browser) = looking_at(&slow, "waiting for model").await else {
        return;
    };
    slow.server.abort();
    browser
        .until("document.querySelector('#link').textContent.startsWith('▲ no answer for ')")
        .await;
    assert_eq!(browser.evaluate("document.body.className").await, "stale");
    assert_eq!(browser.text("#said").await, "The server does not answer.");
    assert_eq!(
        browser.evaluate("document.title").await,
        "No answer · ws-server"
    );
    // As old as it is: it does not go on by itself.
    let then = browser.text("h1").await;
    assert!(then.contains("waiting for model"), "{then}");
    let silence = browser.text("#link").await;
    browser
        .until(&format!(
            "document.querySelector('#link').innerText !== {}",
            json!(silence)
        ))
        .await;
    assert_eq!(browser.text("h1").await, then);
}

/// A way to the server whose connections go silent when told: nobody hears of it, as behind a device
/// that has forgotten them. Later ones get through.
async fn way_to(server: SocketAddr, silent: watch::Receiver<()>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let way = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let mut silent = silent.clone();
            // Those from now on: what has been told is not for them.
            silent.mark_unchanged();
            connections.spawn(async move {
                let mut far = TcpStream::connect(server).await.expect("it listens");
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = silent.changed() => pending().await,
                }
            });
        }
    });
    (address, way)
}

#[tokio::test]
async fn o4_a_connection_that_goes_silent_is_given_up_for_another() {
    let mut slow = Situation::slow(PACE).await;
    let (silence, silent) = watch::channel(());
    let (address, way) = way_to(slow.server.network, silent).await;
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    browser.visit(&format!("http://{address}/")).await;
    let live = "document.querySelector('#link').textContent === '● live'";
    browser.until(live).await;
    silence.send_replace(());
    slow.finish();
    browser
        .until("document.querySelector('#link').textContent.startsWith('▲ no answer for ')")
        .await;
    browser.until("document.title === 'Open · ws-server'").await;
    browser.until(live).await;
    way.abort();
}

#[tokio::test]
async fn o4_a_server_that_comes_back_is_seen_again() {
    let slow = Situation::slow(PACE).await;
    let Some(mut browser) = looking_at(&slow, "waiting for model").await else {
        return;
    };
    let address = slow.server.network;
    drop(slow);
    let bound = async {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                // The old one's is on its way out.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let listener = happens("the port is free", bound).await;
    let _back = Running::on(address, server(|_| {}), listener);
    browser.until("document.title === 'Open · ws-server'").await;
    browser
        .until("document.querySelector('#link').textContent === '● live'")
        .await;
}
