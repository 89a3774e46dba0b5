//! Which action on which resource a request needs: the one place that says so.

use std::borrow::Cow;
use stepwright_engine::Engine;
use stepwright_functions::Functions;
use stepwright_interpreter::token;
use stepwright_json::Json;
use stepwright_protocol::operation;

/// What a route is for, and so what is needed to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing: it is open to anybody who can connect.
    Open,
    /// The right to call the operation that the request names.
    Operation,
    /// The right to invoke the function that the path names.
    Invocation,
    /// The right to list everything: the page shows it.
    Page,
    /// The right to read the metrics.
    Metrics,
}

impl Access {
    /// What a signature may be for.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::Invocation => "lambda",
            Self::Open | Self::Operation | Self::Page | Self::Metrics => "states",
        }
    }
}

/// An action on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    /// `states:StartExecution`
    pub(crate) action: Cow<'static, str>,
    /// An ARN; `*` where the action is about nothing in particular.
    pub(crate) resource: String,
}

const READ_METRICS: &str = "stepwright:GetMetrics";

impl Right {
    fn new(action: impl Into<Cow<'static, str>>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into() }
    }

    /// To read the metrics.
    pub(crate) fn metrics() -> Self {
        Self::new(READ_METRICS, "*")
    }

    pub(crate) fn is_to_read_metrics(&self) -> bool {
        self.action == READ_METRICS
    }

    /// To see the page.
    pub(crate) fn page() -> Vec<Self> {
        ["states:ListStateMachines", "states:ListExecutions"]
            .map(|action| Self::new(action, "*"))
            .into()
    }

    /// To invoke a function by one of its names.
    pub(crate) fn invocation(functions: &Functions, name: &str) -> Self {
        Self::new("lambda:InvokeFunction", functions.arn_of(name))
    }

    /// To call an operation, whatever it is about.
    pub(crate) fn operation(name: &str) -> Self {
        Self::new(format!("states:{name}"), "*")
    }

    /// To call an operation with the body of a request. An operation that is about no resource, or
    /// whose request does not name it, is about all.
    pub(crate) fn operation_with(name: &str, body: &Json, engine: &Engine) -> Vec<Self> {
        let mut rights: Vec<Self> = resources(name, body, engine)
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
        rights
    }
}

/// The members of requests that name a resource.
const ARNS: [&str; 7] = [
    "stateMachineArn",
    "stateMachineAliasArn",
    "stateMachineVersionArn",
    "executionArn",
    "activityArn",
    "mapRunArn",
    "resourceArn",
];

/// What a request is about: everything that it names, as the service model knows it.
fn resources(name: &str, body: &Json, engine: &Engine) -> Vec<String> {
    let Some(operation) = operation(name) else { return Vec::new() };
    let text = |member: &str| body.get(member).and_then(Json::as_str);
    let options = engine.options();
    let new = |kind: &str| {
        let name = text("name").unwrap_or_default();
        format!("arn:aws:states:{}:{}:{kind}:{name}", options.region, options.account)
    };
    match operation.name {
        "CreateStateMachine" => return vec![new("stateMachine")],
        "CreateActivity" => return vec![new("activity")],
        _ => {}
    }
    let mut found = Vec::new();
    for member in operation.input.iter().map(|member| member.name) {
        if ARNS.contains(&member) {
            // A test case of a mock file does not make it another machine.
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
