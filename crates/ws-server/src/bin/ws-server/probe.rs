//! `ws-server probe`: asks a running server whether it is ready.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use readiness_guard::Vars;
use tokio::runtime;
use ws_server::probe::{Probe, ProbeAddressError};
use ws_server::settings::{Settings, Sources};

use crate::Exit;
use crate::cli::ProbeArgs;

pub(crate) fn probe(args: &ProbeArgs, vars: &Vars) -> Exit {
    let asked = Asked::new(args.url.as_deref(), vars, |settings| settings.server.listen);
    let probe = match asked.and_then(|asked| asked.page("/readyz")) {
        Ok(probe) => probe,
        Err(exit) => return exit,
    };
    let asked = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            runtime
                .block_on(probe.check())
                .map_err(|error| error.to_string())
        });
    match asked {
        Ok(()) => Exit::Clean,
        Err(error) => {
            eprintln!("ws-server: not ready: {error}");
            Exit::RuntimeFault
        }
    }
}

/// What to write where an address cannot be used.
const RIGHT: &str =
    "a server is asked at an address such as http://127.0.0.1:8080 (or https://, ws://, wss://)";

/// A running server that is asked over HTTP: where it was said to be, or where it would listen with
/// this environment.
pub(crate) struct Asked {
    url: String,
}

impl Asked {
    /// Where it would listen is what `listens` finds in its settings. What is wrong is on stderr
    /// otherwise.
    pub(crate) fn new(
        url: Option<&str>,
        vars: &Vars,
        listens: fn(&Settings) -> SocketAddr,
    ) -> Result<Self, Exit> {
        let url = match url {
            Some(url) => http_of(url).map_err(|problem| bad_address(&problem))?,
            None => match Settings::load(&Sources::new(vars)) {
                Ok(loaded) => format!("http://{}", reachable(listens(&loaded.settings))),
                Err(problems) => {
                    eprintln!("ws-server: where it listens is not known: {problems}");
                    return Err(Exit::BadConfiguration);
                }
            },
        };
        Ok(Self { url })
    }

    /// A page of the server: `own`, unless the URL names one itself.
    pub(crate) fn page(&self, own: &str) -> Result<Probe, Exit> {
        let page = page_of(&self.url, own).parse();
        page.map_err(|error: ProbeAddressError| bad_address(&error.to_string()))
    }
}

fn bad_address(problem: &str) -> Exit {
    eprintln!("ws-server: {problem}");
    Exit::BadConfiguration
}

/// Where a server is asked. Of a WebSocket only the server counts: its path is that of no page. An
/// error shows no secrets.
fn http_of(url: &str) -> Result<String, String> {
    let (scheme, rest) = url.split_once("://").ok_or(RIGHT)?;
    let http = match scheme {
        "ws" => "http",
        "wss" => "https",
        "http" | "https" => scheme,
        _ => return Err(RIGHT.to_owned()),
    };
    url.parse::<Probe>()
        .map_err(|error| format!("{error}; {RIGHT}"))?;
    let server = rest.split(['/', '?']).next().unwrap_or(rest);
    let rest = if http == scheme { rest } else { server };
    Ok(format!("{http}://{rest}"))
}

/// A URL without a path means the server, and with one the page itself.
fn page_of(url: &str, own: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    match host.trim_end_matches('/') {
        host if host.contains('/') => url.to_owned(),
        _ => format!("{}{own}", url.trim_end_matches('/')),
    }
}

/// Where a server can be reached from its own machine that listens on every address.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_means_the_server() {
        for (url, asked) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/readyz"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/readyz"),
            ("http://127.0.0.1:8080/livez", "http://127.0.0.1:8080/livez"),
        ] {
            assert_eq!(page_of(url, "/readyz"), asked);
        }
    }

    #[test]
    fn a_websocket_means_its_server() {
        for (url, http) in [
            ("ws://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("ws://127.0.0.1:8080/ws?room=1", "http://127.0.0.1:8080"),
            ("wss://chat.example.com/ws", "https://chat.example.com"),
            (
                "http://127.0.0.1:8080/status",
                "http://127.0.0.1:8080/status",
            ),
        ] {
            assert_eq!(http_of(url), Ok(http.to_owned()));
        }
    }

    #[test]
    fn what_is_no_server_is_told_without_secrets_and_with_what_would_be_right() {
        for url in [
            "nonsense",
            "127.0.0.1:8080",
            "postgres://a:SECRET@127.0.0.1:1/x",
            "exec:cat SECRET",
            "http://",
            "http://a:SECRET@",
            "ws://a:SECRET/SECRET@127.0.0.1",
        ] {
            let problem = http_of(url).expect_err(url);
            assert!(problem.ends_with(RIGHT), "{problem}");
            assert!(!problem.contains("SECRET"), "{problem}");
        }
    }

    #[test]
    fn every_address_is_reached_by_loopback() {
        let reached = |listen: &str| reachable(listen.parse().expect("an address")).to_string();
        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("10.0.0.1:80"), "10.0.0.1:80");
    }
}
