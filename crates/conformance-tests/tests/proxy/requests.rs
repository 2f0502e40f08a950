//! X6: other requests go the same way.

use conformance_tests::client::{Answer, Asked};
use conformance_tests::happens;
use conformance_tests::servers::Port;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::upstream::Upstream;
use super::{as_it_is, in_front_of, ms};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

async fn answer(mut client: Asked<TcpStream>) -> Answer {
    happens("an answer", client.answer()).await
}

#[tokio::test]
async fn x6_every_path_is_the_applications_but_ours_under_a_dash_and_the_health_paths() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let theirs = [
        "/",
        "/status",
        "/status/events",
        "/metrics",
        "/-",
        "/-a",
        "/health",
        "/health/",
        "/health/db",
        "/livez/",
        "/ws",
        "/a?b=/-/status",
    ];
    for path in theirs {
        let client = server.ask(get(path)).await;
        let mut asked = upstream.asked().await;
        assert_eq!(asked.line(), format!("GET {path} HTTP/1.1"));
        asked.sends(OK).await;
        assert_eq!(answer(client).await.body, "ok");
    }
    for (path, status) in [
        ("/livez", 200),
        ("/health/live", 200),
        ("/-/livez", 200),
        ("/readyz", 200),
        ("/health/ready", 200),
        ("/-/readyz", 200),
        ("/startupz", 200),
        ("/health/startup", 200),
        ("/-/startupz", 200),
        ("/-/status", 200),
        ("/-/nothing", 404),
    ] {
        assert_eq!(server.get(path).await.status, status, "{path}");
    }
    assert_eq!(upstream.waiting(), 0);
}

#[tokio::test]
async fn x6_a_request_that_comes_early_is_held_and_sent_once() {
    let port = Port::reserve();
    let server = in_front_of(&port, as_it_is).await;
    let body = "a".repeat(100_000);
    let post = format!(
        "POST /form HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut client = server.ask(post).await;
    server.holds(1).await;
    let mut upstream = Upstream::on(&port);
    let sending = client.sends(body.as_bytes());
    let asking = async {
        let mut asked = upstream.asked().await;
        assert_eq!(asked.line(), "POST /form HTTP/1.1");
        assert_eq!(asked.fields("content-length"), ["100000"]);
        assert_eq!(asked.reads(body.len()).await, body.as_bytes());
        asked.sends(OK).await;
    };
    tokio::join!(sending, asking);
    assert_eq!(answer(client).await.body, "ok");
    assert_eq!(upstream.waiting(), 0);
    server.shows("/queue/admitted", 1).await;
    server.shows("/connections/total", 0).await;
}

#[tokio::test]
async fn x6_a_request_of_unknown_length_is_passed_on_as_it_comes() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let head = "PUT /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = server.ask(head).await;
    client.sends(b"5\r\nhello\r\n").await;
    let mut asked = upstream.asked().await;
    assert_eq!(asked.fields("transfer-encoding"), ["chunked"]);
    assert_eq!(asked.reads(10).await, b"5\r\nhello\r\n");
    client.sends(b"0\r\n\r\n").await;
    assert_eq!(asked.reads(5).await, b"0\r\n\r\n");
    asked.sends(OK).await;
    assert_eq!(answer(client).await.body, "ok");
}

#[tokio::test]
async fn x6_only_what_is_safe_to_repeat_is_sent_again() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    for (request, again) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            false,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na",
            false,
        ),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na",
            false,
        ),
    ] {
        let client = server.ask(request).await;
        drop(upstream.asked().await);
        if again {
            upstream.asked().await.sends(OK).await;
            assert_eq!(answer(client).await.status, 200, "{request}");
        } else {
            let answer = answer(client).await;
            assert_eq!((answer.status, &*answer.reason()), (502, "upstream_failed"));
        }
    }
    assert_eq!(upstream.waiting(), 0);
}

#[tokio::test]
async fn x6_a_request_without_an_answer_is_a_504() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, |it| it.proxy.response_timeout = ms(50)).await;
    let client = server.ask(get("/slow")).await;
    let mut asked = upstream.asked().await;
    let answer = answer(client).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (504, "upstream_timeout")
    );
    assert_eq!(asked.rest().await, b"");
}

/// The time for an answer does not run while the request is still on its way.
#[tokio::test]
async fn x6_a_request_that_takes_its_time_is_not_late() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, |it| it.proxy.response_timeout = ms(2000)).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n";
    let mut client = server.ask(head).await;
    let mut asked = upstream.asked().await;
    // Longer than the limit in all; each wait well within it, on a busy machine too.
    for _ in 0..6 {
        tokio::time::sleep(ms(500)).await;
        client.sends(b"a").await;
        assert_eq!(asked.reads(1).await, b"a");
    }
    asked.sends(OK).await;
    assert_eq!(answer(client).await.status, 200);
}

#[tokio::test]
async fn x6_s5_who_is_held_too_long_gets_a_kind_refusal() {
    let port = Port::reserve();
    let server = in_front_of(&port, |it| {
        it.queue.max_wait = ms(50);
        it.queue.max_size = 1;
    })
    .await;
    let client = server.ask(get("/")).await;
    let answer = answer(client).await;
    assert_eq!((answer.status, &*answer.reason()), (503, "hold_expired"));
    assert!(answer.field("retry-after").is_some());
}

#[tokio::test]
async fn x6_answers_arrive_as_they_were_given() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    // Fields that come twice, and none that are for one connection only.
    let client = server.ask(get("/")).await;
    upstream
        .asked()
        .await
        .sends(
            "HTTP/1.1 201 Made\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Own\r\n\
             X-Own: 1\r\nETag: \"x\"\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
    let seen = answer(client).await;
    assert_eq!(seen.status, 201);
    assert_eq!(seen.values("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(seen.field("etag"), Some("\"x\""));
    assert_eq!(seen.field("x-own"), None);

    // HEAD: a length, and no body.
    let mut client = server.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut asked = upstream.asked().await;
    assert_eq!(asked.line(), "HEAD / HTTP/1.1");
    asked
        .sends("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
        .await;
    let seen = String::from_utf8(happens("the end", client.rest()).await).expect("text");
    assert!(
        seen.to_lowercase().contains("content-length: 1234\r\n"),
        "{seen}"
    );
    assert!(seen.ends_with("\r\n\r\n"), "{seen}");

    // Chunks, as they come.
    let client = server.ask(get("/")).await;
    let mut asked = upstream.asked().await;
    asked
        .sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        .await;
    let mut stream = client.into_stream();
    let mut seen = Vec::new();
    while !seen.ends_with(b"3\r\none\r\n") {
        happens("the first chunk", stream.read_buf(&mut seen))
            .await
            .expect("no reset");
    }
    asked.sends("3\r\ntwo\r\n0\r\n\r\n").await;
    let end = happens("the end", stream.read_to_end(&mut seen)).await;
    end.expect("no reset");
    assert!(seen.ends_with(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn x6_an_answer_that_breaks_off_is_not_taken_for_whole() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let client = server.ask(get("/")).await;
    let mut asked = upstream.asked().await;
    asked
        .sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        .await;
    drop(asked);
    let mut seen = Vec::new();
    // However it ends.
    let _ = happens("the end", client.into_stream().read_to_end(&mut seen)).await;
    assert!(!seen.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn x6_an_answer_of_http_1_0_is_whole() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let mut client = server.ask(get("/")).await;
    let mut asked = upstream.asked().await;
    asked.sends("HTTP/1.0 200 OK\r\n\r\nall of it").await;
    drop(asked);
    let seen = String::from_utf8(happens("the end", client.rest()).await).expect("text");
    assert!(seen.contains("all of it"), "{seen}");
}

#[tokio::test]
async fn x6_a_client_that_waits_for_100_is_told_to_go_on() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let mut client = server.ask(head).await;
    assert_eq!(happens("leave to go on", client.answer()).await.status, 100);
    client.sends(b"hello").await;
    let mut asked = upstream.asked().await;
    assert_eq!(asked.reads(5).await, b"hello");
    asked.sends(OK).await;
    assert_eq!(answer(client).await.body, "ok");
}

/// Held, with its whole body sent, a request that nobody waits for any more is not made.
#[tokio::test]
async fn x6_s7_a_client_that_leaves_while_held_is_not_spoken_for() {
    for bytes in [0, 5, 100_000] {
        let port = Port::reserve();
        let server = in_front_of(&port, as_it_is).await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
        let mut client = server.ask(head).await;
        client.sends(&vec![b'a'; bytes]).await;
        server.holds(1).await;
        drop(client);
        happens("it has left", server.shows("/queue/abandoned", 1)).await;
        let mut upstream = Upstream::on(&port);
        let next = server.ask(get("/next")).await;
        let mut asked = upstream.asked().await;
        assert_eq!(asked.line(), "GET /next HTTP/1.1");
        asked.sends(OK).await;
        assert_eq!(answer(next).await.body, "ok");
    }
}

/// Shutting the sending side is leaving, for as long as the application has not answered.
#[tokio::test]
async fn x6_s7_a_client_that_half_closes_while_held_has_left() {
    let port = Port::reserve();
    let server = in_front_of(&port, as_it_is).await;
    let mut client = server.ask(get("/")).await;
    server.holds(1).await;
    client.stream().shutdown().await.expect("an open socket");
    happens("it has left", server.shows("/queue/abandoned", 1)).await;
}

/// A download larger than any buffer, read slowly, is whole, and takes no memory.
#[tokio::test]
async fn x6_a_large_download_is_streamed() {
    const LENGTH: usize = 64 * 1024 * 1024;
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let url = format!("http://{}", port.address());
    let server = conformance_tests::binary::WsServer::new()
        .arguments(["--upstream", &url])
        .start()
        .await;
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("it listens");
    stream
        .write_all(get("/large").as_bytes())
        .await
        .expect("it reads");
    let mut asked = upstream.asked().await;
    asked
        .sends(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"
        ))
        .await;
    let writing = tokio::spawn(async move {
        let part = vec![b'a'; 64 * 1024];
        for _ in 0..LENGTH / part.len() {
            asked.stream.write_all(&part).await.expect("it reads");
        }
        asked
    });
    let mut seen = Vec::new();
    happens("the end", stream.read_to_end(&mut seen))
        .await
        .expect("no reset");
    writing.await.expect("all is written");
    let body = seen
        .windows(4)
        .position(|it| it == b"\r\n\r\n")
        .expect("a head")
        + 4;
    assert_eq!(seen.len() - body, LENGTH);
    assert!(seen[body..].iter().all(|&byte| byte == b'a'));
    if let Some(peak) = server.peak_memory() {
        assert!(peak < LENGTH as u64 / 2, "{peak}");
    }
}

/// The registry knows of it until it is through, so the end waits for it.
#[tokio::test]
async fn x6_a_download_on_its_way_when_the_server_stops_is_finished() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let mut server = in_front_of(&port, |it| it.shutdown.drain = ms(60_000)).await;
    let mut client = server.ask(get("/")).await;
    let mut asked = upstream.asked().await;
    asked
        .sends("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\none")
        .await;
    let mut begun = Vec::new();
    while !begun.ends_with(b"one") {
        let came = client.stream().read_buf(&mut begun);
        happens("the beginning", came).await.expect("no reset");
    }
    server.stop();
    let stopping = async { while server.get("/readyz").await.status == 200 {} };
    happens("it stops", stopping).await;
    asked.sends(" two").await;
    assert_eq!(happens("the rest", client.rest()).await, b" two");
    happens("the end", server.end()).await.expect("a clean end");
}
