//! `tcp://`: something accepts a connection.

use url::Url;

use super::address::{refuse_credentials, refuse_path, refuse_query};
use super::connect::Endpoint;
use super::error::Seen;

pub(super) struct Tcp(Endpoint);

impl Tcp {
    pub(super) fn parse(url: &Url) -> Result<Self, String> {
        refuse_credentials(url)?;
        refuse_path(url)?;
        refuse_query(url)?;
        Endpoint::of(url, None).map(Self)
    }

    pub(super) async fn check(&self) -> Result<(), Seen> {
        self.0.connect().await.map(drop)
    }
}
