//! `cargo run -p conformance-tests --bin screenshots -- DIR`: what the status page looks like, as PNG.
//!
//! DIR gets each situation in both colours, wide and narrow, and `status-page.png`, the one for the
//! README.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use conformance_tests::browser::{Browser, Scheme};
use conformance_tests::situations::Situation;
use tokio::time::sleep;

/// How long the shortest step of a startup takes, so that the others are as long as real ones.
const PACE: Duration = Duration::from_millis(110);

/// Until there is something to see in the charts.
const WATCHED: Duration = Duration::from_secs(12);

/// How wide the page is that the README shows, and how much smaller it is shown.
const WIDTH: u32 = 1100;
const SCALE: f64 = 0.85;

#[tokio::main]
async fn main() -> ExitCode {
    let directory = std::env::args().nth(1);
    let (Some(directory), Some(mut browser)) = (directory, Browser::start().await) else {
        eprintln!("usage: screenshots DIR, with Chromium installed");
        return ExitCode::FAILURE;
    };
    let directory = Path::new(&directory);
    fs::create_dir_all(directory).expect("a directory");

    browser.looks(WIDTH, Scheme::Light).await;
    let mut slow = Situation::starting(PACE).await;
    browser.visit(&slow.page()).await;
    browser.until("document.title.includes('·')").await;
    slow.fills(PACE).await;
    // Not later than usual yet.
    browser
        .until("document.querySelector('h1').textContent.includes(' for 2.')")
        .await;
    let shown = browser.screenshot_down_to(".pair", SCALE).await;
    fs::write(directory.join("status-page.png"), shown).expect("a file");
    all(&mut browser, directory, "slow", &slow).await;

    let failed = Situation::failed(PACE).await;
    all(&mut browser, directory, "failed", &failed).await;
    let degraded = Situation::degraded(PACE).await;
    all(&mut browser, directory, "degraded", &degraded).await;
    let closed = Situation::closed_again(PACE).await;
    all(&mut browser, directory, "closed-again", &closed).await;
    ExitCode::SUCCESS
}

async fn all(browser: &mut Browser, directory: &Path, name: &str, situation: &Situation) {
    browser.visit(&situation.page()).await;
    browser.until("document.title.includes('·')").await;
    sleep(WATCHED).await;
    for scheme in [Scheme::Light, Scheme::Dark] {
        for width in [1200, 400] {
            browser.looks(width, scheme).await;
            let file = format!("status-page-{name}-{width}-{}.png", scheme.as_str());
            let shot = browser.screenshot().await;
            fs::write(directory.join(file), shot).expect("a file");
        }
    }
}
