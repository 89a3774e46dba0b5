//! The rights that a request needs: which action on which resource. No other place decides this.

use super::{Credentials, Scope};
use crate::{fork, services};
use std::borrow::Cow;
use stepwright_console::{Asked, Fields, Need};
use stepwright_engine::Engine;
use stepwright_functions::Functions;
use stepwright_interpreter::token;
use stepwright_json::Json;
use stepwright_protocol::operation;

/// What a route requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing: anybody who can connect may use it.
    Open,
    /// The right to call the operation that the request names.
    Operation,
    /// The right to invoke the function that the path names.
    Invocation,
    /// The right to list the functions.
    Functions,
    /// What a page of the console needs.
    Console(Need),
    /// The right to read the metrics.
    Metrics,
    /// The right to see, retry and abort parked executions.
    Parked,
    /// The right to read what functions print.
    Logs,
    /// The rights to fork the execution that the request names.
    Fork,
    /// The key that the nodes have which share the store.
    Node,
    /// The rights that a request to this local service needs.
    Service(&'static str),
}

impl Access {
    /// The service that a signature for this route must name.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::Invocation | Self::Functions => "lambda",
            Self::Service(name) => services::signing_name(name),
            Self::Open
            | Self::Operation
            | Self::Console(_)
            | Self::Metrics
            | Self::Parked
            | Self::Node
            | Self::Fork
            | Self::Logs => "states",
        }
    }
}

/// The right to an action on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    /// `states:StartExecution`
    pub(crate) action: Cow<'static, str>,
    /// An ARN; `*` if the action concerns no particular resource.
    pub(crate) resource: String,
}

const READ_METRICS: &str = "stepwright:GetMetrics";
const READ_LOGS: &str = "stepwright:ReadLogs";

impl Right {
    pub(crate) fn new(action: impl Into<Cow<'static, str>>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into() }
    }

    /// The right to read the metrics.
    pub(crate) fn metrics() -> Self {
        Self::new(READ_METRICS, "*")
    }

    /// The right to see, retry and abort parked executions.
    pub(crate) fn parked() -> Self {
        Self::new("stepwright:ManageParkedExecutions", "*")
    }

    /// The right to read what functions print.
    pub(crate) fn logs() -> Self {
        Self::new(READ_LOGS, "*")
    }

    pub(crate) fn is_to_read_logs(&self) -> bool {
        self.action == READ_LOGS
    }

    pub(crate) fn is_to_read_metrics(&self) -> bool {
        self.action == READ_METRICS
    }

    /// The rights to see a page: some actions on what its URL names, or on all.
    pub(crate) fn page(need: Need, query: &Fields) -> Vec<Self> {
        let (resource, actions) = match need {
            Need::Nothing | Need::Login | Need::Operation => return Vec::new(),
            Need::All(actions) => ("*", actions),
            Need::Actions(parameter, actions) => (query.get(parameter).unwrap_or("*"), actions),
        };
        actions.iter().map(|action| Self::new(*action, resource)).collect()
    }

    /// The rights to do what a form asks for.
    pub(crate) async fn asked(
        asked: &Asked,
        engine: &Engine,
        credentials: &Credentials,
        scope: Option<&Scope>,
    ) -> Vec<Self> {
        match asked {
            Asked::Operation { name, body } => {
                Self::operation_with(name, body, engine, credentials, scope).await
            }
            Asked::Parked { .. } => vec![Self::parked()],
            Asked::Fork { body } => fork::rights(body, engine, credentials).await,
        }
    }

    /// The right to invoke a function, given by any of its names.
    pub(crate) fn invocation(functions: &Functions, name: &str) -> Self {
        Self::new("lambda:InvokeFunction", functions.arn_of(name))
    }

    /// The right to list the functions.
    pub(crate) fn functions() -> Self {
        Self::new("lambda:ListFunctions", "*")
    }

    /// The right to call an operation on any resource.
    pub(crate) fn operation(name: &str) -> Self {
        Self::new(format!("states:{name}"), "*")
    }

    /// The rights to call an operation with this body. If the operation concerns no resource, or
    /// the request does not name it, the right to all resources is needed. Whoever decides what is
    /// done with the rights of a role needs the right to pass it on. `scope` is where something new is made.
    pub(crate) async fn operation_with(
        name: &str,
        body: &Json,
        engine: &Engine,
        credentials: &Credentials,
        scope: Option<&Scope>,
    ) -> Vec<Self> {
        let mut rights: Vec<Self> = resources(name, body, engine, scope)
            .into_iter()
            .map(|resource| Self::new(format!("states:{name}"), resource))
            .collect();
        if rights.is_empty() {
            rights.push(Self::operation(name));
        }
        let publishes = body.get("publish").and_then(Json::as_bool).unwrap_or_default();
        if publishes && matches!(name, "CreateStateMachine" | "UpdateStateMachine") {
            let resource = rights[0].resource.clone();
            rights.push(Self::new("states:PublishStateMachineVersion", resource));
        }
        let reveals = body.get("revealSecrets").and_then(Json::as_bool).unwrap_or_default();
        if reveals && name == "TestState" {
            rights.push(Self::new("states:RevealSecrets", "*"));
        }
        let role = passed_role(name, body, engine).await;
        if let Some(role) = role.filter(|role| credentials.has_role(role)) {
            rights.push(Self::new("iam:PassRole", role));
        }
        rights
    }
}

/// The role in whose name an operation makes executions or a task act.
async fn passed_role(name: &str, body: &Json, engine: &Engine) -> Option<String> {
    let text = |member: &str| body.get(member).and_then(Json::as_str);
    match name {
        "CreateStateMachine" | "TestState" => text("roleArn").map(str::to_owned),
        "UpdateStateMachine" => match text("roleArn") {
            Some(role) => Some(role.to_owned()),
            // A new definition decides what the present role is used for.
            None => {
                text("definition")?;
                let machine = engine.catalogue().machine(text("stateMachineArn")?)?;
                let revision = engine.revision(&machine.revision).await.ok()?;
                Some(revision.role_arn.clone())
            }
        },
        _ => None,
    }
}

/// The ARN of something new, in the scope of its maker.
pub(crate) fn new_arn(engine: &Engine, scope: Option<&Scope>, kind: &str, name: &str) -> String {
    let options = engine.options();
    let account = scope.map_or(&*options.account, Scope::account);
    let region = scope.and_then(Scope::region).unwrap_or(&options.region);
    format!("arn:aws:states:{region}:{account}:{kind}:{name}")
}

/// The members of requests that name resources.
const ARNS: [&str; 7] = [
    "stateMachineArn",
    "stateMachineAliasArn",
    "stateMachineVersionArn",
    "executionArn",
    "activityArn",
    "mapRunArn",
    "resourceArn",
];

/// The resources that a request concerns: every one that it names, according to the service model.
fn resources(name: &str, body: &Json, engine: &Engine, scope: Option<&Scope>) -> Vec<String> {
    let Some(operation) = operation(name) else { return Vec::new() };
    let text = |member: &str| body.get(member).and_then(Json::as_str);
    let new = |kind: &str| new_arn(engine, scope, kind, text("name").unwrap_or_default());
    match operation.name {
        "CreateStateMachine" => return vec![new("stateMachine")],
        "CreateActivity" => return vec![new("activity")],
        _ => {}
    }
    let mut found = Vec::new();
    for member in operation.input.iter().map(|member| member.name) {
        if ARNS.contains(&member) {
            // A test case of a mock file does not change which machine it is.
            let arn = text(member).map(|arn| arn.split_once('#').map_or(arn, |(arn, _)| arn));
            found.extend(arn.map(str::to_owned));
        } else if member == "taskToken" {
            let token = text(member).and_then(token::read);
            found.extend(token.map(|(execution, _)| execution));
        } else if member == "routingConfiguration" {
            let routes = body.get(member).and_then(Json::as_array).cloned().unwrap_or_default();
            let versions = routes.iter().map(|route| route.get("stateMachineVersionArn"));
            found.extend(versions.filter_map(|arn| Some(arn?.as_str()?.to_owned())));
        }
    }
    found
}
