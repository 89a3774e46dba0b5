//! `stepwright.toml`: the configuration of functions and the server.

use crate::input;
use crate::report::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_functions::{AwsFunction, Function, Functions, LogSink, Place};
use stepwright_integrations::{AwsServices, ConnectionConfig, HttpConfig, ServiceConfig};
use stepwright_server::Assembly;
use stepwright_server::config::{
    AccountConfig, ArchiveConfig, Configured, CredentialConfig, EncryptionConfig, MachineConfig,
    ObjectsConfig, OidcConfig, OtlpConfig, RoleConfig, ServerConfig,
};
use stepwright_server::encryption::keyring;
use stepwright_stacks::ResourceConfig;
use stepwright_upkeep::{Complaint, Kept};

/// The contents of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Functions by the name of a function, a full resource ARN, or the name of a state.
    #[serde(default)]
    pub(crate) functions: BTreeMap<String, Function>,
    /// Where AWS's services are called, by their names in AWS SDK integrations; `default` for all
    /// others.
    #[serde(default)]
    services: BTreeMap<String, ServiceConfig>,
    /// What HTTP tasks may call, and with which credentials.
    #[serde(default)]
    http: HttpConfig,
    #[serde(default)]
    connections: BTreeMap<String, ConnectionConfig>,
    /// The same, checked.
    #[serde(skip)]
    pub(crate) aws: Arc<AwsServices>,
    /// The server.
    #[serde(default)]
    pub(crate) server: ServerConfig,
    /// The credentials of its callers.
    #[serde(default)]
    pub(crate) credentials: Vec<CredentialConfig>,
    /// What executions may do, by the role of their state machine.
    #[serde(default)]
    pub(crate) roles: Vec<RoleConfig>,
    /// Limits of state machines, by name.
    #[serde(default)]
    pub(crate) machines: BTreeMap<String, MachineConfig>,
    /// Where accounts are served, and how much of the server each may take.
    #[serde(default)]
    pub(crate) accounts: BTreeMap<String, AccountConfig>,
    /// The object store that stands in for S3.
    #[serde(default)]
    pub(crate) objects: ObjectsConfig,
    /// Where executions are kept before they are forgotten.
    pub(crate) archive: Option<ArchiveConfig>,
    /// The keys that what is stored is encrypted with.
    pub(crate) encryption: Option<EncryptionConfig>,
    /// An identity provider that people log in to the console with.
    pub(crate) oidc: Option<OidcConfig>,
    /// A collector for logs and traces.
    pub(crate) otlp: Option<OtlpConfig>,
    /// Queues, tables, buckets and the like, as a template would declare them.
    #[serde(default)]
    pub(crate) resources: BTreeMap<String, ResourceConfig>,
    /// The folder of the file.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// What a server would say of the text of a configuration, and where it would keep executions.
pub(crate) fn kept(text: &str, folder: &Path) -> Result<Kept, Complaint> {
    let mut config: Config = toml::from_str(text)
        .map_err(|error| Complaint { at: error.span(), message: error.message().into() })?;
    let (data, store) = (config.server.data.clone(), config.server.store.clone());
    config.start_at(folder);
    let mut refused: Vec<String> = config.services_of().err().into_iter().collect();
    let functions = config.functions.iter();
    refused.extend(functions.filter_map(|(name, one)| Some(one.check(name).err()?.to_string())));
    let keys = keyring(config.encryption.as_ref(), folder);
    refused.extend(keys.err().map(|error| error.to_string()));
    let Config { server, credentials, roles, accounts, oidc, archive, .. } = config;
    let none = Functions::new(BTreeMap::new(), PathBuf::new(), Place::default());
    if let Ok(none) = none {
        let assembly =
            Assembly { server, credentials, roles, accounts, oidc, archive, ..Assembly::new(none) };
        refused.extend(assembly.refusals().iter().map(|error| with_sources(error)));
    }
    Ok(Kept { refused, data, store })
}

/// An error with what has caused it.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

impl Config {
    /// Reads the named file, or else the one beside the definition, if it exists.
    pub(crate) fn find(named: Option<&Path>, definition: &Path) -> Result<Self, Failure> {
        let folder = definition.parent().unwrap_or(Path::new(""));
        let path = match named {
            Some(path) => path.to_owned(),
            None => {
                let path = folder.join("stepwright.toml");
                if !path.is_file() {
                    return Ok(Self::default().with_functions_elsewhere());
                }
                path
            }
        };
        let text = input::read_text(&path)?;
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            Failure::new(format!("{} cannot be used:\n{error}", path.display()))
        })?;
        config.folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let services = config.services_of();
        config.aws =
            services.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        for (name, function) in &config.functions {
            function
                .check(name)
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        }
        Ok(config.with_functions_elsewhere())
    }

    /// The places of services, and the connections, checked.
    fn services_of(&self) -> Result<Arc<AwsServices>, String> {
        let services = AwsServices::new(&self.services)
            .and_then(|aws| aws.with_connections(&self.http, &self.connections, &self.folder));
        services.map(Arc::new).map_err(|error| error.to_string())
    }

    /// Has the relative paths of the server begin at the folder of the file.
    pub(crate) fn start_at(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
        let server = &mut self.server;
        server.data = server.data.take().map(|path| folder.join(path));
        for path in server.file_systems.values_mut() {
            *path = std::path::absolute(folder.join(&*path)).unwrap_or_default();
        }
        server.logs = server.logs.take().map(|path| folder.join(path));
        if let Some(tls) = &mut server.tls {
            tls.certificate = folder.join(&tls.certificate);
            tls.key = folder.join(&tls.key);
        }
        if let Some(nodes) = &mut server.nodes {
            nodes.certificates = nodes.certificates.take().map(|path| folder.join(path));
        }
    }

    /// Creates the functions, which print to the sink. No process is started before a function is
    /// called.
    pub(crate) fn functions(&self, sink: LogSink) -> Result<Functions, Failure> {
        let functions = self.functions.clone();
        let (folder, place) = (self.folder.clone(), self.place());
        Functions::configured(functions, folder, place, sink, Vec::new())
            .map_err(|error| Failure::new(error.to_string()))
    }

    /// Calls functions without a section of their own at the endpoint of Lambda that `LAMBDA_ENDPOINT`
    /// names, as Step Functions Local does.
    fn with_functions_elsewhere(mut self) -> Self {
        let named = std::env::var("LAMBDA_ENDPOINT").ok().filter(|value| !value.is_empty());
        if named.is_some() {
            let aws = Some(AwsFunction { endpoint: named, ..AwsFunction::default() });
            let elsewhere = Function { aws, ..Function::default() };
            self.functions.entry("*".to_owned()).or_insert(elsewhere);
        }
        self
    }

    /// The folders and files with the code of the functions.
    pub(crate) fn code(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for function in self.functions.values() {
            found.extend(function.code.as_ref().map(|code| self.folder.join(code)));
            let words = function.command.iter().flatten().map(|word| self.folder.join(word));
            found.extend(words.filter(|path| path.is_file()));
        }
        found
    }

    /// What callers show.
    pub(crate) fn callers(&self) -> Configured<'_> {
        let Self { server, credentials, roles, accounts, oidc, .. } = self;
        Configured { server, credentials, roles, accounts, oidc: oidc.as_ref() }
    }

    /// The account and region of machines and functions.
    pub(crate) fn place(&self) -> Place {
        Place { account: self.server.account.clone(), region: self.server.region.clone() }
    }
}
