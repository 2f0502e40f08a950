//! How connections end.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

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

/// Who ended a connection, and with which code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    ByClient(CloseCode),
    ByServer(CloseCode),
    /// The connection broke: nobody said goodbye.
    Lost,
}
