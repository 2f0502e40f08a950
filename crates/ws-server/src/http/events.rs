//! `/status/events`: the document of `/status`, again whenever it changes, as server-sent events.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;

use super::{Body, HasLeft, Visitor};
use crate::answer::Answer;
use crate::status::StatusWatch;

/// How many watch at once: more than any team has screens, and few enough for what they are sent, up
/// to ten documents a second each, to be nothing beside the clients' traffic.
pub(crate) const MAX_WATCHERS: usize = 64;

/// When a watcher that lost its stream comes back, in milliseconds: as often as it would be told.
const COME_BACK: u32 = 1000;

/// When to ask again whether there is room, in seconds. Meanwhile `/status` answers everybody.
const RETRY_AFTER: &str = "30";

/// The stream, which ends with the server, when the client leaves, and when it does not read; or
/// that there is no room for one more.
pub(super) fn answer(visitor: &Visitor) -> Response<Body> {
    let Ok(seat) = Arc::clone(&visitor.server.watchers).try_acquire_owned() else {
        let detail =
            format!("{MAX_WATCHERS} watch already; ask for the status every second instead");
        let answer = Answer::new("503 Service Unavailable", "too_many_watchers", &detail)
            .with("retry-after", RETRY_AFTER);
        return super::boxed(answer.into_response());
    };
    // It may last as long as the server, whose end waits for those who are about to ask.
    visitor.arriving.lock().take();
    let watcher = Watcher {
        status: StatusWatch::new(&visitor.server).with(visitor.peers()),
        has_left: Arc::clone(&visitor.has_left),
        was_told: false,
        _seat: seat,
    };
    let body = StreamBody::new(stream::unfold(watcher, Watcher::next));
    let body = body.map_err(|never: Infallible| match never {});
    let mut response = Response::new(body.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Else nginx keeps them until there are enough of them.
    let buffering = HeaderName::from_static("x-accel-buffering");
    headers.insert(buffering, HeaderValue::from_static("no"));
    response
}

/// One who watches, and has a seat for as long as it does.
struct Watcher {
    status: StatusWatch,
    has_left: HasLeft,
    was_told: bool,
    _seat: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next event, the first one at once.
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        let mut event = String::new();
        if self.was_told {
            self.status.changed().await;
            // A seat is for those who look. Nobody is waited for longer than the longest pause.
            if (self.has_left)() {
                return None;
            }
        } else {
            // Writing to a string cannot fail.
            let _ = writeln!(event, "retry: {COME_BACK}");
            self.was_told = true;
        }
        // JSON as we write it has no line breaks, which would end the event.
        let _ = write!(event, "data: {}\n\n", self.status.to_json());
        Some((Ok(Frame::data(event.into())), self))
    }
}
