//! The page as it is sent: what it may do is said along with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use conformance_tests::running::{Running, server};
use sha2::{Digest, Sha256};

/// What stands in the elements of this name.
fn elements<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let mut inside = Vec::new();
    let mut rest = page;
    while let Some((_, behind)) = rest.split_once(&format!("<{name}>")) {
        let (element, behind) = behind.split_once(&format!("</{name}>")).expect("an end");
        inside.push(element);
        rest = behind;
    }
    inside
}

#[tokio::test(start_paused = true)]
async fn o4_s1_the_page_is_there_before_anything_else_is_done() {
    let (server, _hand) = Running::early(|_| {});
    for path in ["/", "/-/"] {
        let page = server.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.field("cache-control"), Some("no-store"));
        assert_eq!(page.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.field("referrer-policy"), Some("no-referrer"));
        assert!(page.body.ends_with("</html>\n"), "{path}");
    }
    // Who lets no script run is told where to look.
    let page = server.get("/").await.body;
    let [told] = elements(&page, "noscript")[..] else {
        panic!("one noscript")
    };
    assert!(told.contains("<a href=\"status\">status</a>"), "{told}");
    // A relative address means something else behind it.
    assert_eq!(server.get("/-").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn o4_the_page_may_run_its_own_script_and_nothing_else() {
    let server = Running::in_memory(server(|_| {}));
    let page = server.get("/").await;
    let hash = |name| {
        let [inside] = elements(&page.body, name)[..] else {
            panic!("one {name}")
        };
        STANDARD.encode(Sha256::digest(inside))
    };
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    );
    assert_eq!(page.field("content-security-policy"), Some(&*policy));
    // What this policy would forbid is not even tried.
    for forbidden in [
        "style=",
        "onclick=",
        "src=",
        "innerHTML",
        "http://",
        "https://",
    ] {
        let namespaces = page.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!namespaces.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test(start_paused = true)]
async fn o4_a_page_is_for_reading_alone() {
    let server = Running::in_memory(server(|_| {}));
    for path in ["/", "/status/events"] {
        let request = format!("POST {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        let answer = server.ask(request).await.answer().await;
        assert_eq!(
            (answer.status, answer.field("allow")),
            (405, Some("GET, HEAD")),
            "{path}"
        );
    }
}
