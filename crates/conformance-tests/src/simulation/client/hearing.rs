//! What a client hears.

use std::io;

use tokio::time::{Instant, sleep, sleep_until};

use super::super::frames::{
    BINARY, CLOSE, PING, PONG, TEXT, code_and_reason, field, frame, read_more, take_frame,
    take_head,
};
use super::super::link;
use super::super::story::{Moment, Story};
use super::super::visit::{Answer, Closed, End, Name, Said};
use super::Call;

/// What has been heard so far.
#[derive(Default)]
pub(super) struct Hearing {
    bytes: Vec<u8>,
    pub(super) answer: Option<Answer>,
    pub(super) heard: Vec<Moment>,
    pub(super) closed: Option<Closed>,
    pub(super) outrages: Vec<String>,
    /// What was left when the connection ended.
    pub(super) cut: usize,
}

impl Hearing {
    pub(super) fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none() && self.answer.as_ref().is_some_and(|it| it.status == 101)
    }

    /// Reads on, as far as the head of the answer and what is behind it; false at the end.
    pub(super) async fn read(
        &mut self,
        end: &link::End,
        name: Name,
        story: &Story,
    ) -> io::Result<bool> {
        let goes_on = read_more(end, &mut self.bytes).await?;
        self.take_answer(name, story);
        Ok(goes_on)
    }

    fn take_answer(&mut self, name: Name, story: &Story) {
        if self.answer.is_none()
            && let Some(head) = take_head(&mut self.bytes)
        {
            let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
            let Some(status) = status else {
                return self
                    .outrages
                    .push(format!("an answer without a status: {head:?}"));
            };
            story.tells(name, format_args!("is answered {status}"));
            self.answer = Some(Answer {
                status,
                retry_after: field(&head, "retry-after").and_then(|it| it.parse().ok()),
                body: String::new(),
                complete: None,
            });
        }
        if let Some(answer) = &mut self.answer
            && answer.status != 101
        {
            answer.body.push_str(&String::from_utf8_lossy(&self.bytes));
            self.bytes.clear();
            if answer.complete.is_none()
                && let Some(reason) = answer.reason()
            {
                answer.complete = Some(story.tells(name, format_args!("is told: {reason}")));
            }
        }
    }
}

impl Call<'_> {
    /// Listens to the end of the connection.
    pub(super) async fn listen(&self) -> End {
        let began = Instant::now();
        let mut stalls = self.caller.stalls;
        loop {
            let mut bytes = Vec::new();
            let read = tokio::select! {
                biased;
                () = async {
                    match stalls {
                        Some((from, _)) => sleep_until(began + from).await,
                        None => std::future::pending().await,
                    }
                } => {
                    let (_, time) = stalls.take().unwrap_or_default();
                    self.story.tells(self.name, format_args!("stops to read for {time:?}"));
                    sleep(time).await;
                    continue;
                }
                read = read_more(&self.end, &mut bytes) => read,
            };
            match read {
                Ok(true) => {}
                Ok(false) => return self.at_the_end(),
                Err(_) => return End::Reset,
            }
            let mut hearing = self.hearing.lock();
            hearing.bytes.extend(bytes);
            hearing.take_answer(self.name, self.story);
            while hearing.answer.as_ref().is_some_and(|it| it.status == 101)
                && let Some((opcode, payload)) = take_frame(&mut hearing.bytes)
            {
                self.hear(&mut hearing, opcode, &payload);
            }
            drop(hearing);
            self.news.notify_waiters();
        }
    }

    /// The server has ended its sending side: between two frames, or else what came is taken for whole.
    fn at_the_end(&self) -> End {
        let mut hearing = self.hearing.lock();
        hearing.cut = hearing.bytes.len();
        End::Orderly
    }

    fn hear(&self, hearing: &mut Hearing, opcode: u8, payload: &[u8]) {
        if hearing.closed.is_some() {
            let outrage = format!("a frame behind the close frame: opcode {opcode}");
            return hearing.outrages.push(outrage);
        }
        match opcode {
            TEXT | BINARY => self.hear_message(hearing, opcode, payload),
            PING => self.queue(frame(PONG, payload, true)),
            PONG => {}
            CLOSE => {
                let (code, reason) = code_and_reason(payload);
                let what = format!("is closed with {code} {reason}");
                let at = self.story.tells(self.name, what.trim_end());
                let heard = hearing.heard.len();
                hearing.closed = Some(Closed {
                    code,
                    reason,
                    at,
                    heard,
                });
                self.say_goodbye(code);
            }
            _ => hearing.outrages.push(format!("a frame of opcode {opcode}")),
        }
    }

    /// Only what was said may come back, in the order in which it was (S10).
    fn hear_message(&self, hearing: &mut Hearing, opcode: u8, payload: &[u8]) {
        let number = hearing.heard.len();
        let saying = self.saying.lock();
        let is_next = |said: &Said| said.opcode == opcode && said.payload == payload;
        if saying.said.get(number).is_some_and(is_next) {
            let what = format_args!("hears message {number} again");
            hearing.heard.push(self.story.tells(self.name, what));
        } else {
            let begin = String::from_utf8_lossy(&payload[..payload.len().min(24)]).into_owned();
            hearing.outrages.push(format!(
                "S10: hears {begin:?} where message {number} is due, of {} said",
                saying.said.len()
            ));
        }
    }
}
