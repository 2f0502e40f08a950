//! The startup of this process, drawn while it is under way.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::time::timeout;
use ws_server::StatusWatch;

use super::document::{Document, Opened};
use super::line::{Line, Tone, exact};
use super::lines::{failure, startup};
use super::screen::Screen;

/// How often times go on that nothing happens in.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);

/// Shows a startup until the gate has been opened and those who were held are let in, or until it is
/// over for another reason. What is over at once is not drawn at all, and only told.
///
/// Dropping the future takes the drawing away.
pub(crate) async fn show_startup(mut status: StatusWatch, screen: &Screen) -> Infallible {
    if screen.is_terminal() {
        let _cleared = Cleared(screen);
        // Not sooner than 100 ms after the server was made.
        status.changed().await;
        while let Ok(document) = serde_json::from_str::<Document>(&status.to_json()) {
            let width = screen.width();
            if let Some(last) = last_line(&document) {
                screen.clear();
                // Who cannot be told goes on all the same.
                let _ = screen.print(&last);
                break;
            }
            if document.draining {
                break;
            }
            screen.draw(&startup(&document, width));
            // Whatever comes first, the next look shows it.
            let _ = timeout(DRAW_INTERVAL, status.changed()).await;
        }
    }
    pending().await
}

/// However showing it ends.
struct Cleared<'a>(&'a Screen);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// What stays when there is nothing more to draw, as long as it may be; none while there is.
fn last_line(document: &Document) -> Option<Line> {
    let line = |tone, words: &str| Some(Line::new(usize::MAX).add(tone, words));
    if document.startup.state == "failed" {
        return line(Tone::Bad, &format!("✗ {}", failure(document)));
    }
    let opened = document.opened.as_ref()?;
    let is_released = document.queue.size == 0 || opened.admitted >= opened.held;
    if document.queue.open && is_released {
        return line(Tone::Good, &admitted(opened));
    }
    None
}

fn admitted(opened: &Opened) -> String {
    let after = exact(opened.after_seconds);
    let took = exact(opened.took_seconds);
    match (opened.held, opened.admitted) {
        (0, 0) => format!("open after {after}, nobody was held"),
        (held, 0) => format!("open after {after}, nobody was left of {held} held"),
        (_, 1) => format!("open after {after}, 1 held client admitted in {took}"),
        (_, admitted) => {
            format!("open after {after}, {admitted} held clients admitted in {took}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(state: &str, open: bool, size: u64, held: u64, admitted: u64) -> Document {
        let mut document = Document {
            opened: Some(Opened {
                after_seconds: 4.018,
                held,
                admitted,
                took_seconds: 0.003,
            }),
            ..Document::default()
        };
        document.startup.state = state.to_owned();
        document.queue.open = open;
        document.queue.size = size;
        document
    }

    fn last(document: &Document) -> Option<String> {
        last_line(document).map(|line| line.plain())
    }

    #[test]
    fn one_line_says_how_long_it_took_and_who_had_waited() {
        for (held, admitted, line) in [
            (
                37,
                37,
                "open after 4.02 s, 37 held clients admitted in 3 ms",
            ),
            (2, 1, "open after 4.02 s, 1 held client admitted in 3 ms"),
            (2, 0, "open after 4.02 s, nobody was left of 2 held"),
            (0, 0, "open after 4.02 s, nobody was held"),
        ] {
            let document = document("running", true, 0, held, admitted);
            assert_eq!(last(&document).as_deref(), Some(line));
        }
    }

    #[test]
    fn it_is_drawn_until_the_last_of_the_held_is_admitted() {
        assert_eq!(last(&document("running", true, 3, 5, 2)), None);
        assert!(last(&document("complete", true, 1, 5, 5)).is_some());
        // Closed again meanwhile.
        assert_eq!(last(&document("running", false, 0, 5, 5)), None);
        let mut never_open = document("running", false, 3, 0, 0);
        never_open.opened = None;
        assert_eq!(last(&never_open), None);
    }

    #[test]
    fn a_failed_startup_says_where_and_why() {
        let mut document = document("failed", false, 0, 0, 0);
        document.startup.elapsed_seconds = 3.0;
        document.startup.failed = Some(super::super::document::Failure {
            phase: "services".to_owned(),
            step: Some("model".to_owned()),
            error: "no such file".to_owned(),
        });
        assert_eq!(
            last(&document).as_deref(),
            Some("✗ startup failed after 3.00 s in phase services, step model: no such file")
        );
    }
}
