//! The functions of one configuration.

use crate::answer::{Answer, MOST_PAYLOAD};
use crate::aws;
use crate::code::Code;
use crate::command::CommandFunction;
use crate::concurrency::Gate;
use crate::config::{AwsFunction, ConfigError, Function, Kind};
use crate::error::Error;
use crate::evaluate::{self, Expression};
use crate::fixed;
use crate::http_endpoint::{self, Client};
use crate::logs::LogSink;
use crate::name::FunctionName;
use crate::pool::Pool;
use crate::process::{Environment, Offered, Settings};
use crate::recent::{Printed, Recent};
use crate::sandbox::Request;
use crate::{Invocation, InvocationType, Place, Reply};
use base64::Engine as _;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use stepwright_json::Json;
use tokio::sync::{OnceCell, Semaphore, watch};

/// The largest payload of an event, in bytes.
const MOST_EVENT_PAYLOAD: usize = 1024 * 1024;

/// The largest number of events that run or wait.
const MOST_EVENTS: usize = 10_000;

/// How long Lambda waits before each retry of a failed event.
const EVENT_RETRIES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// All functions of one configuration. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Functions {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    place: Place,
    sink: LogSink,
    recent: Arc<Recent>,
    event_retries: Vec<Duration>,
    entries: RwLock<Entries>,
    offered: Offered,
    evaluator: Arc<Entry>,
    client: Client,
    events: Arc<Semaphore>,
    /// The pools of former configurations. Some of their processes may still be busy.
    retired: Mutex<Vec<Weak<Pool>>>,
    /// Read-locked by each running command, so that shutdown can wait for all of them.
    commands: tokio::sync::RwLock<()>,
    is_over: watch::Sender<bool>,
}

impl Shared {
    fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }
}

type Entries = BTreeMap<String, Arc<Entry>>;

/// One function.
#[derive(Debug)]
struct Entry {
    gate: Arc<Gate>,
    target: Target,
    time_limit: Duration,
}

#[derive(Debug)]
enum Target {
    Pool(Arc<Pool>),
    Command(CommandFunction),
    Http(String),
    Aws(AwsFunction),
    Echo { after: Duration },
    Return { payload: Bytes, after: Duration },
    Evaluate,
}

impl Functions {
    /// Checks the functions. Relative paths in them start at `folder`. No process is started before
    /// a function is called for the first time.
    pub fn new(
        functions: BTreeMap<String, Function>,
        folder: PathBuf,
        place: Place,
    ) -> Result<Self, ConfigError> {
        Self::printing(functions, folder, place, LogSink::default())
    }

    /// The same functions, which print to a sink.
    pub fn printing(
        functions: BTreeMap<String, Function>,
        folder: PathBuf,
        place: Place,
        sink: LogSink,
    ) -> Result<Self, ConfigError> {
        Self::configured(functions, folder, place, sink, EVENT_RETRIES.to_vec())
    }

    /// The same functions with another log sink, and with other delays before failed events are
    /// retried (one retry for each).
    pub fn configured(
        functions: BTreeMap<String, Function>,
        folder: PathBuf,
        place: Place,
        sink: LogSink,
        event_retries: Vec<Duration>,
    ) -> Result<Self, ConfigError> {
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let offered = Offered::default();
        let recent = Arc::new(Recent::default());
        let sink = sink.kept(recent.clone());
        let entries = entries(&functions, &folder, &place, &sink, &offered)?;
        let evaluator = Arc::new(Entry {
            gate: Arc::new(Gate::new(None)),
            target: Target::Evaluate,
            time_limit: evaluate::TIME_LIMIT,
        });
        Ok(Self {
            shared: Arc::new(Shared {
                folder,
                place,
                sink,
                recent,
                event_retries,
                entries: RwLock::new(entries),
                offered,
                evaluator,
                client: Client::default(),
                events: Arc::new(Semaphore::new(MOST_EVENTS)),
                retired: Mutex::default(),
                commands: tokio::sync::RwLock::new(()),
                is_over: watch::Sender::new(false),
            }),
        })
    }

    /// Gives every process of a function these environment variables, unless its configuration sets
    /// them or lets them be inherited. To be called once, before the first function runs.
    pub fn offer(&self, variables: Vec<(String, String)>) {
        // A second call would offer the same.
        self.shared.offered.get_or_init(|| variables);
    }

    /// What processes have in common that are not functions: the project's folder, the place, what is
    /// offered, and where lines go that they print.
    pub(crate) fn surroundings(&self) -> (PathBuf, Place, Offered, LogSink) {
        let Shared { folder, place, offered, sink, .. } = &*self.shared;
        (folder.clone(), place.clone(), offered.clone(), sink.clone())
    }

    /// Whether a function answers to this name: `NAME`, `NAME:QUALIFIER`,
    /// `123456789012:function:NAME`, or an ARN with or without a qualifier.
    pub fn has(&self, name: &str) -> bool {
        self.find(name, FunctionName::parse(name)).is_some()
    }

    /// The ARN of the function with this name, without a qualifier. The right to invoke it is
    /// checked against this ARN.
    pub fn arn_of(&self, name: &str) -> String {
        let entries = self.shared.entries.read();
        // A function that is configured by its full ARN may belong to another account.
        if entries.contains_key(name) {
            return self.arn_of_known(name);
        }
        self.arn(FunctionName::parse(name).name, None)
    }

    /// Whether a function is configured under exactly this key, which can also be the resource of
    /// another service's task or the name of a state.
    pub fn is_configured(&self, key: &str) -> bool {
        self.shared.entries.read().contains_key(key)
    }

    /// The lines that functions have printed lately, after the one with this number.
    pub fn printed(&self, after: u64) -> Vec<Printed> {
        self.shared.recent.after(after)
    }

    /// The lines that functions have printed lately for the request with this id.
    pub fn printed_for(&self, request_id: &str) -> Vec<Printed> {
        self.shared.recent.of(request_id)
    }

    /// The functions as Lambda's `ListFunctions` lists them, as far as their configuration tells.
    pub fn list(&self) -> Json {
        let entries = self.shared.entries.read();
        // `*` and what stands in for a service are no functions of Lambda.
        let is_function =
            |name: &str| name != "*" && (!name.starts_with("arn:") || name.contains(":function:"));
        let listed = entries.iter().filter(|(name, _)| is_function(name)).map(|(name, entry)| {
            stepwright_json::json!({
                "FunctionName": (FunctionName::parse(name).name),
                "FunctionArn": (self.arn_of_known(name)),
                "Timeout": (Json::Int(entry.time_limit.as_secs() as i64)),
                "PackageType": "Zip",
                "Version": "$LATEST"
            })
        });
        let listed: Vec<Json> = listed.collect();
        stepwright_json::json!({ "Functions": listed })
    }

    fn arn_of_known(&self, name: &str) -> String {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        self.arn(FunctionName::parse(name).name, None)
    }

    /// The delay of a function's fixed answer, if it has one. The name may have any form that
    /// [`Self::has`] accepts.
    pub fn delay(&self, name: &str) -> Option<Duration> {
        let entry = self.find(name, FunctionName::parse(name))?;
        match &entry.target {
            Target::Echo { after } | Target::Return { after, .. } => {
                Some(*after).filter(|after| !after.is_zero())
            }
            _ => None,
        }
    }

    /// Whether this payload is answered even if no function has the name: the expressions of the
    /// CDK's `EvaluateExpression` are evaluated without a function.
    pub fn is_expression(payload: &Json) -> bool {
        Expression::of(payload).is_some()
    }

    /// Invokes a function as Lambda does. Dropping the future leaves the invocation running, as on
    /// AWS.
    pub async fn invoke(&self, invocation: Invocation) -> Result<Reply, Error> {
        self.invoke_for(invocation, true).await
    }

    /// Invokes a function for a caller that may go away before the answer comes, or for one that never does,
    /// which saves a task of its own.
    pub async fn invoke_for(&self, invocation: Invocation, may_go: bool) -> Result<Reply, Error> {
        let parsed = FunctionName::parse(&invocation.function);
        let qualifier = match (parsed.qualifier, invocation.qualifier.as_deref()) {
            (Some(named), Some(given)) if named != given => {
                return Err(Error::InvalidParameterValue {
                    message: "The derived qualifier from the function name does not match the \
                              specified qualifier."
                        .to_owned(),
                });
            }
            (named, given) => named.or(given),
        };
        let found = self
            .find(&invocation.function, FunctionName { qualifier, ..parsed })
            .or_else(|| self.evaluator(&invocation.payload));
        let arn = self.arn(parsed.name, qualifier);
        let Some(entry) = found.filter(|_| !self.shared.is_over()) else {
            return Err(Error::ResourceNotFound { arn });
        };
        let is_event = invocation.kind == InvocationType::Event;
        let request = Arc::new(Self::request(&invocation, arn, qualifier)?);
        let reply = |status| Reply {
            status,
            executed_version: request.version.clone(),
            function_error: None,
            payload: Bytes::new(),
            log_tail: None,
            request_id: request.id.clone(),
        };
        if invocation.kind == InvocationType::DryRun {
            return Ok(reply(204));
        }
        let run = Run {
            shared: self.shared.clone(),
            name: parsed.name.to_owned(),
            qualifier: qualifier.map(str::to_owned),
            entry,
            request: request.clone(),
        };
        if is_event {
            let Ok(turn) = self.shared.events.clone().try_acquire_owned() else {
                return Err(Error::TooManyRequests { reason: "CallerRateLimitExceeded" });
            };
            tokio::spawn(async move {
                run.event().await;
                drop(turn);
            });
            return Ok(reply(202));
        }
        let ended = if may_go {
            let ended = tokio::spawn(async move { run.boxed(false).await }).await;
            ended.map_err(|error| {
                Error::service(format!("the invocation of `{}` was lost: {error}", parsed.name))
            })?
        } else {
            run.boxed(false).await
        };
        let (answer, version) = ended?;
        let mut reply = reply(200);
        reply.executed_version = version.unwrap_or(reply.executed_version);
        reply.function_error = answer.is_error.then(|| "Unhandled".to_owned());
        reply.payload = answer.payload;
        reply.log_tail = answer.log_tail;
        Ok(reply)
    }

    /// Replaces the functions, for example after their code has changed. Old processes end when
    /// they have answered. If there is an error, nothing changes.
    #[expect(clippy::unused_async, reason = "callers need not know that it does not wait today")]
    pub async fn reload(&self, functions: BTreeMap<String, Function>) -> Result<(), ConfigError> {
        let shared = &self.shared;
        let Shared { folder, place, sink, offered, .. } = &**shared;
        let entries = entries(&functions, folder, place, sink, offered)?;
        let old = self.replace(entries);
        let mut retired = shared.retired.lock();
        retired.retain(|pool| pool.strong_count() > 0);
        for entry in old.into_values() {
            if let Target::Pool(pool) = &entry.target {
                pool.retire();
                retired.push(Arc::downgrade(pool));
            }
        }
        drop(retired);
        Ok(())
    }

    /// Ends all processes: they are asked to end, and killed two seconds later. Later invocations
    /// find no function.
    pub async fn shutdown(&self) {
        self.shared.is_over.send_replace(true);
        let entries = self.replace(Entries::new());
        let mut ending = tokio::task::JoinSet::new();
        let current = entries.values().filter_map(|entry| match &entry.target {
            Target::Pool(pool) => Some(pool.clone()),
            _ => None,
        });
        let retired = std::mem::take(&mut *self.shared.retired.lock());
        for pool in current.chain(retired.iter().filter_map(Weak::upgrade)) {
            ending.spawn(async move { pool.shut_down().await });
        }
        ending.join_all().await;
        drop(self.shared.commands.write().await);
        for entry in entries.values() {
            if let Target::Command(command) = &entry.target {
                command.code.remove();
            }
        }
    }

    fn replace(&self, entries: Entries) -> Entries {
        let mut current = self.shared.entries.write();
        std::mem::replace(&mut *current, entries)
    }

    /// Finds a function by its whole name, its name with a qualifier, or its bare name.
    fn find(&self, whole: &str, parsed: FunctionName<'_>) -> Option<Arc<Entry>> {
        let entries = self.shared.entries.read();
        let qualified = parsed
            .qualifier
            .and_then(|qualifier| entries.get(&format!("{}:{qualifier}", parsed.name)));
        let named = entries.get(whole).or(qualified).or_else(|| entries.get(parsed.name));
        // `*` stands for every function that has no section of its own.
        named.or_else(|| entries.get("*")).cloned()
    }

    /// The evaluator, if the payload is an expression to evaluate.
    fn evaluator(&self, payload: &[u8]) -> Option<Arc<Entry>> {
        let payload = stepwright_json::parse_bytes(payload).ok()?;
        Self::is_expression(&payload).then(|| self.shared.evaluator.clone())
    }

    fn arn(&self, name: &str, qualifier: Option<&str>) -> String {
        let Place { account, region } = &self.shared.place;
        let arn = format!("arn:aws:lambda:{region}:{account}:function:{name}");
        match qualifier {
            Some(qualifier) => format!("{arn}:{qualifier}"),
            None => arn,
        }
    }

    fn request(
        invocation: &Invocation,
        arn: String,
        qualifier: Option<&str>,
    ) -> Result<Request, Error> {
        let limit = match invocation.kind {
            InvocationType::Event => MOST_EVENT_PAYLOAD,
            _ => MOST_PAYLOAD,
        };
        if invocation.payload.len() > limit {
            return Err(Error::RequestTooLarge { limit });
        }
        let payload = if invocation.payload.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            invocation.payload.clone()
        };
        stepwright_json::parse_bytes(&payload).map_err(|error| Error::InvalidRequestContent {
            reason: format!("Could not parse payload into json: {error}"),
        })?;
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Request {
            id: invocation.request_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            payload,
            arn,
            version: qualifier.filter(is_number).unwrap_or("$LATEST").to_owned(),
            client_context: invocation.client_context.as_deref().map(client_context).transpose()?,
            trace_header: invocation.trace_header.clone().unwrap_or_else(new_trace_header),
            log_tail: invocation.log_tail,
            is_instant: invocation.is_instant,
        })
    }
}

/// Waits for the configured delay of a fixed answer.
async fn wait(after: Duration, request: &Request) {
    if !request.is_instant {
        tokio::time::sleep(after).await;
    }
}

/// Decodes a client context to JSON.
fn client_context(text: &str) -> Result<String, Error> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok();
    let json = bytes.and_then(|bytes| stepwright_json::parse_bytes(&bytes).ok());
    json.filter(|json| json.as_object().is_some()).map(|json| json.to_string()).ok_or_else(|| {
        Error::InvalidRequestContent {
            reason: "Client context must be a valid Base64-encoded JSON object.".to_owned(),
        }
    })
}

fn new_trace_header() -> String {
    let seconds = jiff::Timestamp::now().as_second();
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("Root=1-{seconds:08x}-{};Sampled=0", &id[..24])
}

fn entries(
    functions: &BTreeMap<String, Function>,
    folder: &Path,
    place: &Place,
    sink: &LogSink,
    offered: &Offered,
) -> Result<Entries, ConfigError> {
    let entry = |(name, function): (&String, &Function)| {
        let code = Code::new(folder, function.code.as_deref());
        let short: Arc<str> = FunctionName::parse(name).name.into();
        let (set, inherit) = (function.environment.clone(), function.inherit.clone());
        let layers = function.layers.iter().map(|layer| folder.join(layer)).collect();
        let environment = Environment { set, inherit, offered: offered.clone(), layers };
        let target = match function.kind(name)? {
            Kind::Runtime(runtime) => Target::Pool(Pool::new(Settings {
                name: short,
                runtime,
                code,
                environment,
                time_limit: function.time_limit(),
                memory: function.memory,
                place: place.clone(),
                python: OnceCell::new(),
                sink: sink.clone(),
            })),
            Kind::Command(line) => Target::Command(CommandFunction {
                name: short,
                line,
                code,
                environment,
                time_limit: function.time_limit(),
                sink: sink.clone(),
            }),
            Kind::Http(url) => Target::Http(url),
            Kind::Aws(aws) => Target::Aws(aws),
            Kind::Echo { after } => Target::Echo { after },
            Kind::Return { value, after } => {
                Target::Return { payload: fixed::json(&value).to_string().into(), after }
            }
        };
        let gate = Arc::new(Gate::new(function.concurrency));
        Ok((name.clone(), Arc::new(Entry { gate, target, time_limit: function.time_limit() })))
    };
    functions.iter().map(entry).collect()
}

/// One invocation. It does not depend on its caller.
struct Run {
    shared: Arc<Shared>,
    name: String,
    qualifier: Option<String>,
    entry: Arc<Entry>,
    request: Arc<Request>,
}

type Ran = Result<(Answer, Option<String>), Error>;

impl Run {
    /// Runs the function once. What it takes to call each kind of function is compiled once, for all callers.
    fn boxed(&self, patient: bool) -> Pin<Box<dyn Future<Output = Ran> + Send + '_>> {
        Box::pin(self.once(patient))
    }

    /// Runs the function once. Returns the answer, and the version if an AWS endpoint reported one.
    async fn once(&self, patient: bool) -> Ran {
        let request = &self.request;
        let limit = self.entry.time_limit;
        let _admission = self.entry.gate.enter(patient).await?;
        if self.shared.is_over() {
            return Err(Error::shutting_down());
        }
        let client = &self.shared.client;
        let answer = match &self.entry.target {
            Target::Pool(pool) => pool.run(request.clone()).await?,
            Target::Command(command) => {
                let _running = self.shared.commands.read().await;
                let mut is_over = self.shared.is_over.subscribe();
                tokio::select! {
                    answer = command.run(request) => answer?,
                    _ = is_over.wait_for(|is_over| *is_over) => return Err(Error::shutting_down()),
                }
            }
            Target::Http(url) => http_endpoint::run(client, url, request, limit).await?,
            Target::Aws(function) => {
                let qualifier = self.qualifier.as_deref();
                let region = &self.shared.place.region;
                let call =
                    aws::RemoteFunction { function, name: &self.name, qualifier, region, limit };
                return aws::run(client, &call, request).await;
            }
            Target::Echo { after } => {
                wait(*after, request).await;
                Answer::returned(request.payload.clone())
            }
            Target::Return { payload, after } => {
                wait(*after, request).await;
                Answer::returned(payload.clone())
            }
            Target::Evaluate => evaluate::evaluate(&request.payload, &request.id, limit).await?,
        };
        Ok((answer, None))
    }

    /// Runs the function until it succeeds or all retries are used up.
    async fn event(&self) {
        let mut retries = self.shared.event_retries.iter();
        loop {
            let why = match self.boxed(true).await {
                Ok((answer, _)) if !answer.is_error => return,
                Ok((answer, _)) => String::from_utf8_lossy(&answer.payload).into_owned(),
                Err(error) => error.to_string(),
            };
            let function = &self.name;
            let request_id = &self.request.id;
            match retries.next() {
                Some(wait) if !self.shared.is_over() => {
                    tracing::info!(function, request_id, why, "an event failed and is tried again");
                    tokio::time::sleep(*wait).await;
                }
                _ => {
                    tracing::warn!(function, request_id, why, "an event failed for good");
                    return;
                }
            }
        }
    }
}
