//! What an axum service does that has no gate, in one of three ways, while it is not ready.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Opening, opened};
use crate::Result;

/// What it does with a client that comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unready {
    /// Each handler waits for a `watch`, then upgrades.
    Waits,
    /// Each handler answers 503 at once.
    Refuses,
    /// It listens, and accepts nobody: the kernel keeps who comes, as long as its backlog has room.
    KeepsInBacklog,
}

#[derive(Clone)]
struct Gate {
    unready: Unready,
    is_open: watch::Receiver<bool>,
}

pub(super) async fn serve(address: SocketAddr, opening: Opening, unready: Unready) -> Result<()> {
    let (open, is_open) = watch::channel(false);
    let gate = Gate { unready, is_open };
    let router = Router::new().route("/ws", any(hold)).with_state(gate);
    let listener = TcpListener::bind(address).await?;
    let startup = async {
        opened(opening).await?;
        open.send_replace(true);
        Ok(())
    };
    let serving = async { Ok(axum::serve(listener, router).await?) };
    if unready == Unready::KeepsInBacklog {
        startup.await?;
        return serving.await;
    }
    tokio::try_join!(startup, serving).map(|_| ())
}

async fn hold(State(mut gate): State<Gate>, upgrade: WebSocketUpgrade) -> Response {
    if gate.unready == Unready::Refuses && !*gate.is_open.borrow() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    // Fails only when the process ends.
    let _ = gate.is_open.wait_for(|is_open| *is_open).await;
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
