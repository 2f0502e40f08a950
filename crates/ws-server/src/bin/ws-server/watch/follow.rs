//! One connection to a server: the document, once or for as long as it lasts.

use std::io;
use std::time::Duration;

use tokio::time::timeout;
use ws_server::probe::{Page, Probe};

use super::display::Display;
use super::events::Events;
use crate::view::Document;

/// Events come every second, so ten of them are missing.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// More than any status: 100 held clients are some 6 KiB, a thousand steps 200.
pub(super) const MAX_DOCUMENT: usize = 4 << 20;

/// Why there is nothing to show any more.
#[derive(Debug)]
pub(super) enum Lost {
    /// The server, for this reason.
    Server(String),
    /// Whoever it was shown to.
    Reader,
}

impl From<String> for Lost {
    fn from(why: String) -> Self {
        Self::Server(why)
    }
}

impl From<io::Error> for Lost {
    fn from(_: io::Error) -> Self {
        Self::Reader
    }
}

/// Shows what the first of `pages` shows that is there: a document, or each of a stream of them.
///
/// # Errors
///
/// There is nothing to show any more.
pub(super) async fn follow(pages: &[Probe], display: &mut Display) -> Result<(), Lost> {
    for page in pages {
        let answer = page
            .get()
            .await
            .map_err(|error| without(page, &error.to_string()))?;
        match (answer.status(), answer.media_type()) {
            (404, _) => {}
            (200, Some("text/event-stream")) => return show_each(answer, display).await,
            (200, _) => return show_one(answer, display).await,
            (status, _) => return Err(format!("{page} answered {status}").into()),
        }
    }
    let why = "it answered 404: is its status on a port for operators (admin.listen)?";
    Err(why.to_owned().into())
}

async fn show_each(mut page: Page, display: &mut Display) -> Result<(), Lost> {
    let mut events = Events::default();
    while let Some(part) = next(&mut page).await? {
        for event in events.push(&part)? {
            display.see(&read(event.as_bytes())?)?;
        }
    }
    Err("the connection was closed".to_owned().into())
}

async fn show_one(mut page: Page, display: &mut Display) -> Result<(), Lost> {
    let mut body = Vec::new();
    while let Some(part) = next(&mut page).await? {
        body.extend_from_slice(&part);
        if body.len() > MAX_DOCUMENT {
            return Err(too_long().into());
        }
    }
    Ok(display.see(&read(&body)?)?)
}

async fn next(page: &mut Page) -> Result<Option<Vec<u8>>, String> {
    let part = timeout(SILENCE_LIMIT, page.next())
        .await
        .map_err(|_| format!("silent for {SILENCE_LIMIT:?}"))?
        .map_err(|_| "the connection broke off".to_owned())?;
    Ok(part.map(Into::into))
}

fn read(document: &[u8]) -> Result<Document, String> {
    serde_json::from_slice(document).map_err(|_| "what it shows is no status".to_owned())
}

pub(super) fn too_long() -> String {
    format!("its status is longer than {MAX_DOCUMENT} bytes")
}

/// An error without the address it begins with, which is shown beside it.
fn without(page: &Probe, error: &str) -> String {
    let own = format!("{page}: ");
    error.strip_prefix(&own).unwrap_or(error).to_owned()
}
