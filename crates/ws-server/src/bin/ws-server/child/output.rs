//! What the application prints: passed on line by line, with its name.

use std::borrow::Cow;
use std::io::{self, Write as _};

use serde::de::IgnoredAny;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use ws_server::settings::LogFormat;

use crate::telemetry::cloud::{Entry, Severity, now};
use crate::view::Screen;

/// The longest line that is passed on as one; of a longer one each part is a line of its own, so
/// that memory is bounded. More than any log line that is meant to be read.
const MAX_LINE: usize = 64 << 10;

/// As much as a pipe gives at once.
const CHUNK: usize = 64 << 10;

/// How a line is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `[NAME] LINE`.
    Text,
    /// A line that is a JSON object as it is, any other as an object like those of our own log.
    Json,
}

impl From<LogFormat> for Form {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

/// Makes lines of what comes.
pub(super) struct Lines {
    name: String,
    form: Form,
    begun: Vec<u8>,
}

impl Lines {
    pub(super) fn new(name: &str, form: Form) -> Self {
        Self {
            name: name.to_owned(),
            form,
            begun: Vec::new(),
        }
    }

    /// The lines that end in `bytes`, as they are passed on.
    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (mut text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            while self.begun.len() + text.len() > MAX_LINE {
                let (head, rest) = text.split_at(MAX_LINE - self.begun.len());
                self.begun.extend_from_slice(head);
                self.finish(&mut out);
                text = rest;
            }
            self.begun.extend_from_slice(text);
            if ends {
                self.finish(&mut out);
            }
        }
        out
    }

    /// What is left when no more comes.
    fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.begun.is_empty() {
            self.finish(&mut out);
        }
        out
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let line = self.begun.strip_suffix(b"\r").unwrap_or(&self.begun);
        match self.form {
            Form::Text => {
                out.extend_from_slice(format!("[{}] ", self.name).as_bytes());
                out.extend_from_slice(line);
            }
            Form::Json if is_object(line) => out.extend_from_slice(line),
            Form::Json => {
                let message: Cow<'_, str> = String::from_utf8_lossy(line);
                let entry = Entry::new(Severity::Default, now())
                    .with("message", message.as_ref())
                    .with("application", self.name.as_str());
                out.extend_from_slice(entry.into_line(None).as_bytes());
            }
        }
        out.push(b'\n');
        self.begun.clear();
    }
}

fn is_object(line: &[u8]) -> bool {
    line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Where the application has printed, and so what it printed goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// What cannot be written is dropped: an application must not stop because nobody reads what it
    /// prints.
    async fn write(self, lines: &[u8], screen: &Screen) {
        let _ = match self {
            // Both streams may be the terminal that is drawn on.
            Self::Stdout if screen.is_terminal() => screen.above(|| io::stdout().write_all(lines)),
            Self::Stderr if screen.is_terminal() => screen.above(|| io::stderr().write_all(lines)),
            // A pipe may be full for long, and blocks a thread that is there for this.
            Self::Stdout => write(tokio::io::stdout(), lines).await,
            Self::Stderr => write(tokio::io::stderr(), lines).await,
        };
    }
}

async fn write(mut to: impl AsyncWrite + Unpin, lines: &[u8]) -> io::Result<()> {
    to.write_all(lines).await?;
    to.flush().await
}

/// Passes on all that comes, until nobody can print any more.
pub(super) async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    to: Stream,
    mut lines: Lines,
    screen: Screen,
) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        to.write(&lines.push(&chunk[..length]), &screen).await;
    }
    to.write(&lines.end(), &screen).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_on(form: Form, chunks: &[&[u8]]) -> String {
        let mut lines = Lines::new("app", form);
        let mut out: Vec<u8> = chunks.iter().flat_map(|chunk| lines.push(chunk)).collect();
        out.extend(lines.end());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_has_the_name_before_it() {
        let out = passed_on(Form::Text, &[b"one\ntw", b"o\r\n", b"\nlast"]);
        assert_eq!(out, "[app] one\n[app] two\n[app] \n[app] last\n");
        assert_eq!(passed_on(Form::Text, &[b"", b""]), "");
    }

    #[test]
    fn a_line_without_end_is_cut_into_bounded_lines() {
        let part = vec![b'x'; MAX_LINE / 2 + 1];
        let out = passed_on(Form::Text, &[&part, &part, &part, &part, b"\nnext\n"]);
        let lengths: Vec<usize> = out.lines().map(str::len).collect();
        let name = "[app] ".len();
        assert_eq!(
            lengths,
            [MAX_LINE + name, MAX_LINE + name, 4 + name, 4 + name]
        );
    }

    #[test]
    fn among_json_lines_each_is_an_object() {
        let out = passed_on(
            Form::Json,
            &[b"{\"severity\": \"ERROR\"}\nsays \"hi\"\n{half\n\xff\n"],
        );
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], r#"{"severity": "ERROR"}"#);
        let messages = ["says \"hi\"", "{half", "\u{fffd}"];
        assert_eq!(lines.len(), 1 + messages.len());
        for (line, message) in lines[1..].iter().zip(messages) {
            let object: serde_json::Value = serde_json::from_str(line).expect(line);
            assert_eq!(object["severity"], "DEFAULT");
            assert_eq!(object["message"], message);
            assert_eq!(object["application"], "app");
            assert!(object["time"].is_string(), "{line}");
        }
    }
}
