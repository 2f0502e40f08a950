//! A terminal whose cursor rests where a keystroke does no harm.

use std::io::{self, Write};

use console::Term;
use indicatif::TermLike;

/// What a terminal is taken for that does not say how large it is.
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// What is drawn here appears at once, so that nobody sees half of it, and leaves the cursor at the
/// begin of its last row. Left behind the end of that row, where drawing ends, the `^C` that the
/// terminal shows would begin another row, and what is drawn would not be found again.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    buffered: Term,
}

impl Terminal {
    pub(super) fn new(buffered: Term) -> Self {
        Self { buffered }
    }

    /// Rows and columns, at this moment.
    fn size(&self) -> (u16, u16) {
        self.buffered.size_checked().unwrap_or((ROWS, COLUMNS))
    }

    /// Writes what stays.
    pub(super) fn write(&self, lines: &[u8]) -> io::Result<()> {
        let mut stream = &self.buffered;
        stream.write_all(lines)?;
        stream.flush()
    }

    /// Whether something can be drawn: it is no pipe, and, as `TERM` has it, can move its cursor.
    pub(super) fn can_draw(&self) -> bool {
        self.buffered.is_term()
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.size().1
    }

    fn height(&self) -> u16 {
        self.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.buffered.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.buffered.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.buffered.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.buffered.move_cursor_left(n)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.buffered.write_line(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.buffered.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.buffered.clear_line()
    }

    /// Ends a drawing.
    fn flush(&self) -> io::Result<()> {
        self.buffered.write_str("\r")?;
        self.buffered.flush()
    }
}
