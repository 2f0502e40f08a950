//! What stands behind the proxy: an echo that comes, goes, and breaks.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use ws_server::{ServerBuilder, Transport as _};

use super::super::frames::{
    BINARY, CLOSE, PING, PONG, TEXT, frame, read_more, take_frame, take_head,
};
use super::super::link::{End, Nature, link};
use super::super::scenario::Mood;
use super::super::visit::Name;
use super::World;

/// The answer to the key that all our clients send.
const OPENED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

pub(super) fn in_front_of(builder: ServerBuilder, world: &Arc<World>) -> ServerBuilder {
    let settings = &world.scenario.settings.proxy;
    let builder = builder.proxy(settings).expect("the address is one");
    // The server keeps the connector, and the world keeps the server's ends of connections.
    let world = Arc::downgrade(world);
    builder.upstream_through(move || {
        let world = world.upgrade();
        async move {
            let world = world.ok_or(io::ErrorKind::ConnectionRefused)?;
            connect(world).await
        }
    })
}

async fn connect(world: Arc<World>) -> io::Result<End> {
    let now = world.story.moment();
    let mood = world.scenario.mood(now.at);
    match mood {
        Mood::Down => return Err(io::ErrorKind::ConnectionRefused.into()),
        // Dropped when its time is over.
        Mood::Deaf => pending::<()>().await,
        _ => {}
    }
    let nature = Nature {
        window: 64 << 10,
        segment: 16 << 10,
        hesitation: world.scenario.hesitation,
    };
    let [servers, own] = link(nature, world.scenario.seed ^ now.nth, &world.story, 0);
    let gone_at = gone_after(&world, now.at).map(|at| world.story.instant(at));
    tokio::spawn(async move {
        let ended = async {
            match gone_at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            // The process is another one from now on; this one's connections go with it.
            () = ended => own.close(false),
            () = serve(&world, &own, mood) => {}
        }
    });
    Ok(servers)
}

/// When the process is gone that accepts a connection now.
fn gone_after(world: &World, now: Duration) -> Option<Duration> {
    let mut moods = world.scenario.moods().iter();
    moods.find(|(at, _)| *at > now).map(|(at, _)| *at)
}

async fn serve(world: &World, own: &End, mood: Mood) {
    let mut read = Vec::new();
    let head = loop {
        match read_more(own, &mut read).await {
            Ok(true) => {}
            // The monitor looks whether somebody accepts, and says nothing.
            Ok(false) | Err(_) => return,
        }
        if let Some(head) = take_head(&mut read) {
            break head;
        }
    };
    let target = head.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let name = Name::from_query(query).expect("every client says who it is");
    let who = "upstream";
    match mood {
        Mood::Down | Mood::Deaf => unreachable!("nobody is connected then"),
        Mood::Drops { after, halfway } => {
            sleep(after).await;
            world.story.tells(who, format_args!("drops {name}"));
            if halfway {
                write(own, &OPENED.as_bytes()[..30]).await;
            }
        }
        Mood::Answers(status) => {
            world
                .story
                .tells(who, format_args!("answers {name} with {status}"));
            let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nno");
            write(own, answer.as_bytes()).await;
            linger(own).await;
        }
        Mood::Well(after) => {
            sleep(after).await;
            // Who has meanwhile been given up is not served any more.
            if !own.peer_has_left() {
                answer(world, own, name, target, read, usize::MAX).await;
            }
        }
        Mood::BreaksInside { larger_than } => {
            answer(world, own, name, target, read, larger_than).await;
        }
    }
}

async fn answer(
    world: &World,
    own: &End,
    name: Name,
    target: &str,
    mut read: Vec<u8>,
    breaks_above: usize,
) {
    if !target.starts_with("/ws") {
        write(own, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes").await;
        return linger(own).await;
    }
    if !write(own, OPENED.as_bytes()).await {
        return;
    }
    let moment = world.story.tells(name, "is served");
    world.ledger.lock().served.push((name, moment));
    loop {
        while let Some((opcode, payload)) = take_frame(&mut read) {
            let answer = match opcode {
                TEXT | BINARY if payload.len() > breaks_above => {
                    let whole = frame(opcode, &payload, false);
                    write(own, &whole[..whole.len() / 2]).await;
                    world
                        .story
                        .tells("upstream", format_args!("dies in a frame to {name}"));
                    return own.close(false);
                }
                TEXT | BINARY | CLOSE => frame(opcode, &payload, false),
                PING => frame(PONG, &payload, false),
                _ => continue,
            };
            if !write(own, &answer).await {
                return;
            }
            if opcode == CLOSE {
                return linger(own).await;
            }
        }
        if !matches!(read_more(own, &mut read).await, Ok(true)) {
            return;
        }
    }
}

/// Writes all of it; false where nobody takes it.
async fn write(own: &End, bytes: &[u8]) -> bool {
    let mut left = bytes;
    while !left.is_empty() {
        match std::future::poll_fn(|cx| own.poll_write_from(cx, left)).await {
            Ok(written) => left = &left[written..],
            Err(_) => return false,
        }
    }
    true
}

/// Ends the sending side, and reads what still comes for a moment.
async fn linger(own: &End) {
    own.shut();
    let end = Instant::now() + Duration::from_secs(1);
    let mut thrown_away = Vec::new();
    while tokio::time::timeout_at(end, read_more(own, &mut thrown_away))
        .await
        .is_ok_and(|read| matches!(read, Ok(true)))
    {
        thrown_away.clear();
    }
}
