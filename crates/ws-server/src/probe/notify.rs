//! `notify:`: a service says `READY=1`, as it would to systemd.

use parking_lot::Mutex;
use tokio::sync::watch;

use super::error::Seen;
use crate::notify::{NotifySocket, Said};

/// Unlike every other service, this one is listened to: the socket is there from the first attempt
/// on, for as long as the probe is.
pub(super) struct Notify {
    address: String,
    heard: Mutex<Option<watch::Receiver<Option<Said>>>>,
}

impl Notify {
    pub(super) fn parse(address: &str) -> Result<Self, String> {
        // Two slashes are what a URL would have, whose host is not part of the path.
        let path = address.starts_with('/') && !address.starts_with("//");
        let name = address.starts_with('@') && address.len() > 1;
        if !(path || name) || address.contains('\0') {
            return Err("a socket follows the colon at once: write notify:/PATH".to_owned());
        }
        Ok(Self {
            address: address.to_owned(),
            heard: Mutex::new(None),
        })
    }

    /// Waits while nothing was said, so that the attempt ends at the moment of `READY=1`.
    pub(super) async fn check(&self) -> Result<(), Seen> {
        let mut heard = self.listen()?;
        let said = heard.wait_for(Option::is_some).await.map(|said| *said);
        match said {
            Ok(Some(Said::Ready)) => Ok(()),
            Ok(_) => Err(Seen::new("it said STOPPING=1")),
            Err(_) => {
                *self.heard.lock() = None;
                Err(Seen::new("the socket cannot be read"))
            }
        }
    }

    fn listen(&self) -> Result<watch::Receiver<Option<Said>>, Seen> {
        let mut heard = self.heard.lock();
        if let Some(heard) = &*heard {
            return Ok(heard.clone());
        }
        let socket = NotifySocket::bind(&self.address)?;
        let (tell, listening) = watch::channel(None);
        tokio::spawn(hear(socket, tell));
        Ok(heard.insert(listening).clone())
    }
}

/// Reads whether or not anybody asks: a socket that is full would stop the service.
async fn hear(socket: NotifySocket, tell: watch::Sender<Option<Said>>) {
    loop {
        tokio::select! {
            biased;
            () = tell.closed() => return,
            said = socket.hear() => match said {
                Ok(said) => drop(tell.send_replace(Some(said))),
                Err(_) => return,
            },
        }
    }
}
