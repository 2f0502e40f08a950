//! Stdout or stderr, as it is seen: lines that are drawn over and over again, where it is a terminal,
//! and lines that stay above them.

use std::io::{self, Write};
use std::sync::Arc;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use readiness_guard::Vars;
use tracing_subscriber::fmt::MakeWriter;

use super::line::Line;

/// What a terminal is taken for that does not say how wide it is.
const COLUMNS: usize = 80;
const ROWS: usize = 24;

/// Clones are of the same one. Whatever is written to its terminal while something is drawn there is
/// written through it.
#[derive(Clone, Debug)]
pub(crate) struct Screen(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What is drawn is written at once, so that nobody sees half of it.
    stream: Term,
    /// Otherwise nothing can be drawn: it is a pipe, or a file.
    is_terminal: bool,
    has_colours: bool,
    drawn: Mutex<Option<ProgressBar>>,
}

impl Screen {
    pub(crate) fn of_stderr(vars: &Vars) -> Self {
        Self::of(Term::buffered_stderr(), vars)
    }

    pub(crate) fn of_stdout(vars: &Vars) -> Self {
        Self::of(Term::buffered_stdout(), vars)
    }

    /// In colours, unless `NO_COLOR` says otherwise, on a terminal that can move its cursor.
    fn of(stream: Term, vars: &Vars) -> Self {
        // As `TERM` has it, too.
        let is_terminal = stream.is_term();
        let no_color = vars.get("NO_COLOR").is_some_and(|it| !it.is_empty());
        Self::new(stream, is_terminal, is_terminal && !no_color)
    }

    /// Stderr for lines that stay, whatever it is.
    pub(crate) fn plain() -> Self {
        Self::new(Term::buffered_stderr(), false, false)
    }

    fn new(stream: Term, is_terminal: bool, has_colours: bool) -> Self {
        Self(Arc::new(Inner {
            stream,
            is_terminal,
            has_colours,
            drawn: Mutex::new(None),
        }))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.0.is_terminal
    }

    pub(crate) fn has_colours(&self) -> bool {
        self.0.has_colours
    }

    /// How many columns there are, at this moment.
    pub(crate) fn width(&self) -> usize {
        self.size().1
    }

    fn size(&self) -> (usize, usize) {
        let size = self.0.stream.size_checked();
        size.map_or((ROWS, COLUMNS), |(rows, columns)| {
            (rows.into(), columns.into())
        })
    }

    /// Draws `lines` in place of what was drawn before; nothing where nothing can be drawn.
    pub(crate) fn draw(&self, lines: &[Line]) {
        if !self.0.is_terminal {
            return;
        }
        let (rows, _) = self.size();
        let text: Vec<String> = lines.iter().take(rows).map(|it| self.painted(it)).collect();
        let mut drawn = self.0.drawn.lock();
        let bar = drawn.get_or_insert_with(|| {
            let target = ProgressDrawTarget::term(self.0.stream.clone(), u8::MAX);
            let bar = ProgressBar::with_draw_target(None, target);
            bar.set_style(ProgressStyle::with_template("{msg}").expect("a template"));
            bar
        });
        bar.set_message(text.join("\n"));
    }

    /// Takes away what is drawn.
    pub(crate) fn clear(&self) {
        if let Some(bar) = self.0.drawn.lock().take() {
            bar.finish_and_clear();
        }
    }

    /// Writes a line that stays, above what is drawn.
    ///
    /// # Errors
    ///
    /// Nobody reads it any more.
    pub(crate) fn print(&self, line: &Line) -> io::Result<()> {
        let text = self.painted(line) + "\n";
        self.write_above(text.as_bytes())
    }

    fn write_above(&self, text: &[u8]) -> io::Result<()> {
        let mut stream = &self.0.stream;
        self.above(|| {
            stream.write_all(text)?;
            stream.flush()
        })
    }

    /// Has `write` write whole lines to the terminal, above what is drawn.
    pub(crate) fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        match &*self.0.drawn.lock() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn painted(&self, line: &Line) -> String {
        if self.0.has_colours {
            line.painted()
        } else {
            line.plain()
        }
    }
}

impl Write for Screen {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.write_above(lines)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Screen {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
