//! Assembles a server from its configuration.

use crate::archive::{ArchiveError, Archiver};
use crate::config::{
    AccountConfig, ArchiveConfig, Configured, CredentialConfig, CredentialsError, LimitsName,
    MachineConfig, ObjectsConfig, OidcConfig, OtlpConfig, RoleConfig, ServerConfig,
};
use crate::door::{Hosts, Right, access_denied};
use crate::nodes::{HttpPeers, NodesError};
use crate::oidc::{Oidc, OidcError};
use crate::otlp::{Observers, Otlp};
use crate::resources::Resources;
use crate::tls::{Tls, TlsError};
use crate::world::{Reached, Teller};
use crate::{Api, Credentials, LogFiles, Serving, Settings, config, is_loopback};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stepwright_asl::Template;
use stepwright_console::Console;
use stepwright_engine::{
    Archive, Authorizer as _, Clock, Engine, Facts, NoObjects, ObjectStore, Observer, OpenError,
    Options, Peers, Silent, SystemClock, WeakEngine,
};
use stepwright_functions::{Functions, Place};
use stepwright_integrations::{
    AwsServices, Integrations, LocalTasks, Mocked, Pending, ServiceObjects, StepFunctions,
};
use stepwright_json::Json;
use stepwright_program::{Limits, Vintage};
use stepwright_protocol::ApiError;
use stepwright_search::{Redaction, RedactionError, Search};
use stepwright_services::{Containers, OF_NODES, Seat, Services, Substitutes};
use stepwright_store::{KeyChange, Keyring, Memory, Postgres, Sqlite, Store, StoreError, sealed};

/// The parts that a server is assembled from.
pub struct Assembly {
    /// `[server]`
    pub server: ServerConfig,
    /// `[[credentials]]`
    pub credentials: Vec<CredentialConfig>,
    /// `[[roles]]`
    pub roles: Vec<RoleConfig>,
    /// `[machines]`
    pub machines: BTreeMap<String, MachineConfig>,
    /// `[accounts]`
    pub accounts: BTreeMap<String, AccountConfig>,
    /// `[objects]`
    pub objects: ObjectsConfig,
    /// `[archive]`
    pub archive: Option<ArchiveConfig>,
    /// `[encryption]`, with the keys that it names.
    pub encryption: Option<Keyring>,
    /// `[oidc]`
    pub oidc: Option<OidcConfig>,
    /// `[otlp]`
    pub otlp: Option<OtlpConfig>,
    /// `[services]`: where AWS's services are called.
    pub services: Arc<AwsServices>,
    /// `[resources]`: what is made in the local services.
    pub resources: Option<Template>,
    /// Invokes functions.
    pub functions: Functions,
    /// The mocks, which answer tasks before anything else does.
    pub mocked: Mocked,
    /// Tasks that run on this machine and need no integration.
    pub local: Option<Arc<dyn LocalTasks>>,
    /// Further observers of the engine.
    pub observers: Vec<Arc<dyn Observer>>,
    /// An object store to use instead of `[objects]`.
    pub object_store: Option<Arc<dyn ObjectStore>>,
    /// The engine's clock.
    pub clock: Arc<dyn Clock>,
}

/// A complete server without a listener.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The operations, and through them the engine.
    pub api: Api,
    /// Runs the engine's tasks.
    pub integrations: Integrations,
    /// Sends logs and traces to a collector. To be flushed at the end.
    pub otlp: Option<Arc<Otlp>>,
    /// The local services of AWS.
    pub services: Services,
    /// What is to be made in them, once their URL is known.
    pub resources: Option<Resources>,
    /// The pages, which hear of the engine's turns.
    pub console: Arc<Console>,
    /// The keys and roles, which executions are held to as well.
    pub credentials: Credentials,
    /// Replaces the keys of the store, if it is encrypted.
    pub key_change: Option<KeyChange>,
}

impl std::fmt::Debug for Assembly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembly").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Why a server could not be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// Without credentials, anybody who can reach the server could do anything.
    #[error(
        "the address {0} can be reached from elsewhere, and no `[[credentials]]` are configured"
    )]
    Unprotected(std::net::SocketAddr),
    /// Without encryption, anybody along the way could read everything.
    #[error(
        "the address {0} can be reached from elsewhere, and connections would not be encrypted"
    )]
    Unencrypted(std::net::SocketAddr),
    /// Connections cannot be encrypted.
    #[error("`[server.tls]` cannot be used")]
    Tls(#[from] TlsError),
    /// An entry of `hosts` is not a host name.
    #[error("`{0}` in `hosts` is no name of a host; a name has no scheme, port or path")]
    Host(String),
    /// The configured credentials are not valid.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Nobody can log in with the identity provider.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// The other nodes cannot be called as the configuration says.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[from] StoreError),
    /// The contents of the store cannot be read.
    #[error("what the store holds cannot be read")]
    Open(#[from] OpenError),
    /// `[archive]` cannot be used.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An index in clear cannot be removed.
    #[error("the index of the search, which is not encrypted, cannot be removed: {0}")]
    Search(String),
    /// A path of `redact` cannot be read.
    #[error(transparent)]
    Redaction(#[from] RedactionError),
    /// The client that sends to the collector cannot be built.
    #[error("nothing can be sent to the collector of `[otlp]`")]
    Otlp(#[source] reqwest::Error),
}

/// The operations of the API, for tasks that call them.
struct Loopback {
    /// The engine holds the tasks, and they hold this.
    engine: WeakEngine,
    settings: Settings,
    credentials: Credentials,
}

impl StepFunctions for Loopback {
    fn call(
        &self,
        facts: Arc<Facts>,
        operation: String,
        body: Json,
    ) -> Pending<Result<Json, ApiError>> {
        let engine = self.engine.upgrade();
        let (settings, credentials) = (self.settings.clone(), self.credentials.clone());
        Box::pin(async move {
            let engine = engine.ok_or_else(|| ApiError::internal("the engine is gone"))?;
            let scope = credentials.scope_of(&facts.about.arn);
            let api = Api::new(engine, settings).within(scope.clone());
            if !credentials.is_empty() {
                let engine = api.engine();
                let rights =
                    Right::operation_with(&operation, &body, engine, &credentials, scope.as_ref());
                let rights = rights.await;
                for Right { action, resource } in rights {
                    credentials
                        .authorize(&facts, &action, &resource)
                        .map_err(|denied| access_denied(&denied))?;
                }
            }
            api.call_for(credentials.acts_as(&facts), &operation, body).await
        })
    }
}

/// The search in a store's folder. A server without it serves all else.
fn search_in(data: Option<&Path>, redaction: Redaction) -> Option<Arc<Search>> {
    match Search::open(data, redaction) {
        Ok(search) => Some(search),
        Err(error) => {
            tracing::warn!(%error, "executions are not found by what is in them");
            None
        }
    }
}

/// Where other nodes reach a server, or at least where it is.
fn reached_at(server: &ServerConfig) -> String {
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let here = || format!("{scheme}://{}", server.listen);
    server.nodes.as_ref().map_or_else(here, |nodes| nodes.address.clone())
}

impl Assembly {
    /// A server with these functions and AWS's limits, which keeps everything in memory.
    pub fn new(functions: Functions) -> Self {
        Self {
            server: ServerConfig::default(),
            credentials: Vec::new(),
            roles: Vec::new(),
            machines: BTreeMap::new(),
            accounts: BTreeMap::new(),
            objects: ObjectsConfig::default(),
            archive: None,
            encryption: None,
            oidc: None,
            otlp: None,
            services: Arc::default(),
            resources: None,
            functions,
            mocked: Mocked::default(),
            local: None,
            observers: Vec::new(),
            object_store: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Opens the store and the engine, ready to be served. Must be called within a tokio runtime.
    pub async fn open(self) -> Result<Serving, AssemblyError> {
        let server = self.server.clone();
        if !is_loopback(server.listen) {
            if self.credentials.is_empty() {
                return Err(AssemblyError::Unprotected(server.listen));
            }
            if server.tls.is_none() && !server.insecure {
                return Err(AssemblyError::Unencrypted(server.listen));
            }
        }
        let hosts = Hosts::new(&server.hosts).map_err(AssemblyError::Host)?;
        let tls = server.tls.as_ref().map(Tls::new).transpose()?;
        let checked = self.credentials()?;
        let oidc = self.oidc.clone().map(|config| Oidc::new(config, &checked)).transpose()?;
        let functions = self.functions.clone();
        if self.server.nodes.is_none() {
            self.services.are_local_by_default();
        }
        let assembled = self.assemble().await?;
        let Assembled { api, otlp, services, resources, console, credentials, key_change, .. } =
            assembled;
        let mut serving = Serving::new(api, functions, credentials);
        serving.hosts = hosts;
        serving.node_key = server.nodes.map(|nodes| nodes.key);
        serving.any_user = server.any_user;
        serving.tls = tls;
        serving.most_body_bytes = server.max_body_bytes;
        serving.most_connections = server.max_connections;
        serving.most_bytes = server.max_bytes_in_flight;
        serving.longest_request = Duration::from_secs(server.request_seconds);
        serving.longest_answer = Duration::from_secs(server.answer_seconds);
        serving.longest_handshake = Duration::from_secs(server.handshake_seconds);
        serving.otlp = otlp;
        serving.services = Some(services);
        serving.resources = resources;
        serving.console = console;
        serving.oidc = oidc.map(Arc::new);
        serving.key_change = key_change;
        Ok(match server.max_requests_per_second {
            0 => serving,
            most => serving.at_most_per_second(most),
        })
    }

    /// Everything that keeps a server from starting with this configuration, as far as it can be told before
    /// anything is opened, made or called. What the command line may say otherwise is not among it.
    pub fn refusals(&self) -> Vec<AssemblyError> {
        let server = &self.server;
        let mut found: Vec<AssemblyError> = Vec::new();
        found.extend(Hosts::new(&server.hosts).err().map(AssemblyError::Host));
        found.extend(server.tls.as_ref().and_then(|tls| Some(Tls::new(tls).err()?.into())));
        match self.credentials() {
            Ok(checked) => {
                let oidc = self.oidc.clone().map(|config| Oidc::new(config, &checked));
                found.extend(oidc.and_then(|oidc| Some(oidc.err()?.into())));
            }
            Err(error) => found.push(error.into()),
        }
        found.extend(self.peers().err().map(Into::into));
        let redaction = Redaction::new(server.redact.iter().map(String::as_str));
        found.extend(redaction.err().map(Into::into));
        let archive = self.archive.as_ref().map(Archiver::check);
        found.extend(archive.and_then(|archive| Some(archive.err()?.into())));
        found
    }

    /// How other nodes are asked, if there may be several.
    fn peers(&self) -> Result<Option<Arc<dyn Peers>>, NodesError> {
        let nodes = match (&self.server.nodes, &self.server.store) {
            (None, _) => return Ok(None),
            (Some(_), None) => return Err(NodesError::NoStore),
            (Some(nodes), Some(_)) => nodes,
        };
        let mut sections = self.services.local_sections();
        if let Some(section) = sections.find(|section| !OF_NODES.contains(section)) {
            return Err(NodesError::Local(format!("[services.{section}]")));
        }
        if self.resources.is_some() {
            return Err(NodesError::Local("[resources]".to_owned()));
        }
        Ok(Some(Arc::new(HttpPeers::new(nodes)?)))
    }

    /// The local services that this server shares with other nodes.
    fn services_of_nodes(&self) -> Vec<&'static str> {
        OF_NODES.into_iter().filter(|name| self.services.is_local(name)).collect()
    }

    fn credentials(&self) -> Result<Credentials, CredentialsError> {
        config::credentials(Configured {
            server: &self.server,
            credentials: &self.credentials,
            roles: &self.roles,
            accounts: &self.accounts,
            oidc: self.oidc.as_ref(),
        })
    }

    /// Opens the store and the engine. Must be called within a tokio runtime.
    pub async fn assemble(self) -> Result<Assembled, AssemblyError> {
        let credentials = self.credentials()?;
        let peers = self.peers()?;
        let store: Arc<dyn Store> = match (&self.server.store, &self.server.data) {
            (Some(url), _) => Arc::new(Postgres::open(url, &reached_at(&self.server)).await?),
            (None, Some(folder)) => Arc::new(Sqlite::open(folder)?),
            (None, None) => Arc::new(Memory::new()),
        };
        let key_change = self.encryption.clone().map(|keys| KeyChange::new(store.clone(), keys));
        let store = sealed(store, self.encryption.clone()).await?;
        let services = Services::new(&stepwright_services::Setup {
            store: store.clone(),
            clock: self.clock.clone(),
            account: self.server.account.clone(),
            region: self.server.region.clone(),
            buckets: (self.objects.folder.clone())
                .or_else(|| self.server.data.as_ref().map(|data| data.join("buckets"))),
            key: self.server.data.as_ref().map(|data| data.join("secrets.key")),
            jobs: self.server.data.as_ref().map(|data| data.join("jobs")),
            substitutes: Substitutes {
                containers: (self.server.containers.clone()).map(|program| Containers { program }),
                images: self.server.images.clone().into_iter().rev().collect(),
                file_systems: self.server.file_systems.clone().into_iter().rev().collect(),
            },
            url: Arc::default(),
            seat: match &self.server.nodes {
                Some(nodes) => Seat::of_nodes(&nodes.key, self.services_of_nodes()),
                None => Seat::default(),
            },
        });
        self.services.connect(services.clone());
        // `[services.s3]`, `[objects]`, `[services.default]`: what is said of S3 alone comes first.
        // Readers and writers see the buckets of the local S3.
        let has_folder = self.objects.folder.is_some();
        let is_local = self.services.is_local("s3");
        let elsewhere = || ServiceObjects::new(&self.services, &self.server.region, !has_folder);
        let elsewhere = if is_local { None } else { elsewhere() };
        let objects: Arc<dyn ObjectStore> = match (self.object_store, elsewhere) {
            (Some(objects), _) => objects,
            (None, Some(s3)) => Arc::new(s3),
            (None, None) if has_folder || is_local => services.objects(),
            (None, None) => Arc::new(NoObjects),
        };
        let logs = self.server.logs;
        let logs = logs.or_else(|| self.server.data.as_ref().map(|data| data.join("logs")));
        let otlp = self.otlp.as_ref().map(Otlp::start).transpose().map_err(AssemblyError::Otlp)?;
        let mut observers = Observers(self.observers);
        let teller = Teller::new(services.clone(), credentials.clone());
        observers.0.push(teller.clone());
        let redaction = Redaction::new(self.server.redact.iter().map(String::as_str))?;
        let data = self.server.data.as_deref();
        let search = if self.server.search.unwrap_or(self.encryption.is_none()) {
            search_in(data, redaction.clone())
        } else {
            // An index that was written before would keep in clear what is encrypted now.
            if let (Some(data), Some(_)) = (data, &self.encryption) {
                Search::forget(data).map_err(|error| AssemblyError::Search(error.to_string()))?;
            }
            None
        };
        let console = Arc::new(Console::new(search.clone(), redaction));
        observers.0.push(console.watch());
        observers.0.extend(search.clone().map(|search| search as Arc<dyn Observer>));
        observers.0.extend(logs.map(|folder| {
            let files = LogFiles::new(folder).of_accounts(credentials.clone());
            Arc::new(files) as Arc<dyn Observer>
        }));
        observers.0.extend(otlp.clone().map(|otlp| otlp as Arc<dyn Observer>));
        let observer: Arc<dyn Observer> = match observers.0.len() {
            0 => Arc::new(Silent),
            _ => Arc::new(observers),
        };
        let functions = self.functions.clone();
        let integrations =
            Integrations::new(self.functions, self.mocked, self.local, self.services);
        let archive = self
            .archive
            .as_ref()
            .map(|archive| Archiver::new(archive, &objects, self.encryption.clone()));
        let archive = archive.transpose()?.map(|archive| Arc::new(archive) as Arc<dyn Archive>);
        let retention = i64::from(self.server.retention_days) * 86_400_000;
        let engine = Engine::open(Options {
            store,
            clock: self.clock,
            tasks: Arc::new(integrations.clone()),
            objects,
            observer,
            authorizer: Arc::new(credentials.clone()),
            account: self.server.account,
            region: self.server.region,
            limits: match self.server.limits {
                LimitsName::Aws => Limits::default(),
                LimitsName::Extended => Limits::EXTENDED,
            },
            vintage: Vintage::TODAY,
            retention_millis: (retention > 0).then_some(retention),
            archive,
            peers,
        })
        .await?;
        let limited = self.machines.into_iter().filter_map(|(name, machine)| {
            machine.max_concurrent_executions.map(|most| (name, most))
        });
        let settings = Settings {
            longest_poll: Duration::from_secs(self.server.activity_poll_seconds),
            max_concurrent_executions: limited.collect(),
            test_cases: integrations.mocked().test_cases(),
            credentials: credentials.clone(),
            ..Settings::default()
        };
        let weak = engine.downgrade();
        let resources = self.resources.map(|template| {
            let Options { account, region, .. } = engine.options();
            let place = Place { account: account.clone(), region: region.clone() };
            Resources { services: services.clone(), place, template }
        });
        let api = Api::new(engine, settings.clone());
        api.finish_deletions();
        teller.begin(weak.clone(), settings.clone());
        if let Some(search) = search {
            search.begin(weak.clone());
        }
        let reached = Reached { engine: weak.clone(), settings: settings.clone(), functions };
        services.begin(weak.clone(), Arc::new(reached));
        integrations.connect(Arc::new(Loopback {
            engine: weak,
            settings,
            credentials: credentials.clone(),
        }));
        Ok(Assembled {
            api,
            integrations,
            otlp,
            services,
            resources,
            console,
            credentials,
            key_change,
        })
    }
}
