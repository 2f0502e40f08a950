//! How connections end.

use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use crate::answer::{LINGER, linger};
use crate::listener::Transport;
use crate::socket::Socket;

/// The close frame that answers a fault of the client (S12); `None` where the connection broke.
pub(crate) fn goodbye_for(fault: &Error) -> Option<CloseFrame> {
    let (code, reason) = match fault {
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => (
            CloseCode::Size,
            format!("{size} bytes, where {max_size} are allowed"),
        ),
        Error::Utf8(_) => (CloseCode::Invalid, "text that is not UTF-8".to_owned()),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
        Error::Protocol(broken) => (CloseCode::Protocol, broken.to_string()),
        _ => return None,
    };
    Some(CloseFrame {
        code,
        reason: reason.into(),
    })
}

/// Closes the WebSocket of a client that is not served. Nobody waits for one that reads nothing.
pub(crate) async fn say_goodbye<T: Transport>(socket: &mut Socket<T>, goodbye: CloseFrame) {
    let sent = timeout(LINGER, async {
        // Refused where the client has said goodbye first: then the answer to that is what is written.
        let _ = socket.feed(Frame::Close(Some(goodbye))).await;
        socket.flush().await
    })
    .await;
    if matches!(sent, Ok(Ok(()))) {
        linger(socket.stream_mut()).await;
    }
}
