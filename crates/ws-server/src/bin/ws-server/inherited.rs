//! The listener that whoever started this process had bound before: socket activation.
//!
//! systemd does it, and so does anything else that sets `LISTEN_FDS=1`, `LISTEN_PID` and passes a
//! listening TCP socket as descriptor 3. The port is open before this process exists and after it
//! has ended, so that between two versions nobody is refused.

use std::net::TcpListener;

use anyhow::{Context, ensure};
use listenfd::ListenFd;
use readiness_guard::Vars;
use socket2::SockRef;

/// The listener we were given; `None` where there is none, or where it is meant for another process.
///
/// To be called before there is a second thread: the variables are taken out of the environment, so
/// that no child process takes the listener for its own.
pub(crate) fn listener(vars: &Vars) -> anyhow::Result<Option<TcpListener>> {
    if vars.get("LISTEN_FDS").is_none() {
        return Ok(None);
    }
    let mut inherited = ListenFd::from_env();
    let sockets = inherited.len();
    ensure!(
        sockets <= 1,
        "{sockets} sockets were passed with LISTEN_FDS, where one is expected"
    );
    let listener = inherited
        .take_tcp_listener(0)
        .context("what was passed with LISTEN_FDS cannot be listened on")?;
    if let Some(listener) = &listener {
        ensure!(
            SockRef::from(listener).is_listener()?,
            "what was passed with LISTEN_FDS is a connection, not a listener: systemd does so with \
             Accept=yes"
        );
        // As tokio needs it. Everybody who shares the listener shares this, too.
        listener.set_nonblocking(true)?;
    }
    Ok(listener)
}
