//! The operators' own port (`admin.listen`): our pages, and nothing of the clients'.
//!
//! Who comes here is no client: it is in no limit and no count, nobody waits for it when the server
//! stops, and until the drain is over it is answered.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use crate::accept::accept;
use crate::answer::Answer;
use crate::head::{self, Head};
use crate::http::{self, Port};
use crate::shared::Shared;

/// Answers on this listener, where there is one.
pub(crate) async fn answer(listener: Option<TcpListener>, server: &Arc<Shared>) -> Infallible {
    let Some(listener) = listener else {
        return pending().await;
    };
    accept(listener, false, server, |stream, peer| {
        connection(stream, peer, Arc::clone(server))
    })
    .await
}

async fn connection(mut stream: TcpStream, peer: SocketAddr, server: Arc<Shared>) {
    match head::read(&mut stream, server.limits().handshake_timeout).await {
        Ok(Head::Plain { read }) => {
            http::serve(stream, read, peer, Port::Admin, server, None).await;
        }
        Ok(Head::Upgrade { .. }) => {
            let detail = "there are no WebSockets on this port";
            let answer = Answer::new("404 Not Found", "not_found", detail);
            answer.send(stream).await;
        }
        Err(error) => {
            if let Some(answer) = Answer::to_unreadable(error) {
                answer.send(stream).await;
            }
        }
    }
}
