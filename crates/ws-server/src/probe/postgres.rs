//! `postgres://`: a session is granted and `SELECT 1` is answered.

use std::error::Error as _;

use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use url::Url;

use super::address::{decoded, refuse_rest_of_password};
use super::connect::Endpoint;
use super::error::Seen;

pub(super) struct Postgres {
    endpoint: Endpoint,
    config: Config,
}

impl Postgres {
    pub(super) fn parse(url: &Url) -> Result<Self, String> {
        refuse_rest_of_password(url)?;
        let endpoint = Endpoint::of(url, Some(5432))?;
        if endpoint.host.starts_with("%2F") || endpoint.host.starts_with("%2f") {
            return Err(
                "Unix sockets are not supported: write postgres://HOST:PORT/DATABASE".to_owned(),
            );
        }
        let mut config = Config::new();
        config
            .application_name("ws-server-probe")
            .ssl_mode(SslMode::Disable);
        if !url.username().is_empty() {
            config.user(decoded(url.username())?);
        }
        if let Some(password) = url.password() {
            config.password(decoded(password)?);
        }
        if let Some(database) = url.path().strip_prefix('/').filter(|path| !path.is_empty()) {
            config.dbname(decoded(database)?);
        }
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("sslmode", "disable" | "allow" | "prefer") => {}
                ("sslmode", mode) => {
                    return Err(format!(
                        "sslmode={mode} is not supported, a probe speaks to PostgreSQL without TLS: \
                         write sslmode=disable or sslmode=prefer"
                    ));
                }
                ("application_name", value) => {
                    config.application_name(value);
                }
                ("options", value) => {
                    config.options(value);
                }
                (other, _) => {
                    return Err(format!(
                        "unknown parameter `{other}`: known are sslmode, application_name, options"
                    ));
                }
            }
        }
        Ok(Self { endpoint, config })
    }

    pub(super) async fn check(&self) -> Result<(), Seen> {
        let stream = self.endpoint.connect().await?;
        let (client, mut connection) = self
            .config
            .connect_raw(stream, NoTls)
            .await
            .map_err(|error| seen(&error))?;
        // Driven here and not in a task, so that dropping the attempt closes the connection.
        {
            let query = client.simple_query("SELECT 1");
            tokio::pin!(query);
            let answer = tokio::select! {
                biased;
                answer = &mut query => answer,
                _ = &mut connection => {
                    // It may have ended with the answer. Once it is gone, the query waits no more.
                    drop(connection);
                    return query.await.map(drop).map_err(|error| seen(&error));
                }
            };
            answer.map_err(|error| seen(&error))?;
        }
        // Says goodbye: the server logs every connection that breaks off.
        drop(client);
        let _ = connection.await;
        Ok(())
    }
}

fn seen(error: &tokio_postgres::Error) -> Seen {
    if let Some(said) = error.as_db_error() {
        return Seen::new(format!("{} ({})", said.message(), said.code().code()));
    }
    match error.source() {
        Some(cause) => Seen::new(format!("{error}: {cause}")),
        None => Seen::new(error.to_string()),
    }
}
