//! A server made by hand, which does exactly what a test tells it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use conformance_tests::happens;
use conformance_tests::servers::Port;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// The answer to the key that all our clients send.
pub(crate) const OPENED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// Listens on a port until it [goes](Self::goes), or a little after it was dropped.
pub(crate) struct Upstream {
    requests: UnboundedReceiver<Asked>,
    connections: Arc<AtomicUsize>,
    /// Dropped, and with it every task in it.
    listening: JoinSet<()>,
}

impl Upstream {
    pub(crate) fn on(port: &Port) -> Self {
        let listener = port.open();
        let (sender, requests) = unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let mut listening = JoinSet::new();
        let count = Arc::clone(&connections);
        listening.spawn(async move {
            let mut reading = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                reading.spawn(read_head(stream, sender.clone()));
            }
        });
        Self {
            requests,
            connections,
            listening,
        }
    }

    /// The next request. Connections without one are the monitor's, and are not given out.
    pub(crate) async fn asked(&mut self) -> Asked {
        let asked = happens("the upstream is asked", self.requests.recv()).await;
        asked.expect("it listens")
    }

    /// The next request, for a WebSocket, and it gets it.
    pub(crate) async fn opens(&mut self) -> Asked {
        let mut asked = self.asked().await;
        asked.opens("").await;
        asked
    }

    /// From now on connections are refused, and another may listen there. The requests that were
    /// given out stay.
    pub(crate) async fn goes(mut self) {
        self.listening.shutdown().await;
    }

    /// How many requests nobody has looked at yet.
    pub(crate) fn waiting(&self) -> usize {
        self.requests.len()
    }

    /// How many connections it has accepted, the monitor's included.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn read_head(mut stream: TcpStream, sender: UnboundedSender<Asked>) {
    let mut read = BytesMut::new();
    loop {
        if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = String::from_utf8(read.split_to(end + 4).to_vec());
            let head = head.expect("a head is text");
            // The test may have seen enough.
            let _ = sender.send(Asked { head, stream, read });
            return;
        }
        if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
            return;
        }
    }
}

/// A request that has come. Dropped, its connection is closed.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) stream: TcpStream,
    read: BytesMut,
}

impl Asked {
    /// Such as `GET /chat HTTP/1.1`.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// Every value of a header field, by its name in lower case.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let fields = fields.filter(|(it, _)| it.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value).collect()
    }

    /// Writes bytes as they are.
    pub(crate) async fn sends(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = happens("sent", self.stream.write_all(bytes.as_ref())).await;
        sent.expect("the proxy reads");
    }

    /// Answers with 101, and these fields besides the necessary ones.
    pub(crate) async fn opens(&mut self, fields: &str) {
        self.sends(format!("{OPENED}{fields}\r\n")).await;
    }

    /// The next so many bytes.
    pub(crate) async fn reads(&mut self, bytes: usize) -> Vec<u8> {
        while self.read.len() < bytes {
            let came = happens("bytes come", self.stream.read_buf(&mut self.read)).await;
            let came = came.expect("no reset");
            assert!(came > 0, "it ended after {:?}", self.read);
        }
        self.read.split_to(bytes).to_vec()
    }

    /// All that still comes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = self.read.split().to_vec();
        let end = happens("the end", self.stream.read_to_end(&mut rest)).await;
        // However it ended: what came before a reset came.
        drop(end);
        rest
    }

    /// Ends the connection as the system does for a process that was killed with bytes unread.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("an open socket");
    }
}
