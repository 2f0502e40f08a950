//! SIGHUP: the settings are read again, and what can be changed at work is.

use std::fs;
use std::path::PathBuf;

use conformance_tests::binary::{Running, WsServer};
use conformance_tests::servers::Port;
use conformance_tests::wire::{Frame, Wire};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// A server whose settings file can be changed while it runs.
struct Changing {
    server: Running,
    file: PathBuf,
    _folder: TempDir,
}

impl Changing {
    /// Starts with this file, which says where to listen.
    async fn start(port: Port, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ws.toml");
        fs::write(&file, settings).expect("a file");
        let server = WsServer::new()
            .arguments(["--config", file.to_str().expect("text")])
            .start_on(port)
            .await;
        server.until_says("gate open").await;
        Self {
            server,
            file,
            _folder: folder,
        }
    }

    async fn reloads(&self, settings: &str, says: &str) {
        fs::write(&self.file, settings).expect("a file");
        self.server.signal(Signal::SIGHUP);
        self.server.until_says(says).await;
    }

    async fn client(&self) -> Wire {
        Wire::open(self.server.address()).await
    }

    /// Whether a message of this many bytes is echoed; it is too large otherwise.
    async fn takes(&self, bytes: usize) -> bool {
        let mut wire = self.client().await;
        let text = "x".repeat(bytes);
        wire.text(&text).await;
        match wire.frame().await {
            Frame::Close(1009, _) => false,
            heard => {
                assert_eq!(heard, Frame::Text(text));
                true
            }
        }
    }
}

#[tokio::test]
async fn o8_sighup_changes_what_can_be_changed_at_work_and_names_the_rest() {
    let (port, elsewhere) = (Port::reserve(), Port::reserve());
    let listen = format!("server.listen = \"{}\"\n", port.address());
    let limit = |size| format!("limits.max_message_size = \"{size}\"\n");
    let server = Changing::start(port, &(listen.clone() + &limit("1KiB"))).await;
    assert!(server.takes(1000).await && !server.takes(2000).await);

    // One more thing that can be changed at once, and one that cannot.
    let moved = format!("server.listen = \"{}\"\n", elsewhere.address());
    let more = "queue.release_per_second = 50\n";
    let changed = moved + &limit("4KiB") + more;
    server.reloads(&changed, "needs a restart").await;
    assert!(server.takes(2000).await);

    // Both problems are told, and nothing of the rest is taken over.
    let broken = listen.clone() + &limit("8KiB") + "queue.max_sise = 1\nshutdown.close_code = 1\n";
    server.reloads(&broken, "queue.max_size?").await;
    server.server.until_says("shutdown.close_code").await;
    assert!(server.takes(2000).await && !server.takes(5000).await);

    let level = "log.level = \"debug\"\n";
    let quiet = listen.clone() + &limit("4KiB") + more + level;
    server.reloads(&quiet, "log.level").await;
    drop(server.client().await);
    server.server.until_says("DEBUG").await;
    server.reloads(&quiet, "nothing was changed").await;

    server.server.signal(Signal::SIGTERM);
    let ended = server.server.end().await;
    assert_eq!(ended.code, Some(0));
    let lines = |level: &str, text: &str| {
        let lines = ended.stderr.lines();
        lines
            .filter(|it| it.contains(level) && it.contains(text))
            .count()
    };
    let told =
        "queue.release_per_second: 0 -> 50, limits.max_message_size: \\\"1KiB\\\" -> \\\"4KiB\\\"";
    assert_eq!(lines(" INFO ", told), 1, "{}", ended.stderr);
    assert_eq!(lines(" WARN ", "key=server.listen"), 1, "{}", ended.stderr);
    assert_eq!(
        lines(" ERROR ", "the old ones stay in effect"),
        2,
        "{}",
        ended.stderr
    );
}
