//! What is replaced while a server runs: keys, roles, grants, the token for metrics, the certificate.

use crate::config::{self, Configured, CredentialsError};
use crate::door::{Credentials, Sessions};
use crate::oidc::{Oidc, OidcError, check_grants};
use crate::tls::{self, Tls, TlsError};
use std::sync::Arc;

/// Replaces what a server's callers show, and what it shows them. Calls that are under way end as they
/// began; open connections keep their certificate.
#[derive(Clone)]
pub struct Reloader {
    pub(crate) credentials: Credentials,
    pub(crate) tls: Option<Tls>,
    pub(crate) oidc: Option<Arc<Oidc>>,
    pub(crate) sessions: Arc<Sessions>,
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
}

impl Reloader {
    /// Takes over what is configured now: all of it, or nothing.
    pub fn reload(&self, configured: Configured<'_>) -> Result<(), ReloadError> {
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
        match (&self.tls, &server.tls) {
            (Some(held), Some(configured)) => held.show(tls::read(configured)?),
            (None, None) => {}
            _ => return Err(ReloadError::Encryption),
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
