//! `ws-server probe`: asks a running server whether it is ready.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use readiness_guard::Vars;
use tokio::runtime;
use ws_server::probe::Probe;
use ws_server::settings::{Settings, Sources};

use crate::Exit;
use crate::cli::ProbeArgs;

pub(crate) fn probe(args: &ProbeArgs, vars: &Vars) -> Exit {
    let url = match &args.url {
        Some(url) => readiness_url(url),
        None => match Settings::load(&Sources::new(vars)) {
            Ok(loaded) => format!("http://{}/readyz", reachable(loaded.settings.server.listen)),
            Err(problems) => {
                eprintln!("ws-server: where it listens is not known: {problems}");
                return Exit::BadConfiguration;
            }
        },
    };
    let probe: Probe = match url.parse() {
        Ok(probe) if url.starts_with("http") => probe,
        Ok(_) => {
            eprintln!("ws-server: {url}: a server is asked over http:// or https://");
            return Exit::BadConfiguration;
        }
        Err(error) => {
            eprintln!("ws-server: {error}");
            return Exit::BadConfiguration;
        }
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

/// A URL without a path means the server, and with one the page itself.
fn readiness_url(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    match host.trim_end_matches('/') {
        host if host.contains('/') => url.to_owned(),
        _ => format!("{}/readyz", url.trim_end_matches('/')),
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
    fn a_url_without_a_path_means_readiness() {
        for (url, asked) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/readyz"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/readyz"),
            ("http://127.0.0.1:8080/livez", "http://127.0.0.1:8080/livez"),
        ] {
            assert_eq!(readiness_url(url), asked);
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
