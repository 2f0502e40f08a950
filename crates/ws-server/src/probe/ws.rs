//! `ws://` and `wss://`: a whole WebSocket handshake, then a clean close.

use std::time::Duration;

use futures::StreamExt as _;
use hyper::header::AUTHORIZATION;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use super::error::Seen;
use super::http::Resource;

/// How long the other side may take over its half of the close. It has shown that it is ready: this
/// is politeness, so that it need not log a connection that broke off.
const CLOSE_LIMIT: Duration = Duration::from_millis(250);

pub(super) struct WebSocket(Resource);

impl WebSocket {
    pub(super) fn parse(url: &Url) -> Result<Self, String> {
        Resource::parse(url).map(Self)
    }

    pub(super) async fn check(&self) -> Result<(), Seen> {
        let Resource {
            host,
            path,
            authorization,
            ..
        } = &self.0;
        // `ws` whatever the scheme: TLS is the stream's affair, not the handshake's.
        let mut request = format!("ws://{host}{path}")
            .into_client_request()
            .map_err(seen)?;
        if let Some(authorization) = authorization {
            request
                .headers_mut()
                .insert(AUTHORIZATION, authorization.clone());
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(4 << 10)
            .max_message_size(Some(64 << 10))
            .max_frame_size(Some(64 << 10));
        let stream = self.0.open().await?;
        let (mut socket, _) = client_async_with_config(request, stream, Some(config))
            .await
            .map_err(seen)?;
        let close = async {
            socket.close(None).await?;
            while socket.next().await.transpose()?.is_some() {}
            Ok::<(), Error>(())
        };
        // Ready either way.
        let _ = tokio::time::timeout(CLOSE_LIMIT, close).await;
        Ok(())
    }
}

fn seen(error: Error) -> Seen {
    match error {
        Error::Http(response) => Seen::new(format!("answered {}, not 101", response.status())),
        Error::Io(error) => error.into(),
        other => Seen::new(format!("no WebSocket: {other}")),
    }
}
