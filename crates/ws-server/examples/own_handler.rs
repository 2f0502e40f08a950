//! A chat room: a handler of one's own, behind a startup of one's own.
//!
//! `cargo run -p ws-server --example own_handler -- 127.0.0.1:8080 127.0.0.1:9000`
//!
//! It needs a database on the second address. `python3 -m http.server 9000` will do for one.

use std::error::Error;
use std::io::{self, IsTerminal as _};

use startup_phases::{Phase, Sequence, Step};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use ws_server::settings::Settings;
use ws_server::{Closed, Connection, Message, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".to_owned());
    let database = arguments.next().unwrap_or("127.0.0.1:9000".to_owned());

    let startup = Sequence::builder()
        .step(Step::polling(Phase::Database, "history", move || {
            connect(database.clone())
        }))
        .step(Step::new(Phase::Services, "room", open_room).on_stop(close_room))
        .build()?;

    let mut settings = Settings::default();
    settings.server.listen = address.parse()?;
    let (room, _) = broadcast::channel(100);
    let server = Server::builder()
        .settings(settings)
        .startup(startup)
        .handler(move |client| chat(client, room.clone()))
        .bind()?;
    println!("listening on {}", server.local_addr()?);
    server.run().await?;
    Ok(())
}

/// What one client says, all hear. Called when the client has been admitted, once for each.
async fn chat(mut client: Connection, room: broadcast::Sender<Message>) -> Result<(), Closed> {
    let mut heard = room.subscribe();
    loop {
        tokio::select! {
            said = client.recv() => match said {
                // There is somebody who hears it: we do.
                Some(message) => _ = room.send(message),
                None => return Ok(()),
            },
            // Who falls a hundred messages behind misses some, and hears the next.
            Ok(message) = heard.recv() => client.send(message).await?,
        }
    }
}

async fn connect(database: String) -> io::Result<()> {
    TcpStream::connect(database).await.map(drop)
}

async fn open_room() -> io::Result<()> {
    Ok(())
}

async fn close_room() -> io::Result<()> {
    println!("the room is closed");
    Ok(())
}
