//! What is replaced while a server runs: keys, roles, grants, the token for metrics, the certificate, the keys
//! of the store.

use crate::config::{self, Configured, CredentialsError};
use crate::door::{Credentials, Sessions};
use crate::oidc::{Oidc, OidcError, check_grants};
use crate::tls::{self, Tls, TlsError};
use std::sync::Arc;
use stepwright_store::{KeyChange, Keyring, StoreError};

/// Replaces what a server's callers show, and what it shows them. Calls that are under way end as they
/// began; open connections keep their certificate.
#[derive(Clone)]
pub struct Reloader {
    pub(crate) credentials: Credentials,
    pub(crate) tls: Option<Tls>,
    pub(crate) oidc: Option<Arc<Oidc>>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) key_change: Option<KeyChange>,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

/// Why everything stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configured credentials are not valid.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The certificate cannot be used.
    #[error("`[server.tls]` cannot be used")]
    Tls(#[from] TlsError),
    /// A server with keys does not become one without, nor the other way round.
    #[error("the first key and the last one need a restart")]
    Keys,
    /// The grants cannot be used.
    #[error(transparent)]
    Grants(#[from] OidcError),
    /// Another identity provider.
    #[error("to change `[oidc]`, but for its grants, needs a restart")]
    Provider,
    /// An encrypted server does not become another, nor the other way round.
    #[error("to begin or to end encryption needs a restart")]
    Encryption,
    /// The store was encrypted with keys that are not there any more, or cannot be written to.
    #[error("the keys of `[encryption]` cannot be changed")]
    Store(#[from] StoreError),
}

impl Reloader {
    /// Takes over what is configured now: all of it, or nothing. `encryption` are the keys of `[encryption]`.
    pub async fn reload(
        &self,
        configured: Configured<'_>,
        encryption: Option<&Keyring>,
    ) -> Result<(), ReloadError> {
        let Configured { server, oidc, .. } = configured;
        let credentials = config::credentials(configured)?;
        if credentials.is_empty() != self.credentials.is_empty() {
            return Err(ReloadError::Keys);
        }
        match (&self.oidc, oidc) {
            (Some(held), Some(configured)) if held.is_of(configured) => {
                check_grants(configured, &credentials)?;
            }
            (None, None) => {}
            _ => return Err(ReloadError::Provider),
        }
        let certificate = match (&self.tls, &server.tls) {
            (Some(held), Some(configured)) => Some((held, tls::read(configured)?)),
            (None, None) => None,
            _ => return Err(ReloadError::Encryption),
        };
        match (&self.key_change, encryption) {
            (Some(held), Some(configured)) => held.change(configured).await?,
            (None, None) => {}
            _ => return Err(ReloadError::Encryption),
        }
        // From here on, nothing fails.
        if let Some((held, certificate)) = certificate {
            held.show(certificate);
        }
        self.credentials.replace(&credentials);
        // Whose rights somebody has is known at their login only: they log in again.
        if let (Some(held), Some(configured)) = (&self.oidc, oidc)
            && held.replace_grants(configured)
        {
            self.sessions.end_people();
        }
        Ok(())
    }
}
