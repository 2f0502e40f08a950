//! What is seen of the server, or why it is not: drawn on a terminal, elsewhere a line each change.

use std::io;

use tokio::time::Instant;

use crate::telemetry::cloud::now;
use crate::view::{Changes, Document, Line, Meaning, Rates, Screen, Tone, server, unreachable};

pub(super) struct Display {
    address: String,
    screen: Screen,
    rates: Rates,
    changes: Changes,
    drawn: Vec<Line>,
}

impl Display {
    pub(super) fn new(address: String, screen: Screen) -> Self {
        Self {
            address,
            screen,
            rates: Rates::default(),
            changes: Changes::default(),
            drawn: Vec::new(),
        }
    }

    /// Shows the server as it is.
    ///
    /// # Errors
    ///
    /// Nobody reads it any more.
    pub(super) fn see(&mut self, document: &Document) -> io::Result<()> {
        let rate = self
            .rates
            .seen(Instant::now().into_std(), document.messages);
        let lines = server(document, &self.address, rate, self.screen.width());
        self.show(lines, Meaning::of(document))
    }

    /// Shows that there is nothing to see, and why.
    ///
    /// # Errors
    ///
    /// Nobody reads it any more.
    pub(super) fn cannot_see(&mut self, why: &str) -> io::Result<()> {
        let lines = unreachable(&self.address, why, self.screen.width());
        self.show(lines, Meaning::unreachable(why))
    }

    fn show(&mut self, lines: Vec<Line>, meaning: Meaning) -> io::Result<()> {
        if self.screen.is_terminal() {
            self.screen.draw(&lines);
            self.drawn = lines;
        } else if let Some(line) = self.changes.seen(Instant::now().into_std(), meaning) {
            let whole = Line::new(usize::MAX).add(Tone::Plain, &format!("{} {line}", now()));
            self.screen.print(&whole)?;
        }
        Ok(())
    }

    /// Leaves behind what was drawn last.
    pub(super) fn end(self) {
        self.screen.clear();
        for line in self.drawn {
            // Who is gone need not be told.
            let _ = self.screen.print(&line);
        }
    }
}
