//! A server as it is deployed, without an application behind it, to be asked for its pages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Nobody listens there, so every page that is not the server's own waits for the application, and not
/// for long.
const WITHOUT_APPLICATION: &[&str] = &[
    "--upstream",
    "ws://127.0.0.1:1",
    "--set",
    "queue.max_wait=1ms",
];

/// So that a server which does not answer is an error and no standstill.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Running {
    server: Child,
    address: SocketAddr,
    /// Its log, kept open so that it can go on writing.
    _log: BufReader<ChildStderr>,
}

impl Running {
    pub(super) fn start(binary: &Path, settings: &Path) -> Result<Self> {
        let mut server = Command::new(binary)
            .env_clear()
            .args(["--listen", "127.0.0.1:0", "--log", "json", "--config"])
            .arg(settings)
            .args(WITHOUT_APPLICATION)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let log = server.stderr.take().context("its log is a pipe")?;
        let mut log = BufReader::new(log);
        match address(&mut log) {
            Ok(address) => Ok(Self {
                server,
                address,
                _log: log,
            }),
            Err(error) => {
                end(&mut server);
                Err(error)
            }
        }
    }

    /// Whether a path is answered by the server itself.
    pub(super) fn has_page(&self, path: &str) -> Result<bool> {
        Ok(is_page(&self.ask(path)?))
    }

    /// What stands on a page.
    pub(super) fn page(&self, path: &str) -> Result<String> {
        let answer = self.ask(path)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        Ok(body
            .context("an answer without an end of its head")?
            .to_owned())
    }

    fn ask(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.server);
    }
}

fn end(server: &mut Child) {
    // It may have ended by itself; then there is nothing left to do.
    let _ = server.kill();
    let _ = server.wait();
}

/// Where it listens, which is one of the first things it logs.
fn address(log: &mut impl BufRead) -> Result<SocketAddr> {
    let mut seen = String::new();
    loop {
        let begin = seen.len();
        if log.read_line(&mut seen)? == 0 {
            bail!(
                "the server says nowhere where it listens:\n{}",
                seen.trim_end()
            );
        }
        let line: Option<Value> = serde_json::from_str(&seen[begin..]).ok();
        if let Some(address) = line.as_ref().and_then(|line| line["listens"].as_str()) {
            return Ok(address.parse()?);
        }
    }
}

/// A page says 200, or 503 where health is bad. Who is refused instead is told when to come again (S5).
fn is_page(answer: &str) -> bool {
    let (head, _) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let head = head.to_lowercase();
    let status = head.split(' ').nth(1);
    matches!(status, Some("200" | "503")) && !head.contains("\r\nretry-after:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_log() {
        let log = "not JSON\n{\"message\":\"a\"}\n{\"listens\":\"127.0.0.1:80\"}\n{}\n";
        let found = address(&mut log.as_bytes()).unwrap();
        assert_eq!(found, SocketAddr::from(([127, 0, 0, 1], 80)));
    }

    #[test]
    fn a_server_that_ends_says_why() {
        let error = address(&mut "no such setting\n".as_bytes()).unwrap_err();
        assert!(error.to_string().ends_with("no such setting"), "{error}");
    }

    #[test]
    fn pages_are_told_from_refusals() {
        assert!(is_page("HTTP/1.1 200 OK\r\n\r\nok"));
        assert!(is_page(
            "HTTP/1.1 503 Service Unavailable\r\n\r\nretry-after:"
        ));
        for other in [
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "HTTP/1.1 426 Upgrade Required\r\n\r\n",
            "",
        ] {
            assert!(!is_page(other), "{other}");
        }
    }
}
