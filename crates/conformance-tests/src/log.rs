//! What is logged, for tests that read it.
//!
//! Each in a process of its own: tracing remembers for each place that logs whether anybody listens, and
//! tests on other threads, where nobody does, would spoil that.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::Level;
use tracing::subscriber::DefaultGuard;

/// Everything that was logged.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<String>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().push_str(&String::from_utf8_lossy(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What is logged on this thread, DEBUG included, as long as the guard lives.
    #[must_use]
    pub fn of_this_thread() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// All of it, one event a line: level, message, fields.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.lock().clone()
    }

    /// The lines that hold this.
    #[must_use]
    pub fn lines_with(&self, what: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(what));
        lines.map(|line| line.trim().to_owned()).collect()
    }
}
