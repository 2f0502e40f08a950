//! The handler of a simulated deployment: an echo that does what it is asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use ws_server::{Connection, ServerBuilder};

use super::super::visit::Name;
use super::World;

pub(super) fn handler(
    builder: ServerBuilder,
    world: &Arc<World>,
    takes: Duration,
    isolated: bool,
) -> ServerBuilder {
    let world = Arc::clone(world);
    let serves = move |connection| serve(Arc::clone(&world), connection, takes);
    match isolated {
        true => builder.isolated_handlers(move |_| serves.clone()),
        false => builder.handler(serves),
    }
}

async fn serve(
    world: Arc<World>,
    mut connection: Connection,
    takes: Duration,
) -> Result<(), &'static str> {
    let name = connection.request().query().and_then(Name::from_query);
    let name = name.expect("every client says who it is");
    let moment = world.story.tells(name, "is served");
    world.ledger.lock().served.push((name, moment));
    while let Some(message) = connection.recv().await {
        sleep(takes).await;
        let text = message.as_text().unwrap_or_default();
        match text.split(' ').next() {
            Some("fail") => return Err("it fails on purpose"),
            Some("panic") => panic!("on purpose"),
            Some("bye") => break,
            _ => {}
        }
        if connection.send(message).await.is_err() {
            break;
        }
    }
    Ok(())
}
