//! A small WebSocket client over any stream, which sees what is sent before there is a WebSocket.

mod asked;

use std::fmt::Debug;
use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

pub use self::asked::{Answer, Asked, frame, text_frame, upgrade};

/// How long the end of a connection may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a stream has to be.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A client that has its WebSocket.
#[derive(Debug)]
pub struct Client<S>(WebSocketStream<S>);

impl<S: Stream + Debug> Client<S> {
    /// The stream below.
    pub fn stream(&mut self) -> &mut S {
        self.0.get_mut()
    }

    /// The socket, for more than this client can do.
    #[must_use]
    pub fn into_socket(self) -> WebSocketStream<S> {
        self.0
    }

    /// Sends a text.
    ///
    /// # Panics
    ///
    /// If it cannot be sent.
    pub async fn says(&mut self, text: &str) {
        self.0.send(text.into()).await.expect("the server reads");
    }

    /// Sends a ping.
    ///
    /// # Panics
    ///
    /// If it cannot be sent.
    pub async fn pings(&mut self, payload: &'static str) {
        let ping = Message::Ping(payload.into());
        self.0.send(ping).await.expect("the server reads");
    }

    /// Begins to close the connection.
    ///
    /// # Panics
    ///
    /// If that cannot be said any more.
    pub async fn says_goodbye(&mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "goodbye".into(),
        };
        let sent = self.0.send(Message::Close(Some(frame))).await;
        sent.expect("the server reads");
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    ///
    /// If the server does not take them.
    pub async fn sends(&mut self, bytes: &[u8]) {
        let sent = self.stream().write_all(bytes).await;
        sent.expect("the server reads");
    }

    /// The next frame, whatever it is.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn hears(&mut self) -> Message {
        let heard = self.0.next().await.expect("something comes");
        heard.expect("the protocol is kept")
    }

    /// The next frame, which is a text.
    ///
    /// # Panics
    ///
    /// If it is something else.
    pub async fn hears_text(&mut self) -> String {
        match self.hears().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?} is no text"),
        }
    }

    /// Says something and hears it.
    ///
    /// # Panics
    ///
    /// If anything else comes back.
    pub async fn is_echoed(&mut self, text: &str) {
        self.says(text).await;
        assert_eq!(self.hears_text().await, text);
    }

    /// Asserts that not a frame has come so far.
    ///
    /// # Panics
    ///
    /// If one has, or the connection has ended.
    pub fn hears_nothing(&mut self) {
        let heard = self.0.next().now_or_never();
        assert!(heard.is_none(), "{heard:?}");
    }

    /// With which code and reason the server closes, as the next thing it does. The close is
    /// answered, and the server has to end the connection then.
    ///
    /// # Panics
    ///
    /// If the server does anything else.
    pub async fn is_closed(mut self) -> (u16, String) {
        let heard = self.hears().await;
        let Message::Close(Some(frame)) = heard else {
            panic!("{heard:?} is no close")
        };
        self.is_over().await;
        (frame.code.into(), frame.reason.to_string())
    }

    /// Asserts that nothing more comes and the connection ends in an orderly way, without a reset.
    ///
    /// # Panics
    ///
    /// Otherwise.
    pub async fn is_over(&mut self) {
        let heard = timeout(PATIENCE, self.0.next()).await;
        let heard = heard.expect("the server ends the connection");
        assert!(heard.is_none(), "{heard:?}");
    }

    /// Reads to the end of the connection, however it ends.
    pub async fn is_gone(&mut self) {
        while let Some(Ok(_)) = self.0.next().await {}
    }
}
