//! The page in a real browser: what it says, and that everybody can read it.

use conformance_tests::browser::{Browser, Scheme};
use conformance_tests::running::{Running, server};
use conformance_tests::situations::{REFUSED, Situation};
use serde_json::json;
use startup_phases::{Phase, Sequence, Step};

use super::*;

/// How long the shortest step of a startup takes.
pub(super) const PACE: Duration = ms(20);

/// All text whose colour is too near to that of the ground for everybody to read (WCAG AA).
const UNREADABLE: &str = "(() => {
    const light = (color) => {
        const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const c = part / 255;
            return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const ground = light(getComputedStyle(document.body).backgroundColor);
    const texts = [...document.body.querySelectorAll('*')].filter((element) =>
        element.checkVisibility()
        && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    return texts.filter((element) => {
        const style = getComputedStyle(element);
        const ink = light(element.localName === 'text' ? style.fill : style.color);
        return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05) < 4.5;
    }).map((element) => element.textContent);
})()";

/// The page of this situation, once it says so.
pub(super) async fn looking_at(situation: &Situation, says: &str) -> Option<Browser> {
    let mut browser = Browser::start().await?;
    browser.looks(1200, Scheme::Light).await;
    browser.visit(&situation.page()).await;
    browser
        .until(&format!(
            "document.querySelector('h1').textContent.includes({})",
            json!(says)
        ))
        .await;
    Some(browser)
}

/// Nobody has to scroll sideways, everything can be read, and the page has kept to its policy.
async fn is_fit_for_all(browser: &mut Browser) {
    for scheme in [Scheme::Light, Scheme::Dark] {
        for width in [1200, 400] {
            browser.looks(width, scheme).await;
            let scrolls = "document.documentElement.scrollWidth - innerWidth";
            let how = format!("{width} px, {}", scheme.as_str());
            assert_eq!(browser.evaluate(scrolls).await, 0, "{how}");
            assert_eq!(browser.evaluate(UNREADABLE).await, json!([]), "{how}");
        }
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[tokio::test]
async fn o4_a_slow_start_is_seen_while_it_happens() {
    let mut slow = Situation::slow(PACE).await;
    let says = "Closed: starting, waiting for model (services) for ";
    let Some(mut browser) = looking_at(&slow, says).await else {
        return;
    };
    let more = browser.text("#more").await;
    // Behind it may stand that this one takes longer, which it does where the browser was slow to start.
    assert!(more.contains("In earlier starts it took 3.1 s"), "{more}");
    assert!(more.contains("12 clients are held"), "{more}");
    // The one that is in the way is marked, and by a word.
    assert_eq!(browser.text(".chip").await, "waiting here");
    let blocker = "document.querySelector('.chip').closest('tr').cells[0].textContent";
    assert_eq!(browser.evaluate(blocker).await, "model waiting here");
    let held = "[...document.querySelectorAll('#held tbody th')].map((it) => it.textContent)";
    let places: Vec<_> = (1..=12).map(|place| place.to_string()).collect();
    assert_eq!(browser.evaluate(held).await, json!(places));
    let sum = browser.text("#held-sum").await;
    assert!(sum.starts_with("12 of 50 places taken."), "{sum}");
    assert_eq!(browser.text("#link").await, "● live");

    // How long it has been goes on, and is not said aloud again and again.
    let said = browser.text("#said").await;
    let now = browser.text("h1").await;
    browser
        .until(&format!(
            "document.querySelector('h1').innerText !== {}",
            json!(now)
        ))
        .await;
    assert_eq!(browser.text("#said").await, said);
    is_fit_for_all(&mut browser).await;

    slow.finish();
    browser
        .until("document.querySelector('#said').textContent === 'Open: clients are served.'")
        .await;
    browser.until("document.title === 'Open · ws-server'").await;
    let all = "document.querySelector('#more').textContent.includes('12 of 12 held clients had')";
    browser.until(all).await;
    let nobody = "document.querySelector('#held').textContent.includes('Nobody is held.')";
    browser.until(nobody).await;
}

#[tokio::test]
async fn o4_p9_a_start_that_is_stuck_says_why() {
    let redis = || async { Err::<(), _>("connection refused") };
    let startup = Sequence::builder()
        .step(Step::polling(Phase::Cache, "redis", redis))
        .build()
        .expect("one step");
    let stuck = Running::on_tcp(server(|_| {}).startup(startup)).await;
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    browser.looks(1200, Scheme::Light).await;
    browser.visit(&format!("http://{}/", stuck.network)).await;
    let why = r"/It was tried \d+ times: connection refused\./";
    let said = format!("{why}.test(document.querySelector('#more').textContent)");
    browser.until(&said).await;
    let note = browser.text(".note td").await;
    assert!(note.starts_with("connection refused, tried "), "{note}");
    is_fit_for_all(&mut browser).await;
}

#[tokio::test]
async fn o4_s8_a_failed_start_names_step_and_error() {
    let failed = Situation::failed(PACE).await;
    let says = format!("Startup failed at postgres: {REFUSED}");
    let Some(mut browser) = looking_at(&failed, &says).await else {
        return;
    };
    assert_eq!(browser.text(".chip").await, "failed");
    assert_eq!(browser.text(".note td").await, REFUSED);
    is_fit_for_all(&mut browser).await;
}

#[tokio::test]
async fn o4_p4_a_degraded_start_says_what_it_goes_without() {
    let degraded = Situation::degraded(PACE).await;
    let says = "Open, degraded: clients are served.";
    let Some(mut browser) = looking_at(&degraded, says).await else {
        return;
    };
    let more = browser.text("#more").await;
    let without = "Started without redis (connection refused). It opened after ";
    assert!(more.starts_with(without), "{more}");
    assert_eq!(browser.text(".chip").await, "failed, optional");
    browser
        .until("document.querySelector('#connections').textContent.startsWith('3 live, 3 so far')")
        .await;
    is_fit_for_all(&mut browser).await;

    // It is the same page behind `/-/`, which is where it is in front of an application.
    browser.visit(&format!("{}-/", degraded.page())).await;
    browser
        .until("document.title.startsWith('Open, degraded')")
        .await;
    assert_eq!(browser.complaints(), [""; 0]);
}

#[tokio::test]
async fn o4_q8_a_gate_that_closed_again_says_why() {
    let mut closed = Situation::closed_again(PACE).await;
    let says = "Closed again: upstream is not ready";
    let Some(mut browser) = looking_at(&closed, says).await else {
        return;
    };
    let more = browser.text("#more").await;
    assert!(more.contains("upstream: known to be down."), "{more}");
    assert!(more.contains("3 clients are held"), "{more}");
    is_fit_for_all(&mut browser).await;
    closed.finish();
    browser.until("document.title.startsWith('Open')").await;
}

#[tokio::test]
async fn o4_every_state_has_its_sentence() {
    let slow = Situation::slow(PACE).await;
    let Some(mut browser) = looking_at(&slow, "waiting for model").await else {
        return;
    };
    let steps = "s.startup.phases[4].steps";
    let complete = "s.startup.state = 'complete'; s.startup.phases[4].steps = []";
    for (change, sentence) in [
        (
            "s.startup.state = 'unknown'; s.startup.phases = []".to_owned(),
            "Closed: startup has not begun.",
        ),
        // It began first, so it has taken the longest.
        (
            format!("Object.assign({steps}[0], {{ state: 'running', duration_seconds: 99 }})"),
            "Closed: starting, waiting for agents (services) for 99 s, and 1 more.",
        ),
        // Nobody needs it, and yet the next phase waits for its end.
        (
            format!(
                "s.startup.phases[4].state = 'reached'; \
                 Object.assign({steps}[1], {{ critical: false, duration_seconds: 7 }})"
            ),
            "Closed: starting, waiting for model (services) for 7.0 s.",
        ),
        (
            format!("{complete}; s.closed_seconds = 4"),
            "Closed: startup is not far enough yet, for 4.0 s.",
        ),
        (
            format!(
                "{complete}; s.opened = {{}}; s.closed_seconds = 61; \
                 s.readiness.failed_checks = [{{ name: 'a', error: '' }}, {{ name: 'b', error: '' }}]"
            ),
            "Closed again: a is not ready and b is not ready, for 61 s.",
        ),
        (
            format!("{complete}; s.queue.open = true"),
            "Open: clients are served.",
        ),
        (
            "s.draining = true".to_owned(),
            "Stopping: newcomers are refused.",
        ),
        (
            "s.startup.state = 'failed'; \
             s.startup.failed = { phase: 'cache', step: null, error: 'lost' }"
                .to_owned(),
            "Startup failed in phase cache: lost",
        ),
    ] {
        let say = format!(
            "(() => {{
                const s = structuredClone(latest);
                {change};
                const {{ word, why }} = verdict(s);
                const words = why.map((it) => typeof it === 'string' ? it : Object.values(it)[0]);
                return word + words.join('');
            }})()"
        );
        assert_eq!(browser.evaluate(&say).await, sentence, "{change}");
    }
}

#[tokio::test]
async fn o4_o7_who_never_came_to_the_queue_is_told_too() {
    let degraded = Situation::degraded(PACE).await;
    let Some(mut browser) = looking_at(&degraded, "Open, degraded").await else {
        return;
    };
    // Each look shows the latest document, and nothing of the next one is to come in between.
    let shown = |change: &str, what: &str| {
        format!(
            "(() => {{
                const s = structuredClone(latest);
                {change};
                drawEnds(s);
                drawCloses(s);
                return [...document.querySelectorAll('{what}')].map((it) => it.textContent);
            }})()"
        )
    };
    let many = "s.refused = { connection_limit: 2 }";
    let ends = shown(many, "#entered, #ends tbody tr:last-child");
    let all = json!([
        "5 in all, 0 of them held now.",
        "Refused: too many connections2"
    ]);
    assert_eq!(browser.evaluate(&ends).await, all);

    let failed = "#failures:not([hidden]) tbody tr";
    let none = shown("delete s.handshake_failures", failed);
    assert_eq!(browser.evaluate(&none).await, json!([]));
    let some = shown("s.handshake_failures = { origin: 2, new_one: 1 }", failed);
    let reasons = json!(["an origin that is not allowed2", "new_one1"]);
    assert_eq!(browser.evaluate(&some).await, reasons);

    let closes = shown(
        "s.closes = [['1008', 'server'], ['1008', 'client'], ['1011', 'server'], ['1011', 'upstream']]
            .map(([code, initiator]) => ({ code, initiator, count: 1 }))",
        "#closes tbody th",
    );
    let meant = json!([
        "1008 reads too slowly",
        "1008 against a policy",
        "1011 the handler failed",
        "1011 the application failed",
    ]);
    assert_eq!(browser.evaluate(&closes).await, meant);
    is_fit_for_all(&mut browser).await;
}

#[tokio::test]
async fn o4_the_page_is_for_keyboards_and_readers_too() {
    let slow = Situation::slow(PACE).await;
    let Some(mut browser) = looking_at(&slow, "waiting for model").await else {
        return;
    };
    for stop in ["Held clients, in order", "status", "metrics", "readyz"] {
        browser.presses("Tab").await;
        let focused = "document.activeElement.ariaLabel || document.activeElement.textContent";
        assert_eq!(browser.evaluate(focused).await, stop);
        let outline = "getComputedStyle(document.activeElement).outline";
        let outline = browser.evaluate(outline).await;
        assert!(outline.as_str().unwrap().contains("solid 3px"), "{outline}");
    }
    for nameless in [
        // Whoever hears a table has to hear what its cells are of.
        "th:not([scope])",
        "svg[role=img]:not([aria-label]), svg:not([role=img], [aria-hidden])",
        "section:not([aria-labelledby])",
        // Only what matters is said unasked.
        "[aria-live]:not(#said), [role=alert], [role=status]",
    ] {
        let found = format!("document.querySelectorAll('{nameless}').length");
        assert_eq!(browser.evaluate(&found).await, 0, "{nameless}");
    }
    let headings = "[...document.querySelectorAll('h1, h2, h3')].map((it) => it.localName).join()";
    assert_eq!(browser.evaluate(headings).await, "h1,h2,h2,h2,h2,h2");
}
