//! The status page, and what it may do.
//!
//! It is one file, and shows what `/status` says. Names of steps and errors in it are other people's
//! words, so it may run its own script and no other, and ask this server and nobody else.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("page.html");

/// Worked out when the page is first asked for: it does not change after that.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        source_of("script"),
        source_of("style"),
    );
    HeaderValue::try_from(policy).expect("hashes are base64")
});

pub(super) fn answer() -> Response<Full<Bytes>> {
    let mut response = super::response(StatusCode::OK, "text/html; charset=utf-8", PAGE.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Where this server is found is nobody else's business.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The one element of this name, as a policy names what stands in it.
fn source_of(element: &str) -> String {
    let (_, behind) = PAGE
        .split_once(&format!("<{element}>"))
        .expect("the page has one");
    let (inside, _) = behind
        .split_once(&format!("</{element}>"))
        .expect("which ends");
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(inside)))
}
