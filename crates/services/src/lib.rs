//! Services of AWS on this machine: real within their bounds, durable, and without a wire.
//!
//! [`Services::call`] takes what an operation takes and returns what it answers, as the codecs of
//! `stepwright-aws` have it. A server puts HTTP before it, and tasks call it directly. What a service
//! keeps is in the store of the executions; the bodies of objects are files.
//!
//! One folder for each service, one file for each group of operations. What an operation takes is in the
//! service's table ([`Supported`]): anything else is refused by name.

mod batch;
mod call;
mod containers;
mod delivery;
mod dynamodb;
mod ecs;
mod elsewhere;
mod events;
mod kept;
mod pages;
mod pattern;
mod processes;
mod s3;
mod seat;
mod secrets;
mod sns;
mod sources;
mod sqs;
mod ssm;
mod stacks;
mod substitutes;
mod vault;

pub use call::{Caller, FilePart, Reply};
pub use containers::Containers;
pub use delivery::{Ended, Pending, Process, World};
pub use elsewhere::OF_NODES;
pub use events::Event;
pub use seat::Seat;
pub use sources::{Source, USUAL_CONCURRENCY};
pub use substitutes::Substitutes;

use batch::Batch;
use call::{Answer, Call, Refusal};
use delivery::Deliveries;
use dynamodb::DynamoDb;
use ecs::Ecs;
use events::Events;
use kept::Kept;
use s3::S3;
use secrets::SecretsManager;
use sns::Sns;
use sources::Sources;
use sqs::Sqs;
use ssm::Ssm;
use stacks::Stacks;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use stepwright_aws::codec::{Message, ServiceError};
use stepwright_aws::table::{self, Operation, Service};
use stepwright_engine::{Clock, ObjectStore, WeakEngine};
use stepwright_json::{Json, Object};
use stepwright_store::Store;
use vault::Vault;

/// What the services are made of.
#[derive(Clone)]
pub struct Setup {
    /// Keeps what the services keep.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The account in ARNs.
    pub account: String,
    /// The region in ARNs.
    pub region: String,
    /// The folder of the buckets. Without one, they are gone when the process ends.
    pub buckets: Option<PathBuf>,
    /// The file with the key that secrets are encrypted with. Without one, the key goes with the
    /// process.
    pub key: Option<PathBuf>,
    /// The folder of what jobs and tasks print. Without one, it goes to the log of the server only.
    pub jobs: Option<PathBuf>,
    /// What stands in for the images and file systems of jobs and tasks.
    pub substitutes: Substitutes,
    /// The URL of the server, once it is known.
    pub url: Arc<OnceLock<String>>,
    /// Where the services are: always here, or at one of several nodes.
    pub seat: Seat,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("account", &self.account).finish_non_exhaustive()
    }
}

/// The future of an answer. Each operation has one of its own: together in one `async fn` they would be
/// a single function of a million instructions, and a quarter of the time that the whole build takes.
pub(crate) type Answered<'s> = Pin<Box<dyn Future<Output = Answer> + Send + 's>>;

/// A service.
pub(crate) trait LocalService: Send + Sync {
    /// The operations that it has.
    fn operations(&self) -> &'static [Supported];

    /// The refusal of a request that lacks a member.
    fn missing(&self, member: &str) -> Refusal {
        Refusal::new(
            "ValidationException",
            format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
                 Member must not be null"
            ),
        )
    }

    /// The refusal of what the service does not have.
    fn unsupported(&self, message: String) -> Refusal {
        Refusal::new("UnsupportedOperation", message).status(501)
    }

    /// Carries out an operation that is in the table.
    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s>;
}

/// An operation that a service has, and the parameters that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supported {
    /// Its name: `SendMessage`.
    pub operation: &'static str,
    /// Its parameters. Others that AWS has are refused.
    pub parameters: &'static [&'static str],
}

impl Supported {
    pub(crate) const fn new(operation: &'static str, parameters: &'static [&'static str]) -> Self {
        Self { operation, parameters }
    }
}

/// The services.
#[derive(Clone)]
pub struct Services {
    by_name: Arc<BTreeMap<&'static str, Arc<dyn LocalService>>>,
    sqs: Arc<Sqs>,
    s3: Arc<S3>,
    deliveries: Arc<Deliveries>,
    events: Arc<Events>,
    batch: Arc<Batch>,
    ecs: Arc<Ecs>,
    stacks: Arc<Kept<Stacks>>,
    sources: Arc<Sources>,
    url: Arc<OnceLock<String>>,
    seat: Seat,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("names", &NAMES).finish_non_exhaustive()
    }
}

/// The URL of the server, or the one that it has if nothing else is said.
pub(crate) fn url_of(url: &OnceLock<String>) -> String {
    url.get().cloned().unwrap_or_else(|| "http://localhost:8083".to_owned())
}

/// The names of the services, as AWS SDK integrations have them.
pub const NAMES: [&str; 9] =
    ["batch", "dynamodb", "ecs", "eventbridge", "s3", "secretsmanager", "sns", "sqs", "ssm"];

/// Whether there is a local service with this name.
pub fn has(service: &str) -> bool {
    NAMES.contains(&service)
}

impl Services {
    /// Creates the services. Nothing is read before it is asked for.
    pub fn new(setup: &Setup) -> Self {
        let sqs = Arc::new(Sqs::new(setup));
        let s3 = Arc::new(S3::new(setup));
        let deliveries = Deliveries::new(setup, sqs.clone());
        let sns = Arc::new(Sns::new(setup, sqs.clone(), deliveries.clone()));
        let events = Events::new(setup, sqs.clone(), sns.clone(), deliveries.clone());
        let events = Arc::new(events);
        s3.tells(events.clone());
        let vault = Arc::new(match setup.seat.key() {
            Some(key) => Vault::with(&key),
            None => Vault::new(setup.key.clone()),
        });
        let batch = Batch::new(setup);
        let ecs = Ecs::new(setup);
        let services: [(&str, Arc<dyn LocalService>); 9] = [
            ("batch", batch.clone()),
            ("ecs", ecs.clone()),
            ("dynamodb", Arc::new(DynamoDb::new(setup))),
            ("sqs", sqs.clone()),
            ("s3", s3.clone()),
            ("sns", sns),
            ("eventbridge", events.clone()),
            ("ssm", Arc::new(Ssm::new(setup, vault.clone()))),
            ("secretsmanager", Arc::new(SecretsManager::new(setup, vault))),
        ];
        let url = setup.url.clone();
        let stacks = Arc::new(Kept::alone(setup.store.clone()));
        let by_name = Arc::new(BTreeMap::from(services));
        let sources = Arc::default();
        let seat = setup.seat.clone();
        Self { by_name, sqs, s3, deliveries, events, batch, ecs, stacks, sources, url, seat }
    }

    /// Sets what is reached besides the services, and goes on with what was under way when the server
    /// ended. To be called once.
    pub fn begin(&self, engine: WeakEngine, world: Arc<dyn World>) {
        self.seat.connect(engine);
        self.sources.world.get_or_init(|| world.clone());
        self.deliveries.connect(world.clone());
        tokio::spawn(Events::follow(Arc::downgrade(&self.events)));
        if self.seat.is_shared() {
            tokio::spawn(self.clone().look_after_seat());
            return;
        }
        tokio::spawn(self.batch.clone().begin(world.clone()));
        tokio::spawn(self.ecs.clone().begin(world));
        let deliveries = self.deliveries.clone();
        tokio::spawn(async move {
            if let Err(refusal) = deliveries.resume().await {
                tracing::error!(why = refusal.message, "events that were under way cannot be read");
            }
        });
    }

    /// Whether this server has a service, alone or with other nodes.
    pub fn have(&self, service: &str) -> bool {
        has(service) && self.seat.has(service)
    }

    /// Whether this server is one of several nodes.
    pub fn are_shared(&self) -> bool {
        self.seat.is_shared()
    }

    /// Sets the URL of the server, which URLs in answers to tasks begin with.
    pub fn served_at(&self, url: &str) {
        // A second call would set the same.
        self.url.get_or_init(|| url.to_owned());
    }

    /// The URL of the server.
    pub fn url(&self) -> String {
        url_of(&self.url)
    }

    /// Whether there is a rule that may want to know of events.
    pub fn has_rules(&self) -> bool {
        self.events.has_rules()
    }

    /// Publishes an event of this machine on the default bus, if a rule may want it.
    pub async fn tell(&self, event: Event) {
        self.events.tell(event).await;
    }

    /// The objects of S3, for readers and writers of distributed Maps.
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::new(s3::Buckets(self.s3.clone()))
    }

    /// The operations of a service; none if it is not here.
    pub fn operations(&self, service: &str) -> &'static [Supported] {
        self.by_name.get(service).map(|one| one.operations()).unwrap_or_default()
    }

    /// Calls an operation.
    pub async fn call(
        &self,
        service: &'static Service,
        operation: &'static Operation,
        message: Message,
        caller: &Caller,
    ) -> Result<Reply, ServiceError> {
        if self.seat.is_shared() {
            return self.call_among_nodes(service, operation, message, caller).await;
        }
        self.answer(service, operation, message, caller)
            .await
            .map_err(|refusal| refusal.reported(service))
    }

    async fn answer(
        &self,
        service: &'static Service,
        operation: &'static Operation,
        message: Message,
        caller: &Caller,
    ) -> Answer {
        let Some(local) = self.by_name.get(service.name.as_str()) else {
            let message = format!("there is no local service `{}`", service.name);
            return Err(Refusal::new("UnsupportedOperation", message).status(501));
        };
        let name = operation.name.as_str();
        let Some(supported) = local.operations().iter().find(|one| one.operation == name) else {
            let where_else = format!(
                "the local service `{}` does not have the operation `{name}`; `[services.{}]` in \
                 stepwright.toml can name an endpoint that has it",
                service.name, service.name
            );
            return Err(local.unsupported(where_else));
        };
        let input = match message.value {
            Json::Object(input) => input,
            _ => Object::new(),
        };
        // Nulls count as not given.
        let input: Object = if input.values().any(Json::is_null) {
            let given = input.iter().filter(|(_, value)| !value.is_null());
            given.map(|(name, value)| (name.clone(), value.clone())).collect()
        } else {
            input
        };
        let foreign = input.keys().find(|name| !supported.parameters.contains(&name.as_str()));
        if let Some(foreign) = foreign {
            return Err(local.unsupported(format!(
                "the local service `{}` does not have the parameter `{foreign}` of `{name}`",
                service.name
            )));
        }
        let members = service.structure(operation.input.as_ref());
        let payload = members.and_then(|members| members.payload());
        let lacking = members.into_iter().flat_map(|members| &members.members).find(|member| {
            service.traits(&member.reference).is_required
                && !input.contains_key(&member.name)
                && payload.is_none_or(|payload| payload.name != member.name)
        });
        if let Some(lacking) = lacking {
            return Err(local.missing(&lacking.name));
        }
        local.call(Call { operation, input, body: message.body, caller }).await
    }
}

/// The manual's table of operations, as Markdown: what each service has, and which parameters of AWS's
/// it does not have.
pub fn catalogue(services: &Services) -> String {
    let mut text = String::new();
    for name in NAMES {
        let Ok(service) = table::service(name) else { continue };
        writeln!(text, "### `{name}`\n\n| operation | without |\n|---|---|").expect("text grows");
        for supported in services.operations(name) {
            let operation = service.operation(supported.operation);
            let input = operation.and_then(|one| service.structure(one.input.as_ref()));
            let without: Vec<String> = input
                .into_iter()
                .flat_map(|input| &input.members)
                .filter(|member| !supported.parameters.contains(&member.name.as_str()))
                .map(|member| format!("`{}`", member.name))
                .collect();
            writeln!(text, "| `{}` | {} |", supported.operation, without.join(", "))
                .expect("text grows");
        }
        text.push('\n');
    }
    text
}
