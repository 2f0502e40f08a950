//! What is logged, for tests that look at it.
//!
//! Such a test belongs into a process of its own: tracing remembers for each place that logs whether
//! anybody listens, and tests on other threads, where nobody does, would spoil that.

use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::Level;
use tracing::subscriber::DefaultGuard;

/// Everything that was logged, from `DEBUG` on.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<String>>);

impl Log {
    /// What is logged on this thread, as long as the guard lives.
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

    /// The lines of this level so far.
    #[must_use]
    pub fn at(&self, level: Level) -> Vec<String> {
        let log = self.0.lock();
        let lines = log.lines().map(str::trim_start);
        let lines = lines.filter(|line| line.starts_with(level.as_str()));
        lines.map(str::to_owned).collect()
    }

    /// The lines that hold this.
    #[must_use]
    pub fn with(&self, what: &str) -> Vec<String> {
        let log = self.0.lock();
        let lines = log.lines().map(str::trim_start);
        let lines = lines.filter(|line| line.contains(what));
        lines.map(str::to_owned).collect()
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.lock())
    }
}

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().push_str(&String::from_utf8_lossy(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
