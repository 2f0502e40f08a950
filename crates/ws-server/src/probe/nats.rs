//! `nats://`: the server introduces itself, takes our `CONNECT`, and answers `PING` with `PONG`.
//!
//! The protocol is lines of text, so a probe speaks it itself.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use url::Url;

use super::address::{decoded, refuse_path, refuse_query};
use super::connect::Endpoint;
use super::error::Seen;

/// The longest line read. `INFO` lists every server of a cluster; the protocol's own limit for a
/// line is 4 KiB.
const MAX_LINE: u64 = 64 << 10;

pub(super) struct Nats {
    endpoint: Endpoint,
    /// `CONNECT` and `PING`, as sent.
    greeting: String,
}

impl Nats {
    pub(super) fn parse(url: &Url) -> Result<Self, String> {
        refuse_path(url)?;
        refuse_query(url)?;
        let mut connect = json!({
            "verbose": false,
            "pedantic": false,
            "tls_required": false,
            "name": "ws-server-probe",
            "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"),
        });
        match (url.username(), url.password()) {
            ("", None) => {}
            (token, None) => connect["auth_token"] = decoded(token)?.into(),
            (user, Some(password)) => {
                connect["user"] = decoded(user)?.into();
                connect["pass"] = decoded(password)?.into();
            }
        }
        Ok(Self {
            endpoint: Endpoint::of(url, Some(4222))?,
            greeting: format!("CONNECT {connect}\r\nPING\r\n"),
        })
    }

    pub(super) async fn check(&self) -> Result<(), Seen> {
        let mut stream = BufReader::new(self.endpoint.connect().await?);
        let line = read_line(&mut stream).await?;
        let info: Value = line
            .strip_prefix("INFO ")
            .and_then(|json| serde_json::from_str(json).ok())
            .ok_or_else(|| Seen::new(format!("no NATS server: it began with `{line}`")))?;
        if info["tls_required"] == true {
            return Err(Seen::new(
                "the server requires TLS, which a probe does not speak to NATS",
            ));
        }
        stream.write_all(self.greeting.as_bytes()).await?;
        loop {
            let line = read_line(&mut stream).await?;
            match line.split_whitespace().next() {
                Some("PONG") => return Ok(()),
                Some("PING") => stream.write_all(b"PONG\r\n").await?,
                // A cluster tells of its changes at any time.
                Some("INFO" | "+OK") => {}
                _ => return Err(Seen::new(format!("answered `{line}`"))),
            }
        }
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Result<String, Seen> {
    let mut line = Vec::new();
    stream.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    if !line.ends_with(b"\n") {
        return Err(Seen::new(
            "the connection was closed, or its line never ends",
        ));
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
