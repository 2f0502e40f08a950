//! X5: the upstream is told who asked.

use conformance_tests::client::upgrade;
use conformance_tests::servers::Port;

use super::upstream::Upstream;
use super::{as_it_is, in_front_of};

/// As a WebSocket and as a page.
fn both(fields: &[(&str, &str)]) -> [String; 2] {
    let plain: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    [
        upgrade("/", fields),
        format!("GET / HTTP/1.1\r\nHost: test\r\n{plain}\r\n"),
    ]
}

#[tokio::test]
async fn x5_the_upstream_learns_address_scheme_and_host() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    for request in both(&[]) {
        let _client = server.ask(request).await;
        let asked = upstream.asked().await;
        assert_eq!(asked.fields("host"), ["test"]);
        assert_eq!(asked.fields("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(asked.fields("x-forwarded-proto"), ["http"]);
        assert_eq!(asked.fields("x-forwarded-host"), ["test"]);
        assert_eq!(
            asked.fields("forwarded"),
            ["for=127.0.0.1;host=\"test\";proto=http"]
        );
    }
}

#[tokio::test]
async fn x5_what_was_said_before_stays_before() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let fields = [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "chat.example"),
        ("Forwarded", "for=192.0.2.7;proto=https"),
        ("traceparent", trace),
        ("tracestate", "a=1"),
        ("baggage", "b=2"),
    ];
    for request in both(&fields) {
        let _client = server.ask(request).await;
        let asked = upstream.asked().await;
        let value = |name| asked.fields(name).join(" | ");
        assert_eq!(value("x-forwarded-for"), "192.0.2.7, 10.0.0.1, 127.0.0.1");
        assert_eq!(value("x-forwarded-proto"), "https");
        assert_eq!(value("x-forwarded-host"), "chat.example");
        assert_eq!(
            value("forwarded"),
            "for=192.0.2.7;proto=https, for=127.0.0.1;host=\"test\";proto=http"
        );
        assert_eq!(value("traceparent"), trace);
        assert_eq!(value("tracestate"), "a=1");
        assert_eq!(value("baggage"), "b=2");
    }
}

#[tokio::test]
async fn x5_a_host_cannot_say_more_than_a_host() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let server = in_front_of(&port, as_it_is).await;
    let host = "a\", for=6.6.6.6;host=\"b";
    for request in both(&[]) {
        let request = request.replace("Host: test", &format!("Host: {host}"));
        let _client = server.ask(request).await;
        let asked = upstream.asked().await;
        assert_eq!(asked.fields("forwarded"), ["for=127.0.0.1;proto=http"]);
    }
}
