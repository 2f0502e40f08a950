//! A page in headless Chromium, as a person sees it: what it shows, how it looks, what its keys do.
//!
//! ```no_run
//! use conformance_tests::browser::{Browser, Scheme};
//!
//! # async fn a_test(url: &str) {
//! let Some(mut browser) = Browser::start().await else { return };
//! browser.looks(1200, Scheme::Dark).await;
//! browser.visit(url).await;
//! browser.until("document.title.startsWith('Open')").await;
//! std::fs::write("open.png", browser.screenshot().await).unwrap();
//! # }
//! ```
//!
//! Where Chromium is not installed there is none, and the test says so and ends, as with
//! [`servers`](crate::servers). Dropping it ends Chromium.

mod devtools;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

use self::devtools::DevTools;
use crate::clients::{chromium, end, spawn};
use crate::happens;

/// What stands before its address in what Chromium says as it starts.
const LISTENING: &str = "DevTools listening on ";

/// Resolves when the condition holds, without looking again before something on the page has
/// changed. What it is about may not be there yet.
const UNTIL: &str = "new Promise((done) => {
    const holds = () => {
        try { return $CONDITION; } catch { return false; }
    };
    if (holds()) return done();
    const observer = new MutationObserver(() => {
        if (!holds()) return;
        observer.disconnect();
        done();
    });
    observer.observe(document, {
        subtree: true, childList: true, characterData: true, attributes: true,
    });
})";

/// The colours that a person's system prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    /// As style sheets call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// Chromium with one page.
#[derive(Debug)]
pub struct Browser {
    devtools: DevTools,
    child: Child,
    /// Last, to be there while it runs.
    _profile: TempDir,
}

impl Browser {
    /// Starts it, with an empty page. `None`: not installed, and said so.
    ///
    /// # Panics
    ///
    /// It does not start within 60 s.
    pub async fn start() -> Option<Self> {
        let (mut command, profile) = chromium()?;
        // Any free port: it says which.
        command.args(["--remote-debugging-port=0", "about:blank"]);
        let (output, writes) = std::io::pipe().expect("a pipe");
        command.stdout(Stdio::null()).stderr(writes);
        let child = spawn(command);
        let (tell, told) = oneshot::channel();
        // Reads on when the address is known: a full pipe would stop Chromium.
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix(LISTENING)
                    && let Some(tell) = tell.take()
                {
                    // The test may have given up.
                    let _ = tell.send(address.to_owned());
                }
            }
        });
        let address = happens("Chromium starts", told).await;
        let devtools = DevTools::connect(&address.expect("Chromium has not ended")).await;
        Some(Self {
            devtools,
            child,
            _profile: profile,
        })
    }

    /// Makes the page so wide, and as high as many screens are, in these colours, without motion.
    pub async fn looks(&mut self, width: u32, scheme: Scheme) {
        let size =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        // A bar that takes its place from the page is there on some systems and not on others.
        let hidden = json!({ "hidden": true });
        self.call("Emulation.setScrollbarsHidden", hidden).await;
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme.as_str() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]});
        self.call("Emulation.setEmulatedMedia", features).await;
    }

    /// Goes to this address.
    ///
    /// # Panics
    ///
    /// Nobody answers there.
    pub async fn visit(&mut self, url: &str) {
        let went = self.call("Page.navigate", json!({ "url": url })).await;
        assert_eq!(went.get("errorText"), None, "{url}");
    }

    /// Waits until this JavaScript expression is true.
    ///
    /// # Panics
    ///
    /// It is not within 60 s; the panic shows what the page says instead.
    pub async fn until(&mut self, condition: &str) {
        let promise = UNTIL.replace("$CONDITION", condition);
        let in_time = tokio::time::timeout(crate::LIMIT, self.evaluate(&promise)).await;
        if in_time.is_err() {
            let text = self.text("body").await;
            panic!("{condition} does not become true of\n{text}");
        }
    }

    /// The value of this JavaScript expression, of what it promises if that is a promise.
    ///
    /// # Panics
    ///
    /// It throws.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let evaluate = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        });
        let mut done = self.call("Runtime.evaluate", evaluate).await;
        assert_eq!(done.get("exceptionDetails"), None, "{expression}");
        done["result"]["value"].take()
    }

    /// The text that the first element of this CSS selector shows.
    ///
    /// # Panics
    ///
    /// There is no such element.
    pub async fn text(&mut self, selector: &str) -> String {
        let selector = Value::from(selector);
        let expression = format!("document.querySelector({selector}).innerText");
        let text = self.evaluate(&expression).await;
        text.as_str().expect("an element with text").to_owned()
    }

    /// Presses a key, such as `Tab`.
    pub async fn presses(&mut self, key: &str) {
        let code = if key == "Tab" { 9 } else { 0 };
        for kind in ["keyDown", "keyUp"] {
            let event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// The whole page as a PNG, however long it is.
    ///
    /// # Panics
    ///
    /// Chromium cannot draw it.
    pub async fn screenshot(&mut self) -> Vec<u8> {
        let whole = json!({ "captureBeyondViewport": true });
        self.captured(whole).await
    }

    /// The page down to the first element of this CSS selector as a PNG, scaled by `scale`.
    ///
    /// # Panics
    ///
    /// There is no such element, or Chromium cannot draw it.
    pub async fn screenshot_down_to(&mut self, selector: &str, scale: f64) -> Vec<u8> {
        let selector = Value::from(selector);
        let size = "[innerWidth, document.querySelector($).getBoundingClientRect().bottom + 32]";
        let size = size.replace('$', &selector.to_string());
        let size = self.evaluate(&size).await;
        let clip = json!({
            "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": scale,
        });
        let part = json!({ "captureBeyondViewport": true, "clip": clip });
        self.captured(part).await
    }

    async fn captured(&mut self, what: Value) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", what).await;
        let data = shot["data"].as_str().expect("a picture");
        STANDARD.decode(data).expect("base64")
    }

    /// What the page has complained of since it was asked last: errors of its script and in its
    /// console, and what its Content-Security-Policy forbade.
    pub fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.devtools.complaints)
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        happens(method, self.devtools.call(method, parameters)).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
