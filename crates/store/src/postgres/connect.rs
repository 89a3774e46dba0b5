//! Connections to the database: addresses, encryption, and what went wrong in a person's words.

use crate::StoreError;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr as _;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Socket};
use tokio_rustls::client::TlsStream as Encrypted;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long data may stay unacknowledged before the connection counts as lost.
const SILENCE: Duration = Duration::from_secs(10);

/// Where systems keep the certificates of the authorities that they trust.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How the database is reached.
#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
    tls: Tls,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Address {
    /// Reads a URL. What is encrypted is verified, by the authorities in `sslrootcert` or those of the
    /// system. Only connections that stay on this machine are not encrypted unless the URL says so.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let wrong = |why: &str| StoreError::new(format!("the URL of the database is wrong: {why}"));
        if !is_postgres(url) {
            return Err(wrong("it must begin with `postgres://`"));
        }
        let (rest, parameters) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut authorities, mut others) = (None, None, Vec::new());
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => authorities = Some(PathBuf::from(decoded(value))),
                _ => others.push(parameter),
            }
        }
        let plain = format!("{rest}?{}", others.join("&"));
        let plain = plain.trim_end_matches('?');
        let mut config = Config::from_str(plain).map_err(|error| {
            // The text of the error has no part of the URL but the name of a parameter.
            let source = std::error::Error::source(&error).map(ToString::to_string);
            wrong(&source.unwrap_or_else(|| error.to_string()))
        })?;
        let stays_here = config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                name == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
        });
        let is_encrypted = match mode {
            None => !stays_here,
            Some("disable") => false,
            Some("require" | "verify-full") => true,
            Some(other) => {
                let choices = "it can be `disable`, `require` or `verify-full`, and what is \
                               encrypted is always verified";
                return Err(wrong(&format!("`sslmode` is `{other}`; {choices}")));
            }
        };
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host; a socket's folder is given as `?host=/run/…`"));
        }
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(PATIENCE);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config.keepalives_idle(SILENCE);
        config.ssl_mode(if is_encrypted { SslMode::Require } else { SslMode::Disable });
        let tls = Tls::new(is_encrypted, authorities.as_deref())?;
        Ok(Self { config, tls })
    }

    /// The address without the password.
    pub(crate) fn shown(&self) -> String {
        let hosts = self.config.get_hosts().iter().enumerate().map(|(place, host)| match host {
            Host::Tcp(name) => {
                let ports = self.config.get_ports();
                let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
                if name.contains(':') {
                    format!("[{name}]:{port}")
                } else {
                    format!("{name}:{port}")
                }
            }
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<String> = hosts.collect();
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("postgres://{}/{database}", hosts.join(","))
    }

    /// Opens a connection under the name that PostgreSQL shows for it.
    pub(crate) async fn connect(&self, name: &str) -> Result<Client, StoreError> {
        let mut config = self.config.clone();
        config.application_name(name);
        let connected = tokio::time::timeout(PATIENCE, config.connect(self.tls.clone())).await;
        let connected =
            connected.map_err(|_| StoreError::new(format!("{} does not answer", self.shown())))?;
        let (client, connection) = connected.map_err(|error| self.refused(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = text(&error), "a connection to PostgreSQL was lost");
            }
        });
        Ok(client)
    }

    fn refused(&self, error: &tokio_postgres::Error) -> StoreError {
        let at = self.shown();
        let code = error.code().cloned();
        let what = match code {
            Some(SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
                format!("{at} refuses the user or the password: {}", text(error))
            }
            Some(SqlState::INVALID_CATALOG_NAME) => {
                format!(
                    "{at} is no database of that server: {}; make it with createdb",
                    text(error)
                )
            }
            Some(SqlState::TOO_MANY_CONNECTIONS) => format!(
                "{at} has no connection left: {}; a node takes 8, see max_connections",
                text(error)
            ),
            _ => format!("{at} cannot be reached: {}", text(error)),
        };
        StoreError::new(what)
    }
}

/// Whether a store is named by the URL of a database rather than by a folder.
pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// `%2F` and the like.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        match code.filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An error in words: what PostgreSQL said, or what became of the connection.
pub(crate) fn text(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        return format!("{}{detail}", said.message());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

pub(crate) fn broken(error: tokio_postgres::Error) -> StoreError {
    StoreError::new(format!("PostgreSQL: {}", text(&error)))
}

/// Whether the statement was refused, and so changed nothing. After anything else, a connection that
/// was lost above all, it is not known what came of the statement.
pub(crate) fn is_refusal(error: &tokio_postgres::Error) -> bool {
    let severity = error.as_db_error().and_then(tokio_postgres::error::DbError::parsed_severity);
    severity == Some(Severity::Error)
}

/// Encrypts connections, or does not.
#[derive(Clone)]
pub(crate) struct Tls(Option<Arc<ClientConfig>>);

impl Tls {
    fn new(is_encrypted: bool, authorities: Option<&Path>) -> Result<Self, StoreError> {
        if !is_encrypted {
            return Ok(Self(None));
        }
        let by_variable = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let named = authorities.map(Path::to_owned).or(by_variable);
        let file =
            named.or_else(|| AUTHORITIES.iter().map(PathBuf::from).find(|path| path.is_file()));
        let Some(file) = file else {
            return Err(StoreError::new(
                "this system has no file of certificates to verify the database's by; name one with \
                 `sslrootcert=FILE` in the URL",
            ));
        };
        let unreadable = |why: &dyn std::fmt::Display| {
            let file = file.display();
            StoreError::new(format!("the certificates in {file} cannot be read: {why}"))
        };
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(&file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|why| unreadable(&why))?;
        // A system's file may hold certificates that are not understood here.
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(unreadable(&"it has none"));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|why| unreadable(&why))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Some(Arc::new(config))))
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Connector;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Connector, InvalidDnsNameError> {
        Ok(Connector { config: self.0.clone(), name: ServerName::try_from(domain.to_owned()).ok() })
    }
}

/// Encrypts one connection.
pub(crate) struct Connector {
    config: Option<Arc<ClientConfig>>,
    name: Option<ServerName<'static>>,
}

impl TlsConnect<Socket> for Connector {
    type Stream = Stream;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let (Some(config), Some(name)) = (self.config, self.name) else {
                return Err(std::io::Error::other("the host has no name to verify"));
            };
            let stream = tokio_rustls::TlsConnector::from(config).connect(name, socket).await?;
            Ok(Stream(Box::new(stream)))
        })
    }
}

/// An encrypted connection.
pub(crate) struct Stream(Box<Encrypted<Socket>>);

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate is verified.
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password_and_verified_unless_it_stays_here() {
        let shown = |url: &str| match Address::parse(url) {
            Ok(address) => format!("{} {:?}", address.shown(), address.config.get_ssl_mode()),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            shown("postgres://me:secret@127.0.0.1:5433/steps"),
            "postgres://127.0.0.1:5433/steps Disable"
        );
        assert_eq!(shown("postgres://me@[::1]/steps"), "postgres://[::1]:5432/steps Disable");
        assert_eq!(
            shown("postgresql://me@/steps?host=/run/postgresql"),
            "postgres:///run/postgresql/steps Disable"
        );
        assert_eq!(
            shown("postgres://me@db.example/steps?sslmode=disable&connect_timeout=3"),
            "postgres://db.example:5432/steps Disable"
        );
        assert_eq!(
            shown("postgres://me@db.example/steps?sslrootcert=%2Fnowhere"),
            "the certificates in /nowhere cannot be read: I/O error: No such file or directory (os error 2)"
        );
        assert_eq!(
            shown("postgres://me:secret@db.example/steps?sslmode=prefer"),
            "the URL of the database is wrong: `sslmode` is `prefer`; it can be `disable`, `require` or \
             `verify-full`, and what is encrypted is always verified"
        );
        assert_eq!(
            shown("postgres://me@h/steps?colour=blue"),
            "the URL of the database is wrong: unknown option `colour`"
        );
        assert_eq!(
            shown("mysql://me@h/steps"),
            "the URL of the database is wrong: it must begin with `postgres://`"
        );
    }
}
