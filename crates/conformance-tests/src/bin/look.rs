//! Looks once at the address in its argument, and says what it saw: for what a process reads only
//! once, as the roots that `SSL_CERT_FILE` names.

use ws_server::probe::Probe;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("usage: look ADDRESS")?;
    let seen = address.parse::<Probe>()?.check().await;
    println!(
        "{}",
        seen.map_or_else(|error| error.to_string(), |()| "ready".to_owned())
    );
    Ok(())
}
