//! The command line and the settings of the proxy.

use conformance_tests::binary::WsServer;
use conformance_tests::servers::Port;
use conformance_tests::wire::Wire;

use super::upstream::Upstream;

#[tokio::test]
async fn x1_an_upstream_is_all_that_the_command_needs() {
    let port = Port::reserve();
    let mut upstream = Upstream::on(&port);
    let url = format!("ws://{}", port.address());
    let server = WsServer::new()
        .arguments(["--upstream", &url])
        .start()
        .await;
    let mut wire = Wire::connect(server.address()).await;
    let anywhere = conformance_tests::wire::UPGRADE.replace("/ws", "/any/path");
    wire.send(anywhere.as_bytes()).await;
    let mut asked = upstream.asked().await;
    assert_eq!(asked.line(), "GET /any/path HTTP/1.1");
    asked.opens("").await;
    wire.opened().await;
}

#[tokio::test]
async fn what_cannot_be_proxied_to_is_told_before_anything_is_done() {
    for (arguments, says) in [
        (
            &["--upstream", "ws://127.0.0.1:8000/chat"][..],
            "proxy.upstream (flag --upstream): \"ws://127.0.0.1:8000/chat\" is no upstream",
        ),
        (
            &["--upstream", "127.0.0.1:8000"],
            "proxy.upstream (flag --upstream): \"127.0.0.1:8000\" is no upstream",
        ),
        (&["--handler", "proxy"], "proxy.upstream: is not set"),
        (
            &["--upstream", "ws://a:1", "--handler", "echo"],
            "proxy.upstream: is set, and server.handler is not \"proxy\"",
        ),
        (
            &["--upstream", "ws://a:1", "--set", "queue.hold=frames"],
            "queue.hold: \"frames\" answers clients before the upstream does",
        ),
    ] {
        let server = arguments.iter().fold(WsServer::new(), |server, argument| {
            server.arguments([argument])
        });
        let ended = server.finish().await;
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
}
