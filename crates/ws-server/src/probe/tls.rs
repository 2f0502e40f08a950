//! TLS with the system's roots, for `https` and `wss`.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::Seen;

/// Reading the roots is some 300 KB of disk and 150 certificates to parse: once for each process,
/// not at each attempt. A failure is not kept.
static CONNECTOR: OnceCell<TlsConnector> = OnceCell::const_new();

/// Shakes hands over `stream`, verifying that the certificate is for `host`.
pub(super) async fn handshake(stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, Seen> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Seen::new(format!("`{host}` is no name a certificate can be for")))?;
    let connector = CONNECTOR.get_or_try_init(connector).await?;
    connector
        .connect(name, stream)
        .await
        .map_err(|error| Seen::new(format!("TLS: {error}")))
}

async fn connector() -> Result<TlsConnector, Seen> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs)
        .await
        .map_err(|error| Seen::new(format!("TLS: cannot read the system's roots: {error}")))?;
    let mut roots = RootCertStore::empty();
    // Systems carry odd certificates: what cannot be used is left out, and nothing is trusted for
    // it.
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let why = found
            .errors
            .first()
            .map(|error| format!(" ({error})"))
            .unwrap_or_default();
        return Err(Seen::new(format!(
            "TLS: this system has no root certificates: install ca-certificates or set SSL_CERT_FILE{why}"
        )));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Seen::new(format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
