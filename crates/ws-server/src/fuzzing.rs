//! The ways in for the fuzz targets in `fuzz/`, one thin function each: there with `--cfg fuzzing`
//! alone, which is what cargo-fuzz builds with, and no part of the interface.
//!
//! What is right is said by the targets, from outside.

use std::time::Duration;

use bytes::Bytes;

use crate::answer::Answer;
use crate::handshake::Pending;
use crate::head::{self, Head};
use crate::listener::Transport;
use crate::proxy::frames::{Frames, Until};
use crate::request::Request;
use crate::settings::LimitSettings;

/// What a client's first request came to. Whatever was answered has been written to the stream.
#[derive(Debug)]
pub enum Asked {
    /// It has its 101.
    Accepted {
        /// The request, as handlers get it.
        request: Request,
        /// What was read behind it.
        early: Bytes,
    },
    /// For the HTTP server to read again.
    Plain(Bytes),
    /// It was turned away, or nobody is there.
    Refused,
}

/// Reads a request head, within `limit`, and answers it as behind an open gate, choosing the first
/// subprotocol.
pub async fn first_request<T: Transport>(mut stream: T, limit: Duration) -> Asked {
    match head::read(&mut stream, limit).await {
        Ok(Head::Plain { read }) => Asked::Plain(read),
        Ok(Head::Upgrade {
            method,
            request,
            early,
        }) => match Pending::new(stream, method, request.clone(), early.clone()) {
            Ok(pending) => {
                let limits = LimitSettings::default();
                let subprotocol = request.subprotocols().next();
                match pending.accept(subprotocol, &limits).await {
                    Ok(_) => Asked::Accepted { request, early },
                    Err(_) => Asked::Refused,
                }
            }
            Err((stream, answer)) => {
                answer.send(stream).await;
                Asked::Refused
            }
        },
        Err(error) => {
            if let Some(answer) = Answer::to_unreadable(error) {
                answer.send(stream).await;
            }
            Asked::Refused
        }
    }
}

/// How far frames are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassUntil {
    /// As far as there are any.
    End,
    /// To the close frame.
    Close,
    /// To the end of the frame under way.
    Boundary,
}

/// What a proxy has passed on of a stream, and knows about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// How many bytes, of all that came.
    pub bytes: usize,
    /// How many more there have to be before more is passed on, counted from those; 0 where no
    /// more will be.
    pub wanted: usize,
    /// Whether a frame can be put in here.
    pub is_between: bool,
    /// Whether a close frame is among them.
    pub has_closed: bool,
}

/// Passes `stream` on as a tunnel does, where it comes in pieces that end at `ends`, each with how
/// far is passed on by then; says after each what has been passed on, to the piece at which that
/// stops.
pub fn pass(stream: &[u8], ends: impl IntoIterator<Item = (usize, PassUntil)>) -> Vec<Passed> {
    let mut frames = Frames::default();
    let mut after_each: Vec<Passed> = Vec::new();
    for (end, until) in ends {
        let begin = after_each.last().map_or(0, |passed| passed.bytes);
        let until = match until {
            PassUntil::End => Until::End,
            PassUntil::Close => Until::Close,
            PassUntil::Boundary => Until::Boundary,
        };
        let passable = frames.pass(&stream[begin..end], until);
        after_each.push(Passed {
            bytes: begin + passable.bytes,
            wanted: passable.wanted,
            is_between: frames.is_between(),
            has_closed: frames.has_closed(),
        });
        if passable.wanted == 0 {
            break;
        }
    }
    after_each
}
