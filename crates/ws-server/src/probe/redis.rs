//! `redis://`: `PING` is answered with `PONG`.

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
};
use url::Url;

use super::address::{refuse_query, refuse_rest_of_password};
use super::connect::Endpoint;
use super::error::Seen;

pub(super) struct Redis {
    endpoint: Endpoint,
    session: RedisConnectionInfo,
}

impl Redis {
    pub(super) fn parse(url: &Url) -> Result<Self, String> {
        refuse_query(url)?;
        refuse_rest_of_password(url)?;
        let database = url.path().trim_matches('/');
        if !database.is_empty() && database.parse::<u32>().is_err() {
            return Err(format!(
                "`{database}` is no database number: write redis://HOST:PORT/0"
            ));
        }
        if !url.username().is_empty() && url.password().is_none() {
            return Err(
                "a user without a password: write redis://USER:PASSWORD@HOST:PORT/DB".to_owned(),
            );
        }
        let endpoint = Endpoint::of(url, Some(6379))?;
        let info = url
            .as_str()
            .into_connection_info()
            .map_err(|error| error.to_string())?;
        // Naming the library is for sessions that somebody may want to look at: a probe's is over
        // at once.
        let session = info.redis_settings().clone().set_skip_set_lib_name();
        Ok(Self { endpoint, session })
    }

    pub(super) async fn check(&self) -> Result<(), Seen> {
        let stream = self.endpoint.connect().await?;
        // The attempt has its own limit.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (mut connection, driver) =
            MultiplexedConnection::new_with_config(&self.session, stream, config)
                .await
                .map_err(|error| seen(&error))?;
        let ping = ::redis::cmd("PING");
        let ping = ping.query_async::<String>(&mut connection);
        // Driven here and not in a task, so that dropping the attempt closes the connection.
        tokio::pin!(ping);
        let answer = tokio::select! {
            biased;
            answer = &mut ping => answer,
            // The driver's end decides the ping, so this does not wait.
            () = driver => ping.await,
        };
        let answer = answer.map_err(|error| seen(&error))?;
        match answer.as_str() {
            "PONG" => Ok(()),
            other => Err(Seen::new(format!("answered PING with `{other}`"))),
        }
    }
}

fn seen(error: &RedisError) -> Seen {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return Seen::new("password authentication failed");
    }
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => Seen::new(format!("{code} {detail}")),
        _ => Seen::new(format!("no Redis answer: {error}")),
    }
}
