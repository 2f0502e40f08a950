//! A gate before axum's WebSockets: clients are held while the backend is away.
//!
//! `cargo run -p ws-queue --example gate_in_axum -- 127.0.0.1:3000 127.0.0.1:9000`
//!
//! The gate is open while somebody listens on the second address: `python3 -m http.server 9000`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use ws_queue::{Entry, Gate, HoldQueue, Outcome, QueueConfig};

/// Stands for a client, as long as its request is being handled.
struct Client;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:3000".to_owned());
    let backend = arguments.next().unwrap_or("127.0.0.1:9000".to_owned());

    // One at a time, each when the one before has its 101: so the order on the wire is exact.
    let config = QueueConfig::default().max_size(100).release_in_flight(1);
    let (gate, queue) = ws_queue::gate(&config);
    let router = Router::new().route("/ws", get(websocket)).with_state(queue);
    let terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = axum::serve(listener, router);
    server
        .with_graceful_shutdown(keep(gate, backend, terminate))
        .await
}

/// Opens the gate while the backend is there, closes it while it is not, until told to stop.
async fn keep(gate: Gate<Client>, backend: String, mut terminate: Signal) {
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            _ = looks.tick() => match TcpStream::connect(&backend).await {
                Ok(_) => gate.open(),
                Err(_) => gate.close(),
            },
            _ = terminate.recv() => break gate.drain(),
            _ = tokio::signal::ctrl_c() => break gate.drain(),
        }
    }
}

async fn websocket(State(queue): State<HoldQueue<Client>>, upgrade: WebSocketUpgrade) -> Response {
    let client = Arc::new(Client);
    let lease = match queue.enter(&client) {
        // The task of the WebSocket outlives this call.
        Entry::Admitted(lease) => lease.into_owned(),
        Entry::Held(ticket) => {
            println!("number {} is held", ticket.position());
            // No 101 yet: the client sees a slow connect. When it leaves, axum drops this future,
            // and with it the ticket, which frees the place.
            match ticket.await {
                Outcome::Admitted(lease) => lease,
                Outcome::Refused(why) => return refuse(why.as_str()),
                Outcome::Expired | Outcome::Abandoned => return refuse("expired"),
            }
        }
        Entry::Refused(why) => return refuse(why.as_str()),
    };
    upgrade.on_upgrade(async |socket| {
        println!("number {} is served", lease.position());
        lease.acknowledge();
        echo(socket).await;
    })
}

/// Not all at the same moment: the refused come back between one and three seconds later.
fn refuse(why: &str) -> Response {
    let later = [(header::RETRY_AFTER, fastrand::u32(1..=3).to_string())];
    (StatusCode::SERVICE_UNAVAILABLE, later, format!("{why}\n")).into_response()
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await
        && socket.send(message).await.is_ok()
    {}
}
