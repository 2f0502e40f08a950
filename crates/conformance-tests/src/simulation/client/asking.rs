//! A client that asks for a page.

use std::future::poll_fn;

use tokio::time::timeout;

use super::super::link::Nature;
use super::super::story::Story;
use super::super::visit::{End, Name, Visit};
use super::super::world::World;
use super::hearing::Hearing;
use super::{PATIENCE, connect, nobody_there};

/// Asks for a page, and reads to the end.
pub(in super::super) async fn ask(
    world: &World,
    name: Name,
    method: &str,
    path: &'static str,
    body: usize,
) -> Visit {
    let nature = Nature {
        window: 64 << 10,
        segment: 64 << 10,
        hesitation: world.scenario.hesitation,
    };
    let Some(end) = connect(world, name, nature) else {
        return nobody_there(&world.story, name, Some(path));
    };
    let connected = world
        .story
        .tells(name, format_args!("asks: {method} {path}"));
    let query = name.query();
    let head =
        format!("{method} {path}?{query} HTTP/1.1\r\nHost: test\r\nContent-Length: {body}\r\n\r\n");
    end.mark(head.len() as u64);
    let mut hearing = Hearing::default();
    let exchange = async {
        let bytes = [head.into_bytes(), vec![b'b'; body]].concat();
        let mut left = &bytes[..];
        while !left.is_empty() {
            let written = poll_fn(|cx| end.poll_write_from(cx, left)).await;
            let Ok(written) = written else { break };
            left = &left[written..];
        }
        loop {
            match hearing.read(&end, name, &world.story).await {
                Ok(true) => {}
                Ok(false) => return End::Orderly,
                Err(_) => return End::Reset,
            }
        }
    };
    let ended = timeout(world.longest_hold() + PATIENCE, exchange).await;
    let ended = ended.unwrap_or(End::Ignored);
    let moment = world.story.tells(name, ended.in_words());
    Visit {
        arrived: end.reached().first().copied(),
        answered: end.first_answer(),
        answer: hearing.answer,
        connected,
        end: ended,
        outrages: hearing.outrages,
        ended: moment,
        ..nobody_there(&Story::begin(), name, Some(path))
    }
}
