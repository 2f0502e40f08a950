//! What an axum service does that has no gate: each handler waits for a `watch`, then upgrades.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Opening, opened};
use crate::Result;

pub(super) async fn serve(address: SocketAddr, opening: Opening) -> Result<()> {
    let (open, is_open) = watch::channel(false);
    let router = Router::new().route("/ws", any(hold)).with_state(is_open);
    let listener = TcpListener::bind(address).await?;
    let startup = async {
        opened(opening).await?;
        open.send_replace(true);
        Ok(())
    };
    let serving = async { Ok(axum::serve(listener, router).await?) };
    tokio::try_join!(startup, serving).map(|_| ())
}

async fn hold(
    State(mut is_open): State<watch::Receiver<bool>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Fails only when the process ends.
    let _ = is_open.wait_for(|is_open| *is_open).await;
    upgrade.on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let answer = matches!(message, Message::Text(_) | Message::Binary(_));
        if answer && socket.send(message).await.is_err() {
            break;
        }
    }
}
