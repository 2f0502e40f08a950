//! A line that fits into its width, in words that need no colour and signs that need no words.

use console::{measure_text_width, truncate_str};

/// What a piece of a line says beside its words. Each has its colour, which adds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Busy,
    Warning,
    Bad,
    Faint,
}

impl Tone {
    /// What a terminal is told before the piece, as `Select Graphic Rendition` numbers it.
    const fn code(self) -> Option<u8> {
        match self {
            Self::Plain => None,
            Self::Good => Some(32),
            Self::Busy => Some(36),
            Self::Warning => Some(33),
            Self::Bad => Some(31),
            Self::Faint => Some(2),
        }
    }
}

/// Text of several tones, never wider than it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pieces: Vec<(Tone, String)>,
    width: usize,
    /// The columns that are left.
    left: usize,
}

impl Line {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            pieces: Vec::new(),
            width,
            left: width,
        }
    }

    /// Adds as much of `text` as there is room for. What others said is shown as text: no character
    /// of it moves the cursor.
    pub(crate) fn add(mut self, tone: Tone, text: &str) -> Self {
        if self.left == 0 || text.is_empty() {
            return self;
        }
        let printable: String = text
            .chars()
            .map(|it| if it.is_control() { ' ' } else { it })
            .collect();
        let shown = truncate_str(&printable, self.left, "…").into_owned();
        self.left = self.left.saturating_sub(measure_text_width(&shown));
        self.pieces.push((tone, shown));
        self
    }

    /// Adds `text` if there is room for all of it.
    pub(crate) fn add_if_fits(self, tone: Tone, text: &str) -> Self {
        if measure_text_width(text) <= self.left {
            self.add(tone, text)
        } else {
            self
        }
    }

    /// Adds `parts`, with `between` between them, and goes on in further lines, each `indent` columns
    /// to the right, with what has no room.
    pub(crate) fn flow(
        self,
        parts: impl IntoIterator<Item = impl AsRef<str>>,
        between: &str,
        indent: usize,
    ) -> Vec<Self> {
        let (width, at_end) = (self.width, between.trim_end());
        let around = measure_text_width(between) + measure_text_width(at_end);
        let (mut lines, mut line) = (Vec::new(), self);
        let mut has_part = false;
        for part in parts {
            let part = part.as_ref();
            if has_part && measure_text_width(part) + around > line.left {
                lines.push(line.add(Tone::Plain, at_end));
                line = Self::new(width).add(Tone::Plain, &" ".repeat(indent));
                has_part = false;
            }
            if has_part {
                line = line.add(Tone::Plain, between);
            }
            line = line.add(Tone::Plain, part);
            has_part = true;
        }
        lines.push(line);
        lines
    }

    pub(crate) fn plain(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    pub(crate) fn painted(&self) -> String {
        let painted = self.pieces.iter().map(|(tone, text)| match tone.code() {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.clone(),
        });
        painted.collect()
    }
}

/// A time that is over: to the hundredth of a second, below one in milliseconds.
pub(crate) fn exact(seconds: f64) -> String {
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

/// A time that goes on.
pub(crate) fn so_far(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_its_room_ends() {
        let line = Line::new(10)
            .add(Tone::Good, "services")
            .add(Tone::Plain, " running");
        assert_eq!(line.plain(), "services …");
        assert_eq!(line.clone().add(Tone::Bad, "more").plain(), "services …");
        // Two columns each.
        let wide = Line::new(5).add(Tone::Plain, "模型模型");
        assert_eq!(wide.plain(), "模型…");
    }

    #[test]
    fn what_does_not_fit_whole_can_be_left_out() {
        let line = Line::new(10).add(Tone::Plain, "running");
        assert_eq!(
            line.clone().add_if_fits(Tone::Plain, " 2 s").plain(),
            "running"
        );
        assert_eq!(line.add_if_fits(Tone::Plain, " 2s").plain(), "running 2s");
    }

    #[test]
    fn what_has_no_room_goes_on_in_further_lines() {
        let begun = Line::new(16).add(Tone::Bad, "failed: ");
        let words = "tcp://db: connection refused, and refused".split(' ');
        let lines: Vec<String> = begun.flow(words, " ", 2).iter().map(Line::plain).collect();
        assert_eq!(
            lines,
            [
                "failed: tcp://d…",
                "  connection",
                "  refused, and",
                "  refused"
            ]
        );
        let lines = Line::new(12).flow(["1 a", "22 bb", "333 ccc"], ", ", 1);
        let lines: Vec<String> = lines.iter().map(Line::plain).collect();
        assert_eq!(lines, ["1 a, 22 bb,", " 333 ccc"]);
    }

    #[test]
    fn no_word_of_others_moves_the_cursor() {
        let line = Line::new(20).add(Tone::Bad, "a\x1b[2Jb\nc\u{9b}d");
        assert!(!line.plain().contains(char::is_control), "{line:?}");
    }

    #[test]
    fn colours_are_around_the_words() {
        let line = Line::new(20).add(Tone::Plain, "a ").add(Tone::Good, "b");
        assert_eq!(line.plain(), "a b");
        assert_eq!(line.painted(), "a \x1b[32mb\x1b[0m");
    }

    #[test]
    fn times_are_as_exact_as_they_are_known() {
        assert_eq!(exact(0.0031), "3 ms");
        assert_eq!(exact(0.9996), "1.00 s");
        assert_eq!(exact(4.018), "4.02 s");
        assert_eq!(so_far(1.44), "1.4 s");
    }
}
