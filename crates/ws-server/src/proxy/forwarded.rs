//! What a request says of its way: who asked, and how.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{
    CONNECTION, FORWARDED, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Adds who asked, and how: behind what proxies before us have said, where it is a list, and only
/// if none has, where it is one value.
pub(super) fn add(fields: &mut HeaderMap, peer: SocketAddr) {
    let ip = peer.ip().to_canonical();
    let host = fields.get(HOST).cloned();
    append(fields, X_FORWARDED_FOR, &ip.to_string());
    fields
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
    let node = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    let mut forwarded = format!("for={node};proto=http");
    if let Some(host) = host {
        if let Some(text) = host.to_str().ok().filter(|text| is_host(text)) {
            forwarded = format!("for={node};host=\"{text}\";proto=http");
        }
        fields.entry(X_FORWARDED_HOST).or_insert(host);
    }
    append(fields, FORWARDED, &forwarded);
}

/// Whether it can stand between quotes without ending them: more than host names and addresses need.
fn is_host(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

fn append(fields: &mut HeaderMap, name: HeaderName, item: &str) {
    let before = fields.get_all(&name).iter();
    let before: Vec<&str> = before.filter_map(|value| value.to_str().ok()).collect();
    let list = [before.as_slice(), &[item]].concat().join(", ");
    if let Ok(list) = HeaderValue::try_from(list) {
        fields.insert(name, list);
    }
}

/// Removes what concerns one connection only, not the request or the answer.
pub(super) fn remove_hop_by_hop(fields: &mut HeaderMap) {
    let named: Vec<HeaderName> = fields
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in named.into_iter().chain(always) {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = list.iter().map(|&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        fields.collect()
    }

    #[test]
    fn says_who_asked_behind_what_was_said_before() {
        let mut fields = fields(&[
            ("host", "chat.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
        ]);
        add(&mut fields, "192.0.2.7:4000".parse().expect("an address"));
        assert_eq!(fields["x-forwarded-for"], "10.0.0.1, 192.0.2.7");
        assert_eq!(fields["x-forwarded-proto"], "https");
        assert_eq!(fields["x-forwarded-host"], "chat.example");
        assert_eq!(
            fields["forwarded"],
            "for=192.0.2.7;host=\"chat.example\";proto=http"
        );
    }

    #[test]
    fn quotes_ipv6_where_it_must() {
        let mut fields = HeaderMap::new();
        add(
            &mut fields,
            "[2001:db8::1]:4000".parse().expect("an address"),
        );
        assert_eq!(fields["x-forwarded-for"], "2001:db8::1");
        assert_eq!(fields["forwarded"], "for=\"[2001:db8::1]\";proto=http");
    }

    #[test]
    fn a_host_cannot_end_its_quotes() {
        for host in ["a\", for=6.6.6.6;host=\"b", "a\\"] {
            let mut fields = HeaderMap::new();
            fields.insert(HOST, HeaderValue::from_static(host));
            add(&mut fields, "192.0.2.7:4000".parse().expect("an address"));
            assert_eq!(fields["forwarded"], "for=192.0.2.7;proto=http");
        }
    }

    #[test]
    fn removes_what_is_for_one_connection_only() {
        let mut fields = fields(&[
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("cookie", "a=b"),
        ]);
        remove_hop_by_hop(&mut fields);
        assert_eq!(fields.len(), 1);
        assert_eq!(fields["cookie"], "a=b");
    }
}
