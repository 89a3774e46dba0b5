//! The sections of `stepwright.toml` that a server reads.

use crate::door::{Tenants, secret};
use crate::{Allowance, Credentials, Key};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The directory that everything is stored in. Without it, everything is in memory only.
    pub data: Option<PathBuf>,
    /// The URL of a PostgreSQL database to keep executions in instead. Several servers can share it.
    pub store: Option<String>,
    /// How the servers that share the store reach each other.
    pub nodes: Option<NodesConfig>,
    /// The account in ARNs.
    pub account: String,
    /// The region in ARNs.
    pub region: String,
    /// How many days executions are kept after their end; 0 keeps them forever.
    pub retention_days: u32,
    /// `aws`, or `extended` for limits on memory only.
    pub limits: LimitsName,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// The largest number of connections at once.
    pub max_connections: usize,
    /// The largest number of bytes of requests and answers in memory at once.
    pub max_bytes_in_flight: usize,
    /// How long a client may take to send the head or the body of a request, in seconds.
    pub request_seconds: u64,
    /// How long a client may take to read an answer, in seconds; a second more for each 128 KiB.
    pub answer_seconds: u64,
    /// How long a client may take for the TLS handshake, in seconds.
    pub handshake_seconds: u64,
    /// The largest number of operations per second; 0 for no limit.
    pub max_requests_per_second: u32,
    /// How long `GetActivityTask` waits for a task, in seconds.
    pub activity_poll_seconds: u64,
    /// The directory for the logs that `loggingConfiguration` asks for.
    pub logs: Option<PathBuf>,
    /// The names by which clients reach the server, in addition to this machine's names and AWS's.
    pub hosts: Vec<String>,
    /// The token with which a scraper may read `/metrics`: a bearer token, or `sha256:` and its
    /// hash.
    pub metrics_token: Option<String>,
    /// Encryption of connections.
    pub tls: Option<TlsConfig>,
    /// Whether clients on other machines may connect without encryption.
    pub insecure: bool,
    /// `docker`, `podman`, or the path of one of them: runs jobs of Batch and tasks of ECS as containers
    /// of their image. Without it, they are processes.
    pub containers: Option<String>,
    /// What a process of an image begins with, by patterns of images: `"aibs/*" = ["python3", "jobs.py"]`.
    pub images: BTreeMap<String, Vec<String>>,
    /// The folders that are used as EFS file systems, by patterns of their ids or of those of their access
    /// points.
    pub file_systems: BTreeMap<String, PathBuf>,
    /// Whether executions are found by what is in them: an index is written beside the store. The index is in
    /// clear, so that with `[encryption]` it is written only if this is said to be true.
    pub search: Option<bool>,
    /// Paths whose values are neither in the index nor shown in the console: `$.card.number`, `$..pin`.
    pub redact: Vec<String>,
    /// Whether, without credentials, every user of this machine is served, not only the one that the
    /// server runs as. Each of them can then run commands as that user.
    pub any_user: bool,
}

/// `[server.tls]`
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// A PEM file with the certificate and the chain from it to the root.
    pub certificate: PathBuf,
    /// A PEM file with the certificate's private key.
    pub key: PathBuf,
}

/// `[server.nodes]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodesConfig {
    /// The URL under which the other nodes reach this one.
    pub address: String,
    /// A key that all nodes have, of 16 characters or more.
    pub key: String,
    /// A PEM file with certificates that nodes trust besides the usual ones.
    pub certificates: Option<PathBuf>,
}

impl std::fmt::Debug for NodesConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key must not be printed.
        f.debug_struct("NodesConfig").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8083)),
            data: None,
            store: None,
            nodes: None,
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            retention_days: 90,
            limits: LimitsName::Aws,
            max_body_bytes: 8 << 20,
            max_connections: 10_000,
            max_bytes_in_flight: 256 << 20,
            request_seconds: 30,
            answer_seconds: 30,
            handshake_seconds: 10,
            max_requests_per_second: 0,
            activity_poll_seconds: 60,
            logs: None,
            hosts: Vec::new(),
            metrics_token: None,
            search: None,
            redact: Vec::new(),
            tls: None,
            insecure: false,
            containers: None,
            images: BTreeMap::new(),
            file_systems: BTreeMap::new(),
            any_user: false,
        }
    }
}

/// Which limits apply.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LimitsName {
    /// AWS's.
    Aws,
    /// Only limits on memory.
    Extended,
}

/// One `[[credentials]]`: an access key that may call operations.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialConfig {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key. Without it, nobody can sign with the key or log in with it: it is for those
    /// who log in with an identity provider.
    pub secret_access_key: Option<String>,
    /// The actions it allows, such as `states:StartExecution`; `*` stands for any characters.
    #[serde(default = "everything")]
    pub actions: Vec<String>,
    /// The ARNs that it allows them on; `*` stands for any characters.
    #[serde(default = "everything")]
    pub resources: Vec<String>,
    /// The account that its holder belongs to; the server's if left out.
    pub account: Option<String>,
}

impl std::fmt::Debug for CredentialConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret must not be printed.
        f.debug_struct("CredentialConfig")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// One `[[roles]]`: what executions of state machines with this role may do.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RoleConfig {
    /// The role's ARN, as in the `roleArn` of state machines.
    pub arn: String,
    /// What is allowed.
    #[serde(default)]
    pub allow: Vec<AllowConfig>,
}

/// One entry of `allow`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AllowConfig {
    /// The actions, such as `states:StartExecution`; `*` stands for any characters.
    pub actions: Vec<String>,
    /// The ARNs that they are allowed on; `*` stands for any characters.
    #[serde(default = "everything")]
    pub resources: Vec<String>,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

/// One `[machines.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineConfig {
    /// How many of its executions may run at once; further starts are refused.
    pub max_concurrent_executions: Option<u64>,
}

/// One `[accounts.ID]`: where an account is served, and how much of the server it may take.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// The regions that it has here; the server's if left out.
    #[serde(default)]
    pub regions: Vec<String>,
    /// The largest number of its operations per second; 0 for no limit.
    #[serde(default)]
    pub max_requests_per_second: u32,
    /// How many executions may run at once in each of its regions; further starts are refused.
    pub max_concurrent_executions: Option<u64>,
}

/// `[objects]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsConfig {
    /// A directory that stands in for S3: each directory in it is a bucket.
    pub folder: Option<PathBuf>,
}

/// `[archive]`: where executions are kept before retention forgets them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// A directory; either this or a bucket.
    pub folder: Option<PathBuf>,
    /// A bucket of the S3 that distributed Maps write to.
    pub bucket: Option<String>,
    /// What the keys of its objects begin with.
    pub prefix: Option<String>,
    /// What its files are.
    #[serde(default)]
    pub format: ArchiveFormat,
}

/// What the files of an archive are.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveFormat {
    /// A line of JSON for each execution.
    #[default]
    Jsonl,
    /// A table with a row for each event.
    Parquet,
}

/// `[otlp]`: a collector for logs and traces.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct OtlpConfig {
    /// The collector's endpoint for OTLP over HTTP, such as `http://127.0.0.1:4318`. The paths
    /// `/v1/logs` and `/v1/traces` are appended.
    pub endpoint: String,
    /// Headers of each request, for collectors that require authentication.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The value of `service.name`.
    #[serde(default = "stepwright")]
    pub service: String,
}

fn stepwright() -> String {
    "stepwright".to_owned()
}

/// `[encryption]`: what is stored is encrypted.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct EncryptionConfig {
    /// The keys: the first one encrypts, and all of them decrypt.
    #[serde(default)]
    pub keys: Vec<KeyConfig>,
}

/// Where a key is. It is never in the configuration itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// A file that holds it.
    pub file: Option<PathBuf>,
    /// A variable of the environment that holds it.
    pub env: Option<String>,
}

/// `[oidc]`: logins of the console with an identity provider.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// The provider's issuer: a URL, below which `.well-known/openid-configuration` is found.
    pub issuer: String,
    /// What the provider knows this server as.
    pub client_id: String,
    /// The secret that it has given to this server, unless the client is a public one.
    pub client_secret: Option<String>,
    /// What is asked for besides `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// What the button of the login calls the provider; its host if left out.
    pub name: Option<String>,
    /// The URL that the provider sends browsers back to, if they reach the server at another one than it
    /// knows, for example through a proxy.
    pub redirect_uri: Option<String>,
    /// Who has the rights of which key. The first one that fits counts.
    #[serde(default, rename = "grant")]
    pub grants: Vec<OidcGrant>,
}

impl OidcConfig {
    /// The keys that its grants name.
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.grants.iter().map(|grant| &*grant.key).collect()
    }
}

impl std::fmt::Debug for OidcConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret must not be printed.
        f.debug_struct("OidcConfig")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

fn scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

/// One `[[oidc.grant]]`: people of whom the provider says this have the rights of this key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct OidcGrant {
    /// The name of a claim, such as `groups`, `email` or `sub`.
    pub claim: String,
    /// Its value, or one of its values; `*` stands for any characters.
    pub value: String,
    /// The access key id in `[[credentials]]`.
    pub key: String,
}

/// Why the configured credentials are not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// A key has no id or no secret.
    #[error(
        "the key `{0}` of `[[credentials]]` has an empty id or secret, or one of `:`, `/` and `,` in its id"
    )]
    Empty(String),
    /// A key has no secret, and nobody has it without.
    #[error(
        "the key `{0}` of `[[credentials]]` has no `secret_access_key`; only a key that an `[[oidc.grant]]` names needs none"
    )]
    NoSecret(String),
    /// Two keys have the same id.
    #[error("the key `{0}` stands in `[[credentials]]` twice")]
    Twice(String),
    /// A role's ARN is none.
    #[error("the role `{0}` of `[[roles]]` has no ARN: it begins with `arn:`")]
    Role(String),
    /// Two roles have the same ARN.
    #[error("the role `{0}` stands in `[[roles]]` twice")]
    RoleTwice(String),
    /// An account is none.
    #[error("the account `{0}` of `{1}` is none: an account has twelve digits")]
    Account(String, String),
    /// A section is of an account that nobody has.
    #[error(
        "`[accounts.{0}]` is of no use: no key of `[[credentials]]` has `account = \"{0}\"`, and it is not the server's"
    )]
    Nobody(String),
    /// A region is none.
    #[error("`{1}` in `regions` of `[accounts.{0}]` is no region, such as `eu-west-1`")]
    Region(String, String),
    /// A metrics token is not valid.
    #[error("`metrics_token` is neither a token nor `sha256:` and 64 hexadecimal digits")]
    Token,
}

/// What the callers of a server show, as it is configured.
#[derive(Clone, Copy, Debug)]
pub struct Configured<'c> {
    /// `[server]`
    pub server: &'c ServerConfig,
    /// `[[credentials]]`
    pub credentials: &'c [CredentialConfig],
    /// `[[roles]]`
    pub roles: &'c [RoleConfig],
    /// `[accounts]`
    pub accounts: &'c BTreeMap<String, AccountConfig>,
    /// `[oidc]`
    pub oidc: Option<&'c OidcConfig>,
}

/// The keys of `[[credentials]]` with their accounts, the roles of `[[roles]]`, and the token for metrics.
pub fn credentials(configured: Configured<'_>) -> Result<Credentials, CredentialsError> {
    let Configured { server, credentials: configured, roles, accounts, oidc } = configured;
    // The keys that people have who log in with an identity provider.
    let granted = oidc.map(OidcConfig::keys).unwrap_or_default();
    let tenants = Tenants::read(server, configured, accounts)?;
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    for one in configured {
        let id = one.access_key_id.clone();
        // Nobody signs with a secret that nobody knows.
        let secret = one.secret_access_key.clone().unwrap_or_else(secret);
        // A colon would end the id in a browser's login, and a slash would end it in a signature.
        if id.is_empty() || id.contains([':', '/', ',']) || secret.is_empty() {
            return Err(CredentialsError::Empty(id));
        }
        if one.secret_access_key.is_none() && !granted.contains(&&*id) {
            return Err(CredentialsError::NoSecret(id));
        }
        let key = Key {
            secret,
            allowance: Allowance { actions: one.actions.clone(), resources: one.resources.clone() },
            tenant: tenants.of(one.account.as_deref()),
        };
        if keys.insert(id.clone(), key).is_some() {
            return Err(CredentialsError::Twice(id));
        }
    }
    let credentials = Credentials::new(keys).with_roles(read_roles(roles)?).with_tenants(tenants);
    match &server.metrics_token {
        Some(token) => credentials.with_metrics_token(token).ok_or(CredentialsError::Token),
        None => Ok(credentials),
    }
}

fn read_roles(
    configured: &[RoleConfig],
) -> Result<BTreeMap<String, Vec<Allowance>>, CredentialsError> {
    let mut roles = BTreeMap::new();
    for RoleConfig { arn, allow } in configured {
        if !arn.starts_with("arn:") {
            return Err(CredentialsError::Role(arn.clone()));
        }
        let allowed = allow.iter().cloned();
        let allowed =
            allowed.map(|AllowConfig { actions, resources }| Allowance { actions, resources });
        if roles.insert(arn.clone(), allowed.collect()).is_some() {
            return Err(CredentialsError::RoleTwice(arn.clone()));
        }
    }
    Ok(roles)
}
