//! A terminal, as the binary and whoever sits before it see it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use nix::pty::{Winsize, openpty};

/// So many that nothing scrolls away.
const ROWS: u16 = 200;

/// One of the two streams that a program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What it was asked for.
    Stdout,
    /// What else it has to say.
    Stderr,
}

impl Stream {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A pseudo terminal in place of one stream.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) stream: Stream,
    pub(super) columns: u16,
    keyboard: File,
    /// Keeps what is written to it.
    copying: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Opens one whose output is kept in `file`; also returns the end that is for the program.
    pub(super) fn open(stream: Stream, columns: u16, mut file: File) -> (Self, OwnedFd) {
        let size = Winsize {
            ws_row: ROWS,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(&size, None).expect("a pseudo terminal");
        let mut ours = File::from(pair.master);
        let keyboard = ours.try_clone().expect("a descriptor");
        let copying = std::thread::spawn(move || {
            // It ends with an error once nobody can write any more.
            let _ = io::copy(&mut ours, &mut file);
        });
        let terminal = Self {
            stream,
            columns,
            keyboard,
            copying: Some(copying),
        };
        (terminal, pair.slave)
    }

    /// Types `keys`, which the terminal shows, as terminals do.
    pub(super) fn types(&self, keys: &str) {
        let typed = (&self.keyboard).write_all(keys.as_bytes());
        typed.expect("an open terminal");
    }

    /// Waits until all that was written to it is in the file; only once its program has ended.
    pub(super) fn has_shown_all(&mut self) {
        if let Some(copying) = self.copying.take() {
            copying.join().expect("it only copies");
        }
    }
}

/// What is to be seen on a terminal to which this was written, row by row, down to the last that is
/// not empty.
pub(super) fn shown(written: &[u8], columns: u16) -> String {
    let mut terminal = vt100::Parser::new(ROWS, columns, 0);
    terminal.process(written);
    let rows = terminal.screen().rows(0, columns);
    let rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
    rows.join("\n").trim_end().to_owned()
}
