//! S1: the port answers before anything else is done; and what it answers.

use std::io;
use std::net::SocketAddr;

use conformance_tests::client::{Asked, upgrade};
use conformance_tests::network::{Memory, MemoryListener, memory};
use startup_phases::Phase;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::sleep;
use ws_server::Listener;

use super::*;

#[tokio::test(start_paused = true)]
async fn s1_livez_answers_before_phase_1_has_ended() {
    let (startup, mut hand) = by_hand([Phase::Init]);
    let server = Running::in_memory(server(|_| {}).startup(startup.build().unwrap()));
    let live = server.get("/livez").await;
    assert_eq!((live.status, live.body.as_str()), (200, "ok"));
    assert_eq!(live.field("cache-control"), Some("no-store"));

    let startup = server.get("/startupz").await;
    assert_eq!(startup.status, 503);
    let body = startup.json();
    assert_eq!(
        (&body["state"], &body["phase"]),
        (&"running".into(), &"init".into())
    );
    assert_eq!(server.get("/readyz").await.status, 503);

    hand.finish(Phase::Init);
    server.client().await.is_echoed("hello").await;
    for page in ["/livez", "/startupz", "/readyz"] {
        assert_eq!(server.get(page).await.status, 200, "{page}");
    }
}

#[tokio::test]
async fn s1_connections_made_before_the_server_runs_are_answered_by_it() {
    let bound = server(|settings| settings.server.listen.set_port(0))
        .bind()
        .unwrap();
    let address = bound.local_addr().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut asked = Asked::with(stream, "GET /livez HTTP/1.1\r\n\r\n").await;
    let run = tokio::spawn(bound.run());
    assert_eq!(happens(asked.answer()).await.status, 200);
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn s1_readyz_is_200_from_the_moment_the_gate_opens() {
    let (startup, mut hand) = by_hand([Phase::Services, Phase::Finalize]);
    let server = Running::in_memory(server(|_| {}).startup(startup.build().unwrap()));
    let early = server.get("/readyz").await;
    assert_eq!(early.status, 503);
    let body = early.json();
    assert_eq!(body["ready"], false);
    assert_eq!(
        (&body["state"], &body["phase"]),
        (&"dependencies_ready".into(), &"services".into())
    );
    assert_eq!(body["reason"], "near_ready");

    hand.finish(Phase::Services);
    server.client().await.is_echoed("hello").await;
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, 200);
    let body = ready.json();
    assert_eq!(
        (&body["ready"], &body["reason"]),
        (&true.into(), &().into())
    );
    // `finalize` goes on behind the open gate.
    assert_eq!(server.get("/startupz").await.status, 503);
    hand.finish(Phase::Finalize);
    server.shows("/startup/phase_number", 7).await;
}

#[tokio::test(start_paused = true)]
async fn s1_the_status_tells_of_startup_queue_and_connections() {
    let (server, mut hand) = Running::early(|_| {});
    let held = server.held().await;
    let status = server.status().await;
    assert_eq!(status["startup"]["phase"], "services");
    assert_eq!(
        status["startup"]["phases"][4]["steps"][0]["name"],
        "services"
    );
    assert_eq!(status["readiness"]["ready"], false);
    assert_eq!(status["queue"]["open"], false);
    assert_eq!(
        (&status["queue"]["size"], &status["queue"]["entered"]),
        (&1.into(), &1.into())
    );
    assert_eq!(status["connections"]["live"], 0);

    hand.finish(Phase::Services);
    let client = held.client().await;
    server.shows("/connections/live", 1).await;
    let status = server.status().await;
    assert_eq!(status["readiness"]["ready"], true);
    assert_eq!(status["queue"]["open"], true);
    assert_eq!(
        (&status["queue"]["size"], &status["queue"]["admitted"]),
        (&0.into(), &1.into())
    );
    drop(client);
    server.shows("/connections/live", 0).await;
    assert_eq!(server.status().await["connections"]["total"], 1);
}

#[tokio::test(start_paused = true)]
async fn s1_every_page_has_its_twins() {
    let (server, _hand) = Running::early(|_| {});
    for (page, status, twins) in [
        (
            "/livez",
            200,
            ["/health/live", "/-/livez", "/-/health/live"],
        ),
        (
            "/startupz",
            503,
            ["/health/startup", "/-/startupz", "/-/health/startup"],
        ),
        (
            "/readyz",
            503,
            ["/health/ready", "/-/readyz", "/-/health/ready"],
        ),
    ] {
        let page = server.get(page).await;
        assert_eq!(page.status, status);
        for twin in twins {
            let answer = server.get(twin).await;
            assert_eq!(
                (answer.status, &answer.body),
                (status, &page.body),
                "{twin}"
            );
        }
    }
    assert_eq!(server.get("/-/status?pretty").await.status, 200);
    assert_eq!(server.get("/-livez").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn s1_what_is_no_page_is_told_apart() {
    let (server, _hand) = Running::early(|_| {});
    let nothing = server.get("/nothing").await;
    assert_eq!(
        (nothing.status, nothing.reason().as_str()),
        (404, "not_found")
    );
    let websocket = server.get("/ws").await;
    assert_eq!(
        (websocket.status, websocket.reason().as_str()),
        (426, "upgrade_required")
    );
    assert_eq!(websocket.field("upgrade"), Some("websocket"));
    let elsewhere = upgrade("/elsewhere", &[]);
    let elsewhere = server.ask(elsewhere).await.answer().await;
    assert_eq!(
        (elsewhere.status, elsewhere.reason().as_str()),
        (404, "not_found")
    );

    let mut post = server
        .ask("POST /readyz HTTP/1.1\r\nHost: test\r\nContent-Length: 7\r\n\r\n")
        .await;
    let answer = post.answer().await;
    assert_eq!(
        (answer.status, answer.field("allow")),
        (405, Some("GET, HEAD"))
    );
    // Its body never comes, and nobody waits for it.
    assert_eq!(when(post.ends()).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn s1_head_is_get_without_a_body() {
    let (server, _hand) = Running::early(|_| {});
    let mut head = server
        .ask("HEAD /readyz HTTP/1.1\r\nHost: test\r\n\r\n")
        .await;
    let get = server.get("/readyz").await;
    let answer = String::from_utf8(head.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.contains(&format!("content-length: {}\r\n", get.body.len())),
        "{answer}"
    );
    // The length is that of the body which does not come.
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn s1_one_request_a_connection_however_it_is_sent() {
    let (server, _hand) = Running::early(|_| {});
    let two = "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n".repeat(2);
    let mut asked = server.ask(two).await;
    let answer = asked.answer().await;
    assert_eq!(
        (answer.status, answer.field("connection")),
        (200, Some("close"))
    );
    asked.ends().await;

    // A client may shut its sending side behind its request.
    let mut asked = server.ask("GET /livez HTTP/1.0\r\n\r\n").await;
    asked.stream().shutdown().await.unwrap();
    assert_eq!(asked.answer().await.status, 200);
    asked.ends().await;
}

#[tokio::test]
async fn s1_a_request_whose_sender_shuts_its_side_at_once_is_answered() {
    let (server, _hand) = Running::early_on_tcp(|_| {}).await;
    for _ in 0..20 {
        let mut asked = server
            .ask("GET /livez HTTP/1.1\r\nHost: test\r\n\r\n")
            .await;
        asked.stream().shutdown().await.unwrap();
        assert_eq!(happens(asked.answer()).await.status, 200);
    }
}

/// A listener that fails as long as it has errors to tell.
struct Failing(u32, MemoryListener);

impl Listener for Failing {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        if self.0 > 0 {
            self.0 -= 1;
            return Err(io::Error::other("too many open files"));
        }
        self.1.accept().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.1.local_addr()
    }
}

#[tokio::test(start_paused = true)]
async fn s1_a_listener_that_fails_is_asked_again_after_100_ms() {
    let (network, listener): (Memory, _) = memory();
    let server = Running::on(network, server(|_| {}), Failing(7, listener));
    let answered = when(async { assert_eq!(server.get("/livez").await.status, 200) });
    assert_eq!(answered.await, ms(700));
}

#[tokio::test(start_paused = true)]
async fn s1_an_answer_is_whole_however_slowly_it_is_read() {
    let server = Running::in_memory(server(|_| {}));
    // Nobody reads the body of the last one: then there is nothing to do but to write the answer.
    for (request, status) in [
        ("GET /status HTTP/1.1\r\nHost: test\r\n\r\n", 200),
        ("GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n", 404),
        (
            "POST /livez HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nfive",
            405,
        ),
    ] {
        // As much of the answer as fits is written, and the rest has to wait.
        let mut asked = Asked::with(server.network.connect_through(16), request).await;
        sleep(ms(500)).await;
        let answer = asked.answer().await;
        assert_eq!(answer.status, status);
        assert!(answer.body.ends_with('}'), "{answer:?}");
        asked.ends().await;
    }
}
