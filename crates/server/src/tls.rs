//! TLS for the server's own listener.

use crate::config::TlsConfig;
use parking_lot::RwLock;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};

/// Why connections cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{} cannot be read as PEM", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The reason.
        #[source]
        why: PemError,
    },
    /// The certificate file contains no certificate.
    #[error("{} has no certificate", _0.display())]
    NoCertificate(PathBuf),
    /// The certificate and the key cannot be used, for example because they do not match.
    #[error("the certificate and the key cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// Encrypts connections with a certificate that can be replaced: those that are open keep theirs.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    shown: Arc<Shown>,
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

impl Tls {
    /// Encrypts with the certificate and the key of these files.
    pub(crate) fn new(config: &TlsConfig) -> Result<Self, TlsError> {
        // The provider is named, so that the process's default provider does not matter.
        let provider = Arc::new(ring::default_provider());
        let shown = Arc::new(Shown(RwLock::new(read(config)?)));
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(server)), shown })
    }

    /// Shows another certificate from now on.
    pub(crate) fn show(&self, certificate: Arc<CertifiedKey>) {
        *self.shown.0.write() = certificate;
    }
}

/// Reads the certificate and its key, which must match.
pub(crate) fn read(config: &TlsConfig) -> Result<Arc<CertifiedKey>, TlsError> {
    let unreadable = |file: &Path| {
        let file = file.to_owned();
        move |why| TlsError::File { file, why }
    };
    let certificates = CertificateDer::pem_file_iter(&config.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable(&config.certificate))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(config.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(unreadable(&config.key))?;
    Ok(Arc::new(CertifiedKey::from_der(certificates, key, &ring::default_provider())?))
}
