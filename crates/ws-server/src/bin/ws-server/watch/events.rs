//! A stream of server-sent events, as far as it is needed: what each of them says.

use super::follow::{MAX_DOCUMENT, too_long};

/// Makes events of what comes.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// A line whose end has not come.
    line: Vec<u8>,
    /// The lines of data of an event whose end has not come.
    data: Option<String>,
}

impl Events {
    /// The data of the events that end in `bytes`.
    ///
    /// # Errors
    ///
    /// An event is longer than any status.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, String> {
        let mut events = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > MAX_DOCUMENT {
                return Err(too_long());
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                events.extend(
                    self.take(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])),
                );
            }
        }
        Ok(events)
    }

    /// Takes a line: the event that it ends, if it does.
    fn take(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            return self.data.take();
        }
        // Comments have no name; the names of events and their ids say nothing here.
        if let Some(value) = line.strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_an_empty_line_wherever_the_parts_end() {
        let stream =
            b": hello\n\nevent: status\ndata: {\"a\":\ndata: 1}\n\ndata:x\r\n\r\ndata: half";
        let expected = ["{\"a\":\n1}", "x"];
        let mut whole = Events::default();
        assert_eq!(whole.push(stream).unwrap(), expected);
        let mut parts = Events::default();
        let each = stream.iter().flat_map(|byte| parts.push(&[*byte]).unwrap());
        assert_eq!(each.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_never_ends_is_not_kept() {
        let chunk = vec![b'x'; 1 << 20];
        let mut line = Events::default();
        let kept = (0..8).map(|_| line.push(&chunk)).take_while(Result::is_ok);
        assert_eq!(kept.count(), 4);

        let chunk = ["data: ", &"x".repeat(1 << 20), "\n"].concat();
        let mut lines = Events::default();
        let kept = (0..8).map(|_| lines.push(chunk.as_bytes()));
        assert_eq!(kept.take_while(Result::is_ok).count(), 3);
    }
}
