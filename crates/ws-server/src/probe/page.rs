//! What an `http` or `https` address answers with, to be read.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::CONTENT_TYPE;
use hyper_util::rt::TokioIo;

use super::error::{ProbeError, Seen};
use super::http::{Stream, failed};

pub(super) type Connection = http1::Connection<TokioIo<Box<dyn Stream>>, Empty<Bytes>>;

/// An answer to a `GET`, whatever its status, whose body is still to come. Dropping it closes the
/// connection.
pub struct Page {
    address: String,
    answer: Response<Incoming>,
    /// Driven by whoever reads; none once it has ended.
    connection: Option<Connection>,
}

impl Page {
    pub(super) fn new(
        address: &str,
        (answer, connection): (Response<Incoming>, Option<Connection>),
    ) -> Self {
        Self {
            address: address.to_owned(),
            answer,
            connection,
        }
    }

    /// The status code, such as 200.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    /// The media type of the body, without its parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<&str> {
        let value = self.answer.headers().get(CONTENT_TYPE)?.to_str().ok()?;
        value.split(';').next().map(str::trim)
    }

    /// The next part of the body, in the order it was sent; `None` behind the last.
    ///
    /// There is no time limit: a stream of events says nothing for as long as nothing happens.
    ///
    /// # Errors
    ///
    /// The connection broke off.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no part is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ProbeError> {
        loop {
            let frame = match &mut self.connection {
                None => self.answer.frame().await,
                Some(connection) => tokio::select! {
                    biased;
                    frame = self.answer.frame() => frame,
                    // What it ended with is told by the body, behind all that came.
                    _ = connection => {
                        self.connection = None;
                        continue;
                    }
                },
            };
            match frame {
                None => return Ok(None),
                // Anything else are trailers.
                Some(Ok(frame)) => {
                    if let Ok(part) = frame.into_data() {
                        return Ok(Some(part));
                    }
                }
                Some(Err(error)) => return Err(self.error(failed(&error))),
            }
        }
    }

    fn error(&self, seen: Seen) -> ProbeError {
        ProbeError::new(&self.address, seen)
    }
}
