//! Stdout or stderr, as it is seen: lines that are drawn over and over again, where it is a terminal,
//! and lines that stay above them.

use std::io::{self, Write};
use std::sync::Arc;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike as _};
use parking_lot::Mutex;
use readiness_guard::Vars;
use tracing_subscriber::fmt::MakeWriter;

use super::line::Line;
use super::terminal::Terminal;

/// Clones are of the same one. Whatever is written to its terminal while something is drawn there is
/// written through it.
#[derive(Clone, Debug)]
pub(crate) struct Screen(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stream: Terminal,
    /// Otherwise nothing is drawn.
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
        let stream = Terminal::new(stream);
        let is_terminal = stream.can_draw();
        let no_color = vars.get("NO_COLOR").is_some_and(|it| !it.is_empty());
        Self::new(stream, is_terminal, is_terminal && !no_color)
    }

    /// Stderr for lines that stay, whatever it is.
    pub(crate) fn plain() -> Self {
        Self::new(Terminal::new(Term::buffered_stderr()), false, false)
    }

    fn new(stream: Terminal, is_terminal: bool, has_colours: bool) -> Self {
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
        self.0.stream.width().into()
    }

    /// Draws `lines` in place of what was drawn before; nothing where nothing can be drawn.
    pub(crate) fn draw(&self, lines: &[Line]) {
        if !self.0.is_terminal {
            return;
        }
        let rows = self.0.stream.height().into();
        let text: Vec<String> = lines.iter().take(rows).map(|it| self.painted(it)).collect();
        let mut drawn = self.0.drawn.lock();
        let bar = drawn.get_or_insert_with(|| {
            let target = ProgressDrawTarget::term_like(Box::new(self.0.stream.clone()));
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
        self.above(|| self.0.stream.write(text.as_bytes()))
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
        self.above(|| self.0.stream.write(lines))?;
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
