//! The signals of this process that concern the application.

use std::future::poll_fn;
use std::task::Poll;

use nix::sys::signal::Signal;
use tokio::signal::unix::{self, SignalKind};
use tracing::warn;

use crate::reload::hangup_is_a_wish;

/// The signals that reach this process, as far as they concern the application.
pub(super) struct Signals {
    passed_on: Vec<(Signal, unix::Signal)>,
    child_ended: Option<unix::Signal>,
    stop: Vec<unix::Signal>,
    /// One of those that end this process has come.
    stopping: bool,
}

/// What has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// It is for the application.
    PassOn(Signal),
    /// Some process that is ours to wait for.
    ChildEnded,
    /// This process is to end.
    Stopping,
}

impl Signals {
    pub(super) fn new() -> Self {
        let mut passed_on = vec![
            (Signal::SIGUSR1, SignalKind::user_defined1()),
            (Signal::SIGUSR2, SignalKind::user_defined2()),
        ];
        // It is for this process as well, which reads its settings again.
        if hangup_is_a_wish() {
            passed_on.push((Signal::SIGHUP, SignalKind::hangup()));
        }
        let listen = |kind| {
            let listening = unix::signal(kind);
            listening
                .inspect_err(|error| warn!(%error, "cannot listen for a signal"))
                .ok()
        };
        Self {
            passed_on: passed_on
                .into_iter()
                .filter_map(|(signal, kind)| Some((signal, listen(kind)?)))
                .collect(),
            child_ended: listen(SignalKind::child()),
            stop: [SignalKind::terminate(), SignalKind::interrupt()]
                .into_iter()
                .filter_map(listen)
                .collect(),
            stopping: false,
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Event {
        poll_fn(|cx| {
            for signal in &mut self.stop {
                if signal.poll_recv(cx).is_ready() {
                    self.stopping = true;
                    return Poll::Ready(Event::Stopping);
                }
            }
            for (signal, listening) in &mut self.passed_on {
                if listening.poll_recv(cx).is_ready() {
                    return Poll::Ready(Event::PassOn(*signal));
                }
            }
            if let Some(ended) = &mut self.child_ended
                && ended.poll_recv(cx).is_ready()
            {
                return Poll::Ready(Event::ChildEnded);
            }
            Poll::Pending
        })
        .await
    }
}
