//! `http://` and `https://`: a `GET` is answered with 2xx.

use std::error::Error as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

use super::address::decoded;
use super::connect::Endpoint;
use super::error::Seen;
use super::page::Connection;
use super::tls;

/// What an `http`, `https`, `ws` or `wss` address names.
pub(crate) struct Resource {
    endpoint: Endpoint,
    tls: bool,
    /// The `Host` header: with the port where it is not the scheme's own.
    pub(super) host: String,
    /// The path and query, as sent.
    pub(super) path: String,
    pub(super) authorization: Option<HeaderValue>,
}

/// TCP, or TLS over it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Resource {
    pub(crate) fn parse(url: &Url) -> Result<Self, String> {
        let endpoint = Endpoint::of(url, None)?;
        // As in the URL, so that IPv6 keeps its brackets.
        let host = url.host_str().unwrap_or_default();
        Ok(Self {
            tls: matches!(url.scheme(), "https" | "wss"),
            host: url
                .port()
                .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            path: match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            },
            authorization: basic(url)?,
            endpoint,
        })
    }

    /// Connects, with TLS where the scheme says so.
    pub(crate) async fn open(&self) -> Result<Box<dyn Stream>, Seen> {
        let stream = self.endpoint.connect().await?;
        Ok(if self.tls {
            Box::new(tls::handshake(stream, &self.endpoint.host).await?)
        } else {
            Box::new(stream)
        })
    }

    pub(super) async fn check(&self) -> Result<(), Seen> {
        let (answer, _) = self.get().await?;
        judge(answer.status())
    }

    /// Sends a `GET`: its answer, and the connection that its body comes on, unless it has ended.
    pub(super) async fn get(&self) -> Result<(Response<Incoming>, Option<Connection>), Seen> {
        let stream = TokioIo::new(self.open().await?);
        let (mut sender, mut connection) = http1::handshake(stream)
            .await
            .map_err(|error| failed(&error))?;
        let mut request = Request::get(self.path.as_str())
            .header(HOST, &self.host)
            .header(USER_AGENT, "ws-server-probe")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| Seen::new(error.to_string()))?;
        if let Some(authorization) = &self.authorization {
            request
                .headers_mut()
                .insert(AUTHORIZATION, authorization.clone());
        }
        // Driven here and not in a task, so that dropping the attempt closes the connection.
        let exchange = sender.send_request(request);
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => match answer {
                Ok(answer) => Ok((answer, Some(connection))),
                Err(error) => Err(failed(&error)),
            },
            // It ends with or after the answer; without one, it knows better why.
            ended = &mut connection => match (exchange.await, ended) {
                (Ok(answer), _) => Ok((answer, None)),
                (Err(_), Err(error)) | (Err(error), Ok(())) => Err(failed(&error)),
            },
        }
    }
}

pub(super) fn failed(error: &hyper::Error) -> Seen {
    match error.source() {
        Some(cause) => Seen::new(format!("no HTTP answer: {error}: {cause}")),
        None => Seen::new(format!("no HTTP answer: {error}")),
    }
}

fn judge(status: hyper::StatusCode) -> Result<(), Seen> {
    if status.is_success() {
        Ok(())
    } else if status.is_redirection() {
        Err(Seen::new(format!(
            "answered {status}: redirects are not followed"
        )))
    } else {
        Err(Seen::new(format!("answered {status}")))
    }
}

fn basic(url: &Url) -> Result<Option<HeaderValue>, String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let user = decoded(url.username())?;
    let password = decoded(url.password().unwrap_or_default())?;
    let mut value = HeaderValue::try_from(format!(
        "Basic {}",
        BASE64.encode(format!("{user}:{password}"))
    ))
    .map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok(Some(value))
}
