//! The page that Chromium shows, and the small HTTP server that it comes from and reports to.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

/// A page that connects to a WebSocket and reports what happens. It is served until this is dropped.
#[derive(Debug)]
pub(super) struct Page {
    address: String,
    /// Dropped, and with it every task in it.
    _server: JoinSet<()>,
}

impl Page {
    /// The text of one that connects once, and sends a message.
    pub(super) fn echoing(url: &str, message: &str) -> String {
        // JSON's strings are JavaScript's.
        include_str!("echo.html")
            .replace("$URL", &json(url))
            .replace("$MESSAGE", &json(message))
    }

    /// The text of one that stays connected, as the guides have it.
    pub(super) fn reconnecting(url: &str) -> String {
        let module = super::guide("reconnect.js");
        let module = std::fs::read_to_string(module).expect("the guides' module");
        include_str!("reconnect.html")
            .replace("$URL", &json(url))
            .replace("$MODULE", &module)
    }

    pub(super) async fn serve(page: String, reports: UnboundedSender<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, page.clone(), reports.clone()));
            }
        });
        Self {
            address: format!("http://{address}/"),
            _server: server,
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

fn json(text: &str) -> String {
    Value::from(text).to_string()
}

/// Answers one request. A browser also opens connections that it may never use, and asks for an icon.
async fn answer(stream: TcpStream, page: String, reports: UnboundedSender<Value>) {
    let mut stream = BufReader::new(stream);
    let Some((request, body)) = request(&mut stream).await else {
        return;
    };
    let (status, body) = match request.as_str() {
        "GET / HTTP/1.1" => ("200 OK", page),
        "POST /report HTTP/1.1" => {
            let report = serde_json::from_slice(&body).expect("the page reports JSON");
            // The test may have seen enough.
            let _ = reports.send(report);
            ("200 OK", String::new())
        }
        _ => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    // The browser may have been killed.
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// The request line, and the body.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some((lines.into_iter().next()?, body))
}
