//! A load, and what it costs a server once both are steady.

use std::time::Duration;

use crate::load::{Clients, Exchange};
use crate::peers::Server;
use crate::{Result, process};

const SLICE: Duration = Duration::from_millis(100);
/// A server is steady once a slice is within this share of the one before it.
const STEADY: f64 = 0.1;
const STEADY_LIMIT: usize = 10;

/// So many clients, each of which sends so many messages at once and waits for all of them.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) payload: usize,
    pub(crate) in_flight: usize,
    pub(crate) connections: usize,
}

impl Load {
    pub(crate) fn new(payload: usize, in_flight: usize, connections: usize) -> Self {
        Self {
            payload,
            in_flight,
            connections,
        }
    }

    pub(crate) fn name(self) -> String {
        let size = match self.payload {
            bytes @ ..1024 => format!("{bytes} B"),
            bytes => format!("{} KiB", bytes / 1024),
        };
        let connections = match self.connections {
            1 => "1 connection".to_owned(),
            many => format!("{many} connections"),
        };
        format!("{size}, {} in flight, {connections}", self.in_flight)
    }

    /// Messages for each CPU-second of a server under this load, measured for `time` once it is steady.
    /// `raw`: frames come back as they went, masked.
    pub(crate) async fn rate(self, server: Server, raw: bool, time: Duration) -> Result<f64> {
        let mut clients = Clients::new()?;
        clients.connect(server.address(), self.connections).await?;
        let exchange = Exchange {
            payload: self.payload,
            in_flight: self.in_flight,
            raw,
        };
        let mut measure = |time| -> Result<f64> {
            let before = process::run_time(server.pid())?;
            let messages = clients.exchange(exchange, time)?;
            let ran = process::run_time(server.pid())?.saturating_sub(before);
            Ok(messages / ran.as_secs_f64())
        };
        let mut before = 0.0;
        for _ in 0..STEADY_LIMIT {
            let now = measure(SLICE)?;
            if (now - before).abs() < STEADY * before {
                break;
            }
            before = now;
        }
        let rate = measure(time);
        // Before its clients: so none of them waits for the last packet.
        drop(server);
        rate
    }
}
