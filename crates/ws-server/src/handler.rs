//! Whoever serves the connections.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::connection::Connection;
use crate::request::Request;

/// What a handler's error is kept as.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Serves one connection at a time it is called: a loop over its messages, usually.
///
/// Any `Fn(Connection) -> impl Future` is one, whose future gives `()` or a `Result<(), E>`. When
/// the future ends, the connection is closed with 1000; when it fails or panics, with 1011, and
/// no other connection notices.
pub trait Handler: Send + Sync + 'static {
    /// Serves `connection` until it has nothing more to say to it.
    fn handle(
        &self,
        connection: Connection,
    ) -> impl Future<Output = Result<(), BoxError>> + Send + 'static;
}

impl<F, Fut> Handler for F
where
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: HandlerResult> + Send + 'static,
{
    fn handle(
        &self,
        connection: Connection,
    ) -> impl Future<Output = Result<(), BoxError>> + Send + 'static {
        let served = self(connection);
        async move { served.await.into_result() }
    }
}

/// What the future of a closure that serves connections may give.
pub trait HandlerResult {
    /// The same as a result.
    ///
    /// # Errors
    ///
    /// The handler's own.
    fn into_result(self) -> Result<(), BoxError>;
}

impl HandlerResult for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> HandlerResult for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// Where handlers come from, without their type.
pub(crate) type Handlers =
    Arc<dyn Fn(Connection) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>;

/// One handler for all connections.
pub(crate) fn shared(handler: impl Handler) -> Handlers {
    let handler = Arc::new(handler);
    Arc::new(move |connection| {
        let handler = Arc::clone(&handler);
        Box::pin(async move { handler.handle(connection).await })
    })
}

/// A handler of its own for each connection.
pub(crate) fn isolated<H: Handler>(
    factory: impl Fn(&Request) -> H + Send + Sync + 'static,
) -> Handlers {
    let factory = Arc::new(factory);
    Arc::new(move |connection| {
        let factory = Arc::clone(&factory);
        Box::pin(async move { factory(connection.request()).handle(connection).await })
    })
}

/// Sends every message back as it came.
///
/// # Errors
///
/// None: a client that leaves ends the echo.
pub async fn echo(mut connection: Connection) -> Result<(), BoxError> {
    while let Some(message) = connection.recv().await {
        if connection.send(message).await.is_err() {
            break;
        }
    }
    Ok(())
}
