//! Stderr, as it is seen: lines that are drawn over and over again, where it is a terminal, and
//! lines that stay above them.

use std::io::{self, IsTerminal as _, Write};
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

/// Stderr. Clones are of the same one; whatever is written to stderr while something is drawn there
/// is written through it.
#[derive(Clone, Debug)]
pub(crate) struct Screen(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// None where nothing can be drawn: a pipe, a file.
    terminal: Option<Term>,
    has_colours: bool,
    drawn: Mutex<Option<ProgressBar>>,
}

impl Screen {
    /// Stderr as it is: in colours, unless `NO_COLOR` says otherwise, on a terminal that can move
    /// its cursor.
    pub(crate) fn of_stderr(vars: &Vars) -> Self {
        let is_terminal = io::stderr().is_terminal() && vars.get("TERM") != Some("dumb");
        let no_color = vars.get("NO_COLOR").is_some_and(|it| !it.is_empty());
        Self::new(is_terminal.then(Term::stderr), is_terminal && !no_color)
    }

    /// Stderr for lines that stay, whatever it is.
    pub(crate) fn plain() -> Self {
        Self::new(None, false)
    }

    fn new(terminal: Option<Term>, has_colours: bool) -> Self {
        Self(Arc::new(Inner {
            terminal,
            has_colours,
            drawn: Mutex::new(None),
        }))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.0.terminal.is_some()
    }

    pub(crate) fn has_colours(&self) -> bool {
        self.0.has_colours
    }

    /// How many columns there are, at this moment.
    pub(crate) fn width(&self) -> usize {
        self.size().1
    }

    fn size(&self) -> (usize, usize) {
        let size = self.0.terminal.as_ref().and_then(Term::size_checked);
        size.map_or((ROWS, COLUMNS), |(rows, columns)| {
            (rows.into(), columns.into())
        })
    }

    /// Draws `lines` in place of what was drawn before; nothing where nothing can be drawn.
    pub(crate) fn draw(&self, lines: &[Line]) {
        let Some(terminal) = &self.0.terminal else {
            return;
        };
        let (rows, _) = self.size();
        let text: Vec<String> = lines.iter().take(rows).map(|it| self.painted(it)).collect();
        let mut drawn = self.0.drawn.lock();
        let bar = drawn.get_or_insert_with(|| {
            let target = ProgressDrawTarget::term(terminal.clone(), u8::MAX);
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
    pub(crate) fn print(&self, line: &Line) {
        let text = self.painted(line) + "\n";
        // A log that cannot be written is no reason to end.
        let _ = self.above(|| io::stderr().write_all(text.as_bytes()));
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
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.above(|| io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Screen {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
