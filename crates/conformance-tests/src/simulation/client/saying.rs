//! What a client says.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::sleep;

use super::super::frames::{BINARY, PING, TEXT, close, frame};
use super::super::scenario::{Ask, Then};
use super::super::story::Moment;
use super::super::visit::Said;
use super::Call;
use super::hearing::Hearing;
use crate::client::upgrade;

/// What has been said so far.
#[derive(Default)]
pub(super) struct Saying {
    /// What is to be written.
    outbox: BytesMut,
    /// How many bytes were queued, from the beginning on.
    queued: u64,
    pub(super) said: Vec<Said>,
    pub(super) goodbye: Option<Moment>,
}

/// What the text of a message begins with that asks for something.
pub(in super::super) fn word(ask: Ask) -> &'static str {
    match ask {
        Ask::Fail => "fail",
        Ask::Panic => "panic",
        Ask::Bye => "bye",
        Ask::TooLarge | Ask::Nonsense => "",
    }
}

impl Call<'_> {
    pub(super) fn queue(&self, bytes: impl AsRef<[u8]>) {
        let mut saying = self.saying.lock();
        saying.outbox.extend(bytes.as_ref());
        saying.queued += bytes.as_ref().len() as u64;
        drop(saying);
        self.to_write.notify_one();
    }

    /// Has it noted when the server has read all that was queued so far.
    fn mark(&self) {
        self.end.mark(self.saying.lock().queued);
    }

    /// Says goodbye, once.
    pub(super) fn say_goodbye(&self, code: u16) {
        if self.saying.lock().goodbye.is_none() {
            let moment = self
                .story
                .tells(self.name, format_args!("says goodbye: {code}"));
            self.saying.lock().goodbye = Some(moment);
            self.queue(close(if code == 1005 { 1000 } else { code }, true));
        }
    }

    pub(super) async fn write(&self) -> Infallible {
        loop {
            // Given up at any moment, it loses nothing.
            let written = poll_fn(|cx| {
                let mut saying = self.saying.lock();
                if saying.outbox.is_empty() {
                    return Poll::Ready(Ok(0));
                }
                let written = ready!(self.end.poll_write_from(cx, &saying.outbox))?;
                saying.outbox.advance(written);
                Poll::Ready(std::io::Result::Ok(written))
            });
            match written.await {
                Ok(0) => self.to_write.notified().await,
                Ok(_) => {}
                // Whoever listens learns of it, too.
                Err(_) => pending().await,
            }
        }
    }

    pub(super) async fn follow_script(&self) -> Infallible {
        let caller = self.caller;
        self.say_head().await;
        for number in 0..caller.early {
            self.say_message(number);
        }
        self.wait_until(Hearing::is_open).await;
        for (number, (_, pause)) in caller.says.iter().enumerate().skip(caller.early) {
            sleep(*pause).await;
            if caller.pings {
                self.queue(frame(PING, b"there?", true));
            }
            self.say_message(number);
        }
        let count = caller.says.len();
        self.wait_until(|hearing| hearing.heard.len() == count)
            .await;
        if caller.then == Then::Closes {
            sleep(Duration::from_millis(20)).await;
            self.say_goodbye(1000);
        }
        pending().await
    }

    async fn say_head(&self) {
        let head = upgrade(&format!("/ws?{}", self.name.query()), &[]);
        self.end.mark(head.len() as u64);
        let piece = head.len().div_ceil(self.caller.pieces as usize);
        for (number, piece) in head.as_bytes().chunks(piece).enumerate() {
            if number > 0 {
                sleep(self.caller.pause).await;
            }
            self.queue(piece);
        }
    }

    fn say_message(&self, number: usize) {
        let (length, _) = self.caller.says[number];
        let ask = self.caller.asks.filter(|(which, _)| *which == number);
        let word = ask.map_or("", |(_, ask)| word(ask));
        let mut payload = format!("{word} {}.{number} ", self.name.query()).into_bytes();
        payload.resize(length.max(payload.len()), b'.');
        let opcode = if number % 2 == 1 && ask.is_none() {
            BINARY
        } else {
            TEXT
        };
        let bytes = match ask {
            Some((_, Ask::TooLarge)) => {
                payload.resize(self.caller.too_large, b'!');
                frame(opcode, &payload, true)
            }
            // A reserved bit, which nobody has agreed on.
            Some((_, Ask::Nonsense)) => vec![0xf1, 0x80, 0, 0, 0, 0],
            _ => frame(opcode, &payload, true),
        };
        let length = bytes.len();
        self.story.tells(
            self.name,
            format_args!("says message {number}, {length} bytes"),
        );
        let read = None;
        self.saying.lock().said.push(Said {
            opcode,
            payload,
            read,
        });
        self.queue(bytes);
        self.mark();
    }
}
