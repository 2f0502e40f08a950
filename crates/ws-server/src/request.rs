//! The request that asked for a WebSocket.

use std::fmt;

use bytes::Bytes;

/// How many header fields a request may have; more are answered with 431.
pub(crate) const MAX_HEADERS: usize = 100;

/// The request with which a client asked for its WebSocket: path, query and header fields.
///
/// It is kept as the bytes that came, in one allocation of exactly their size, and parsed again
/// when it is asked: a held connection should cost little.
#[derive(Clone)]
pub struct Request {
    head: Bytes,
}

impl Request {
    /// `head` has been parsed before, and found to be whole.
    pub(crate) fn new(head: Bytes) -> Self {
        Self { head }
    }

    /// The request target: path and query. Of one in absolute form, `http://host/path`, the
    /// beginning is left out, which says nothing that `Host` does not.
    #[must_use]
    pub fn target(&self) -> &str {
        let target = self.target_as_sent();
        let rest = ["http://", "https://", "ws://", "wss://"]
            .into_iter()
            .find_map(|scheme| target.strip_prefix(scheme));
        match rest {
            None => target,
            Some(rest) => rest.find('/').map_or("/", |path| &rest[path..]),
        }
    }

    fn target_as_sent(&self) -> &str {
        self.parsed(|request| request.path.map(|target| self.own(target.as_bytes())))
            .and_then(|target| std::str::from_utf8(target).ok())
            .unwrap_or("/")
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target()
            .split_once('?')
            .map_or(self.target(), |(path, _)| path)
    }

    /// What follows the `?` in the target, if anything does.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// The first header field of this name, whatever the case; `None` also where its value is not
    /// text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// All header fields of this name, in the order in which they were sent.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let values: Vec<&[u8]> = self
            .parsed(|request| {
                let named = request
                    .headers
                    .iter()
                    .filter(|it| it.name.eq_ignore_ascii_case(name));
                Some(named.map(|it| self.own(it.value)).collect())
            })
            .unwrap_or_default();
        values
            .into_iter()
            .filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// All header fields, in the order in which they were sent.
    #[cfg(feature = "proxy")]
    pub(crate) fn fields(&self) -> Vec<(&[u8], &[u8])> {
        self.parsed(|request| {
            let fields = request.headers.iter();
            Some(
                fields
                    .map(|it| (self.own(it.name.as_bytes()), self.own(it.value)))
                    .collect(),
            )
        })
        .unwrap_or_default()
    }

    /// The items of all header fields of this name that hold comma-separated lists.
    pub(crate) fn list<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.headers(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.list("sec-websocket-protocol")
            .filter(|it| !it.is_empty())
    }

    fn parsed<R>(&self, read: impl FnOnce(&httparse::Request<'_, '_>) -> Option<R>) -> Option<R> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        request.parse(&self.head).ok()?;
        read(&request)
    }

    /// The same part of the head, borrowed from `self` rather than from the parser.
    fn own<'a>(&'a self, part: &[u8]) -> &'a [u8] {
        let start = part.as_ptr() as usize - self.head.as_ptr() as usize;
        &self.head[start..start + part.len()]
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_in_absolute_form_means_its_path() {
        for (sent, path, query) in [
            ("/ws?a=b", "/ws", Some("a=b")),
            ("http://host:80/ws?a=b", "/ws", Some("a=b")),
            ("ws://host", "/", None),
        ] {
            let request = Request::new(format!("GET {sent} HTTP/1.1\r\n\r\n").into());
            assert_eq!((request.path(), request.query()), (path, query), "{sent}");
        }
    }
}
