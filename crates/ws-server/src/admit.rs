//! How a pending request ends: with its WebSocket, or with a refusal.

use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::answer::Answer;
use crate::handshake::Pending;
use crate::listener::Transport;
use crate::metrics::By;
use crate::refusal::Reason;
use crate::request::Request;
use crate::session::say_goodbye;
use crate::settings::RefuseWith;
use crate::shared::Shared;
use crate::socket::Socket;

/// Answers with 101; `None` where the client has left, or takes longer to take it than a handshake
/// may (S6): those behind it in a paced release wait for it.
pub(crate) async fn accept<T: Transport>(
    pending: Pending<T>,
    server: &Shared,
) -> Option<(Socket<T>, Request)> {
    let request = pending.request().clone();
    let subprotocol = (server.choose_subprotocol)(&request);
    let limits = server.limits();
    let accepted = pending.accept(subprotocol.as_deref(), &limits);
    let socket = timeout(limits.handshake_timeout, accepted)
        .await
        .ok()?
        .ok()?;
    Some((socket, request))
}

/// Turns a client away in the way that the settings say.
pub(crate) async fn refuse<T: Transport>(pending: Pending<T>, reason: Reason, server: &Shared) {
    match server.settings.queue.refuse_with {
        RefuseWith::Http => {
            let refused = server.refusal(reason);
            pending.answer(&Answer::refusal(&refused)).await;
        }
        RefuseWith::Close => {
            if let Some((socket, _)) = accept(pending, server).await {
                close(socket, reason, server).await;
            }
        }
    }
}

/// Refuses a client that has its WebSocket: try again later.
pub(crate) async fn close<T: Transport>(mut socket: Socket<T>, reason: Reason, server: &Shared) {
    let refused = server.refusal(reason);
    server
        .journal
        .metrics
        .closed(CloseCode::Again.into(), By::Server);
    let frame = CloseFrame {
        code: CloseCode::Again,
        reason: refused.close_reason().into(),
    };
    say_goodbye(&mut socket, frame).await;
}
