//! An axum service whose port answers at once, and says how far startup is.
//!
//! `cargo run -p startup-phases --example phases_in_axum -- 127.0.0.1:3000 127.0.0.1:9000`
//!
//! It needs a database on the second address. `python3 -m http.server 9000` will do for one.

use std::error::Error;
use std::future::IntoFuture as _;
use std::io;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use futures::{FutureExt as _, TryFutureExt as _};
use startup_phases::{Phase, PhaseWatch, Sequence, Step};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:3000".to_owned());
    let database = arguments.next().unwrap_or("127.0.0.1:9000".to_owned());
    let startup = Sequence::builder()
        .step(Step::polling(Phase::Database, "database", move || {
            TcpStream::connect(database.clone()).map_ok(drop)
        }))
        .step(Step::new(Phase::Cache, "prices", load_prices).optional())
        .step(Step::new(Phase::Services, "jobs", start_jobs).on_stop(stop_jobs))
        .build()?;

    // Everybody who wants to know how far startup is takes a watch. Here it is the router's state.
    let router = Router::new()
        .route("/", get(hello))
        .route("/readyz", get(readyz))
        .with_state(startup.watch());
    let stop = told_to_stop()?.shared();
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);

    // First the port, then startup: from here on /readyz answers.
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone());
    let server = tokio::spawn(server.into_future());
    let started = startup.run_until(stop).await;
    let started = started.map_err(|failed| failed.to_string())?;
    println!("{started}");

    server.await??;
    println!("{}", started.stop().await);
    Ok(())
}

/// 200 once startup is complete, 503 before that and if it has failed, and where it stands.
async fn readyz(State(phases): State<PhaseWatch>) -> (StatusCode, String) {
    let report = phases.report();
    let status = match report.state {
        startup_phases::State::Complete => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{report}\n"))
}

/// A request that comes early waits for what it needs. For a limit and an order, see `ws-queue`.
async fn hello(State(phases): State<PhaseWatch>) -> Result<&'static str, (StatusCode, String)> {
    let ready = phases.reached(Phase::Services).await;
    ready.map_err(|failure| (StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")))?;
    Ok("hello\n")
}

async fn load_prices() -> io::Result<()> {
    Err(io::Error::other("not there today"))
}

async fn start_jobs() -> io::Result<()> {
    Ok(())
}

async fn stop_jobs() -> io::Result<()> {
    Ok(())
}

/// From here on the process is not ended by these signals, but told.
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
