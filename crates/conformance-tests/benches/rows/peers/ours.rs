//! Ours, as a library.

use std::net::SocketAddr;
use std::time::Duration;

use startup_phases::{Phase, Sequence, Step};
use ws_server::settings::Settings;

use super::{Opening, opened};
use crate::Result;

/// Longer than any row takes.
const LONG: Duration = Duration::from_secs(600);

pub(super) async fn serve(address: SocketAddr, opening: Opening) -> Result<()> {
    let step = Step::new(Phase::Services, "opening", move || opened(opening)).timeout(LONG);
    let mut settings = Settings::default();
    settings.server.listen = address;
    settings.queue.max_size = 20_000;
    settings.queue.max_wait = LONG;
    settings.limits.max_connections = 20_000;
    ws_server::Server::builder()
        .startup(Sequence::builder().step(step).build()?)
        .handler(ws_server::echo)
        .settings(settings)
        .serve()
        .await?;
    Ok(())
}
