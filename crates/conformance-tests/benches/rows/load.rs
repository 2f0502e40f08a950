//! The load of the echo: one thread that writes frames made beforehand and counts the bytes that come
//! back, so that the server has the other core for itself.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use conformance_tests::figures::Samples;
use futures::stream::{self, StreamExt, TryStreamExt};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use tokio::time::Instant;

use crate::Result;
use crate::client::Client;

/// Clients that connect at the same time: fewer than a listener's backlog takes.
const CONNECTING: usize = 200;
/// What one `read` takes at most.
const BUFFER: usize = 256 * 1024;
const EVENTS: usize = 1024;
/// Longer than any server takes for one round of all its clients.
const PATIENCE: Duration = Duration::from_secs(30);

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FINAL_BINARY: u8 = 0x82;

/// What each client does over and over: it sends a number of messages at once, and waits until all of
/// them have come back.
#[derive(Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) payload: usize,
    pub(crate) in_flight: usize,
    /// Whether frames come back as they went, masked.
    pub(crate) raw: bool,
}

/// Connected clients of one server.
pub(crate) struct Clients {
    poll: Poll,
    sockets: Vec<Socket>,
    buffer: Vec<u8>,
}

/// What a client writes, and how much it waits for then.
struct Batch {
    frames: Vec<u8>,
    reply: usize,
}

struct Socket {
    stream: TcpStream,
    /// Of the batch.
    written: usize,
    owed: usize,
    rounds: u64,
    /// When it began to write the batch.
    begun: Instant,
}

/// Loads a server that somebody else has started; returns how many messages came back.
pub(crate) async fn run(
    server: SocketAddr,
    exchange: Exchange,
    connections: usize,
    time: Duration,
) -> Result<f64> {
    let mut clients = Clients::new()?;
    clients.connect(server, connections).await?;
    clients.exchange(exchange, time)
}

impl Clients {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            sockets: Vec::new(),
            buffer: vec![0; BUFFER],
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.sockets.len()
    }

    /// Connects so many more, and waits for their 101s.
    pub(crate) async fn connect(&mut self, server: SocketAddr, more: usize) -> Result<()> {
        let connected: Vec<Client> = stream::iter(0..more)
            .map(|_| async move {
                let mut client = Client::ask(server).await?;
                client.upgraded().await.map(|()| client)
            })
            .buffered(CONNECTING)
            .try_collect()
            .await
            .map_err(|failure| failure.to_string())?;
        for client in connected {
            let mut stream = TcpStream::from_std(client.into_std()?);
            let token = Token(self.sockets.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, token, both)?;
            self.sockets.push(Socket::new(stream));
        }
        Ok(())
    }

    /// Has every client go on for this long; returns how many messages came back.
    ///
    /// An exchange that is under way at the end is not broken off: the next call, with the same
    /// exchange, goes on with it.
    pub(crate) fn exchange(&mut self, exchange: Exchange, time: Duration) -> Result<f64> {
        let end = Instant::now() + time;
        self.run(exchange, |now, _| now >= end, |_| ())
    }

    /// The same; returns how long each exchange took that ended, in µs.
    pub(crate) fn round_trips(&mut self, exchange: Exchange, time: Duration) -> Result<Samples> {
        let end = Instant::now() + time;
        let mut took = Samples::default();
        let ended = |trip: Duration| took.push(trip.as_secs_f64() * 1e6);
        self.run(exchange, |now, _| now >= end, ended)?;
        Ok(took)
    }

    /// Has every client send and get back its messages once.
    pub(crate) fn exchange_once(&mut self, exchange: Exchange) -> Result<()> {
        let limit = Instant::now() + PATIENCE;
        let once = |now, sockets: &[Socket]| {
            now >= limit || sockets.iter().all(|socket| socket.rounds > 0)
        };
        self.run(exchange, once, |_| ())?;
        if self.sockets.iter().any(|socket| socket.rounds == 0) {
            return Err("a server that does not answer".into());
        }
        Ok(())
    }

    fn run(
        &mut self,
        exchange: Exchange,
        is_over: impl Fn(Instant, &[Socket]) -> bool,
        mut ended: impl FnMut(Duration),
    ) -> Result<f64> {
        let batch = exchange.batch();
        let mut events = Events::with_capacity(EVENTS);
        let mut received = 0;
        for socket in &mut self.sockets {
            received += socket.proceed(&batch, &mut self.buffer, &mut ended)?;
        }
        while !is_over(Instant::now(), &self.sockets) {
            let look = Duration::from_millis(10);
            self.poll.poll(&mut events, Some(look))?;
            for event in &events {
                let socket = &mut self.sockets[event.token().0];
                received += socket.proceed(&batch, &mut self.buffer, &mut ended)?;
            }
        }
        Ok(received as f64 * exchange.in_flight as f64 / batch.reply as f64)
    }
}

impl Socket {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            written: 0,
            owed: 0,
            rounds: 0,
            begun: Instant::now(),
        }
    }

    /// Writes and reads as far as the socket lets it; returns how many bytes came, and tells of each round
    /// that `ended` how long it took.
    fn proceed(
        &mut self,
        batch: &Batch,
        buffer: &mut [u8],
        ended: &mut impl FnMut(Duration),
    ) -> io::Result<usize> {
        let mut received = 0;
        loop {
            if self.owed == 0 {
                (self.written, self.owed) = (0, batch.reply);
                self.begun = Instant::now();
            }
            while self.written < batch.frames.len() {
                match self.stream.write(&batch.frames[self.written..]) {
                    Ok(written) => self.written += written,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(received),
                Err(error) => return Err(error),
            };
            received += read;
            self.owed = self
                .owed
                .checked_sub(read)
                .ok_or_else(|| io::Error::other("more came back than was sent"))?;
            if self.owed == 0 {
                self.rounds += 1;
                ended(self.begun.elapsed());
            } else if read < buffer.len() {
                // Nothing is left; the next event tells of more.
                return Ok(received);
            }
        }
    }
}

impl Exchange {
    fn batch(self) -> Batch {
        let payload = (0..self.payload).map(|at| at as u8 ^ MASK[at % MASK.len()]);
        let mut frame = vec![FINAL_BINARY];
        match (u8::try_from(self.payload), u16::try_from(self.payload)) {
            (Ok(length @ ..=125), _) => frame.push(0x80 | length),
            (_, Ok(length)) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((self.payload as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload);
        let unmasked = if self.raw { 0 } else { MASK.len() };
        Batch {
            reply: (frame.len() - unmasked) * self.in_flight,
            frames: frame.repeat(self.in_flight),
        }
    }
}
