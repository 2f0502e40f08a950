//! `exec:`: a command ends with status 0.

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::error::Seen;

/// How much of the end of stderr is kept: its last line is what the error quotes.
const TAIL: usize = 4 << 10;

/// How long stderr is read on once the command has failed: a child of its own may hold the pipe
/// open for ever.
const LINGER: Duration = Duration::from_millis(100);

pub(super) struct Exec {
    pub(super) program: String,
    args: Vec<String>,
}

impl Exec {
    pub(super) fn parse(command: &str) -> Result<Self, String> {
        let mut words = split(command)?.into_iter();
        let program = words
            .next()
            .filter(|program| !program.is_empty())
            .ok_or("no command after exec: write exec:PROGRAM ARG…")?;
        Ok(Self {
            program,
            args: words.collect(),
        })
    }

    pub(super) async fn check(&self) -> Result<(), Seen> {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => Seen::new("there is no such program"),
                _ => Seen::new(format!("cannot run it: {error}")),
            })?;
        let mut tail = Vec::new();
        let mut stderr = child.stderr.take();
        // Read while waiting: a command that fills the pipe would never end.
        let status = tokio::select! {
            status = child.wait() => status?,
            () = read_tail(&mut stderr, &mut tail) => child.wait().await?,
        };
        if status.success() {
            return Ok(());
        }
        let _ = tokio::time::timeout(LINGER, read_tail(&mut stderr, &mut tail)).await;
        let said = String::from_utf8_lossy(&tail);
        Err(
            match said.lines().map(str::trim).rfind(|line| !line.is_empty()) {
                Some(line) => Seen::new(format!("{status}: {line}")),
                None => Seen::new(status.to_string()),
            },
        )
    }
}

/// Reads to the end, keeping the last of it. Cancel safe: what was read is in `tail`.
async fn read_tail(from: &mut Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>) {
    let Some(from) = from else { return };
    let mut chunk = [0; 1024];
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        tail.extend_from_slice(&chunk[..n]);
        tail.drain(..tail.len().saturating_sub(TAIL));
    }
}

const LONE_BACKSLASH: &str = "a \\ with nothing after it";

/// The words of a command line, quoted as for a shell. What only a shell could do is an error, not
/// a surprise.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("a ' without its end")? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("a \" without its end")? {
                        '"' => break,
                        '\\' => match chars.next().ok_or(LONE_BACKSLASH)? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c @ ('$' | '`') => return Err(needs_shell(c)),
                        c => word.push(c),
                    }
                }
            }
            '\\' => word
                .get_or_insert_default()
                .push(chars.next().ok_or(LONE_BACKSLASH)?),
            '|' | '&' | ';' | '<' | '>' | '$' | '`' => return Err(needs_shell(c)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn needs_shell(c: char) -> String {
    format!("`{c}` is for a shell, and none reads this: quote it, or write exec:sh -c '…'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line).expect(line)
    }

    #[test]
    fn words_are_split_as_a_shell_would() {
        assert_eq!(words("pg_isready  -h\tdb "), ["pg_isready", "-h", "db"]);
        assert_eq!(
            words(r#"sh -c 'a "b" $c | d'"#),
            ["sh", "-c", r#"a "b" $c | d"#]
        );
        assert_eq!(
            words(r#"say "it's" a\ b'c d'"e \"f\"""#),
            ["say", "it's", r#"a bc de "f""#]
        );
        assert_eq!(words("say '' \"\""), ["say", "", ""]);
        assert_eq!(words(r#""\$\n""#), [r"$\n"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused() {
        for line in [
            "a | b",
            "a && b",
            "a; b",
            "a > b",
            "a < b",
            "a $HOME",
            "a \"$HOME\"",
            "a `b`",
            "a \"`b`\"",
        ] {
            assert!(split(line).unwrap_err().contains("exec:sh -c"), "{line}");
        }
    }

    #[tokio::test]
    async fn only_the_end_of_a_long_stderr_is_kept() {
        let long = "x".repeat(100_000) + "end";
        let mut tail = Vec::new();
        read_tail(&mut Some(long.as_bytes()), &mut tail).await;
        assert_eq!(tail.len(), TAIL);
        assert!(tail.ends_with(b"xend"));
    }
}
