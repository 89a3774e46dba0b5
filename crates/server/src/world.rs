//! What local services reach besides each other, and what they are told of executions.

use crate::api::{Api, Settings};
use crate::door::Credentials;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use stepwright_engine::{Authorizer as _, Facts, ObservedTurn, Observer, Principal, WeakEngine};
use stepwright_functions::{Functions, Invocation};
use stepwright_history::{EventKind, Moment};
use stepwright_json::{Json, Object, json};
use stepwright_services::{Ended, Event, Pending, Process, Services, World};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot::Receiver;

/// How long whoever is posted to has to answer.
const LIMIT: Duration = Duration::from_secs(15);

/// The functions and state machines of a server, and URLs of this machine.
pub(crate) struct Reached {
    pub(crate) engine: WeakEngine,
    pub(crate) settings: Settings,
    pub(crate) functions: Functions,
}

impl World for Reached {
    fn invoke(&self, function: String, payload: Json) -> Pending<Result<Json, String>> {
        let functions = self.functions.clone();
        Box::pin(async move {
            let payload = payload.to_string().into();
            let invocation = Invocation { function, payload, ..Invocation::default() };
            let reply = functions.invoke(invocation).await.map_err(|error| error.to_string())?;
            match reply.function_error {
                None => Ok(stepwright_json::parse_bytes(&reply.payload).unwrap_or_default()),
                Some(_) => Err(String::from_utf8_lossy(&reply.payload).into_owned()),
            }
        })
    }

    fn start_execution(
        &self,
        machine: String,
        name: String,
        input: Json,
        owner: Principal,
    ) -> Pending<Result<(), String>> {
        let (engine, settings) = (self.engine.upgrade(), self.settings.clone());
        Box::pin(async move {
            let api = Api::new(engine.ok_or("the engine is gone")?, settings);
            let body = json!({
                "stateMachineArn": machine, "name": name, "input": (input.to_string())
            });
            match api.call_for(owner, "StartExecution", body).await {
                Err(error) if error.code != "ExecutionAlreadyExists" => Err(error.message),
                _ => Ok(()),
            }
        })
    }

    fn run(&self, process: Process, stop: Receiver<()>) -> Pending<Ended> {
        let functions = self.functions.clone();
        let Process { name, line, folder, environment, memory, log, grace, clean_up } = process;
        let process = stepwright_functions::Process {
            name,
            line,
            folder,
            environment,
            memory,
            log,
            grace,
            clean_up,
        };
        Box::pin(async move {
            let ended = functions.run_process(process, stop).await;
            Ended { code: ended.code, reason: ended.reason }
        })
    }

    fn end_leftovers(&self, mark: String, clean_up: Vec<String>) -> Pending<()> {
        let functions = self.functions.clone();
        Box::pin(async move {
            functions.end_leftovers(&mark).await;
            stepwright_functions::clean_up(&clean_up).await;
        })
    }

    fn post(
        &self,
        url: String,
        headers: Vec<(String, String)>,
        body: String,
    ) -> Pending<Result<(), String>> {
        Box::pin(async move {
            let parsed = reqwest::Url::parse(&url).map_err(|error| error.to_string())?;
            let host = parsed.host_str().unwrap_or_default();
            let is_here = host == "localhost"
                || host
                    .trim_matches(['[', ']'])
                    .parse()
                    .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
            if !is_here {
                return Err(format!(
                    "`{host}` is not this machine, and nothing is posted elsewhere"
                ));
            }
            let client = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(LIMIT)
                .build()
                .map_err(|error| error.to_string())?;
            let mut request = client.post(parsed).body(body);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let answer = request.send().await.map_err(|error| error.to_string())?;
            match answer.status() {
                status if status.is_success() => Ok(()),
                status => Err(format!("it answered {status}")),
            }
        })
    }
}

/// A change of an execution's status.
struct Changed {
    execution: String,
    at: Moment,
}

/// Tells `EventBridge`'s rules when executions begin and end.
pub(crate) struct Teller {
    services: Services,
    /// The rules belong to the account of the server, and hear of no other's executions.
    credentials: Credentials,
    changes: UnboundedSender<Changed>,
    waiting: Mutex<Option<UnboundedReceiver<Changed>>>,
}

impl Teller {
    pub(crate) fn new(services: Services, credentials: Credentials) -> Arc<Self> {
        let (changes, waiting) = unbounded_channel();
        Arc::new(Self { services, credentials, changes, waiting: Mutex::new(Some(waiting)) })
    }

    /// Begins to tell. To be called once.
    pub(crate) fn begin(&self, engine: WeakEngine, settings: Settings) {
        let Some(mut waiting) = self.waiting.lock().take() else { return };
        let services = self.services.clone();
        tokio::spawn(async move {
            while let Some(Changed { execution, at }) = waiting.recv().await {
                let Some(engine) = engine.upgrade() else { return };
                let api = Api::new(engine, settings.clone());
                let body = json!({"executionArn": (execution.as_str())});
                let Ok(described) = api.call("DescribeExecution", body).await else { continue };
                let event = Event {
                    source: "aws.states".to_owned(),
                    detail_type: "Step Functions Execution Status Change".to_owned(),
                    resources: vec![execution],
                    detail: detail(&described),
                    at: at.0,
                };
                services.tell(event).await;
            }
        });
    }
}

impl Observer for Teller {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        // Express executions and children of map runs tell nothing.
        if !self.services.has_rules() || facts.is_express || facts.about.map_run.is_some() {
            return;
        }
        if !self.credentials.is_at_home(facts) {
            return;
        }
        let changed = turn.events.iter().rev().find(|event| {
            matches!(
                event.kind,
                EventKind::ExecutionStarted(_)
                    | EventKind::ExecutionSucceeded { .. }
                    | EventKind::ExecutionFailed { .. }
                    | EventKind::ExecutionTimedOut { .. }
                    | EventKind::ExecutionAborted { .. }
                    | EventKind::ExecutionRedriven { .. }
            )
        });
        if let Some(event) = changed {
            let execution = facts.about.arn.clone();
            // It fails only while everything ends.
            drop(self.changes.send(Changed { execution, at: event.at }));
        }
    }
}

/// The most of input and output that an event has.
const MOST_BYTES: usize = 248 << 10;

/// What the event says.
fn detail(described: &Json) -> Json {
    let member = |name: &str| described.get(name).cloned().unwrap_or_default();
    let millis = |name: &str| match described.get(name).and_then(Json::as_f64) {
        Some(seconds) => Json::Int((seconds * 1_000.0).round() as i64),
        None => Json::Null,
    };
    let length = |name: &str| described.get(name).and_then(Json::as_str).map_or(0, str::len);
    let is_included = length("input") + length("output") <= MOST_BYTES;
    let text = |name: &str| if is_included { member(name) } else { Json::Null };
    let about = |name: &str| {
        if described.get(name).is_some_and(|text| !text.is_null()) {
            json!({"included": is_included})
        } else {
            Json::Null
        }
    };
    let mut detail = Object::new();
    for name in ["executionArn", "stateMachineArn"] {
        detail.insert(name, member(name));
    }
    detail.insert("name", member("name"));
    detail.insert("status", member("status"));
    detail.insert("startDate", millis("startDate"));
    detail.insert("stopDate", millis("stopDate"));
    detail.insert("input", text("input"));
    detail.insert("output", text("output"));
    for name in ["stateMachineVersionArn", "stateMachineAliasArn"] {
        detail.insert(name, member(name));
    }
    detail.insert("redriveCount", member("redriveCount"));
    detail.insert("redriveDate", millis("redriveDate"));
    detail.insert("redriveStatus", member("redriveStatus"));
    detail.insert("redriveStatusReason", member("redriveStatusReason"));
    detail.insert("inputDetails", about("input"));
    detail.insert("outputDetails", about("output"));
    detail.insert("error", member("error"));
    detail.insert("cause", member("cause"));
    detail.into()
}
