//! Decides who runs a task, for the engine and for virtual time alike.

use crate::lambda::Callee;
use crate::services::{AwsServices, Row, knows_integration};
use stepwright_functions::Functions;
use stepwright_history::{Failure, TaskCall, TaskKind};
use stepwright_json::Json;

/// Who runs a task.
pub(crate) enum Route {
    /// A function of `stepwright.toml`.
    Function(Callee),
    /// `states:startExecution` in one of its forms.
    StartExecution,
    /// `aws-sdk:sfn`
    StepFunctions,
    /// A service of AWS, as an AWS SDK integration: the service and the action, with its pattern.
    AwsSdk(String, String),
    /// A service of AWS, as an optimised integration.
    Optimised(&'static Row, String),
    /// `http:invoke`
    Http,
    /// `apigateway:invoke`, with its pattern.
    ApiGateway(String),
    /// `eks:call` and `eks:runJob`, with their pattern.
    Kubernetes(String),
    /// Nobody: the task fails with this failure.
    Nowhere(Failure),
}

impl Route {
    /// Decides who runs a task. A function is found by the whole resource, by the name of the
    /// function that the task calls, or by the name of the state, in this order. `instead` names
    /// another function. What no function runs is called where `[services]` says.
    pub(crate) fn of(
        call: &TaskCall,
        functions: &Functions,
        aws: &AwsServices,
        instead: Option<String>,
    ) -> Self {
        if let Some(name) = instead {
            if !functions.has(&name) {
                return Self::Nowhere(no_function(call, &name));
            }
            let callee = if is_invoke(call) { Callee::Invoked(name) } else { Callee::Called(name) };
            return Self::Function(callee);
        }
        let configured = |names: [&str; 2]| {
            names.into_iter().find(|name| functions.is_configured(name)).map(str::to_owned)
        };
        let (resource, state) = (call.resource.as_str(), call.state.as_str());
        if is_invoke(call) {
            let parameter = call.parameters.get("FunctionName").and_then(Json::as_str);
            let named = parameter.unwrap_or_default();
            let name = if functions.is_configured(resource) {
                resource
            } else if !functions.has(named) && functions.is_configured(state) {
                state
            } else {
                named
            };
            return Self::Function(Callee::Invoked(name.to_owned()));
        }
        if call.kind == TaskKind::Lambda {
            let by_state = !functions.has(resource) && functions.is_configured(state);
            let name = if by_state { state } else { resource };
            return Self::Function(Callee::Called(name.to_owned()));
        }
        if let Some(name) = configured([resource, state]) {
            return Self::Function(Callee::Called(name));
        }
        match &call.kind {
            TaskKind::Service { service, action } => match (service.as_str(), action.as_str()) {
                (
                    "states",
                    "startExecution"
                    | "startExecution.sync"
                    | "startExecution.sync:2"
                    | "startExecution.waitForTaskToken",
                ) => Self::StartExecution,
                ("aws-sdk:sfn", _) => Self::StepFunctions,
                ("http", "invoke") if aws.http().has_connections() => Self::Http,
                ("http", "invoke") => Self::Nowhere(no_connection(call)),
                ("apigateway", action) if aws.place("apigateway").is_some() => {
                    Self::ApiGateway(action.to_owned())
                }
                ("apigateway", _) => Self::Nowhere(nobody(call, Some("apigateway"))),
                (
                    "eks",
                    "call"
                    | "call.waitForTaskToken"
                    | "runJob"
                    | "runJob.sync"
                    | "runJob.waitForTaskToken",
                ) => match aws.place("eks") {
                    Some(_) => Self::Kubernetes(action.to_string()),
                    None => Self::Nowhere(nobody(call, Some("eks"))),
                },
                (service, action) => Self::of_service(call, aws, service, action),
            },
            TaskKind::Lambda | TaskKind::Activity | TaskKind::Whole => {
                Self::Nowhere(nobody(call, None))
            }
        }
    }
}

impl Route {
    fn of_service(call: &TaskCall, aws: &AwsServices, service: &str, action: &str) -> Self {
        if let Some(service) = service.strip_prefix("aws-sdk:") {
            return match aws.place(service) {
                Some(_) => Self::AwsSdk(service.to_owned(), action.to_owned()),
                None => Self::Nowhere(nobody(call, Some(service))),
            };
        }
        match knows_integration(service, action) {
            Some((row, service)) if aws.place(service).is_some() => {
                Self::Optimised(row, action.to_owned())
            }
            Some((_, service)) => Self::Nowhere(nobody(call, Some(service))),
            None => Self::Nowhere(nobody(call, None)),
        }
    }
}

fn is_invoke(call: &TaskCall) -> bool {
    matches!(&call.kind, TaskKind::Service { service, action }
        if service == "lambda" && matches!(action.as_str(), "invoke" | "invoke.waitForTaskToken"))
}

/// The failure of a task that nobody runs. It is a `States.Runtime`, which nothing catches, because
/// a service that is missing on this machine is not a failure of the task itself.
fn nobody(call: &TaskCall, service: Option<&str>) -> Failure {
    let place = service.map_or(String::new(), |service| {
        format!(
            ", or say where the service is: [services.{service}] with endpoint = \"http://…\" for an \
             emulator, or aws = true"
        )
    });
    unanswered(call, &place)
}

/// The failure of an HTTP task when there are no connections.
fn no_connection(call: &TaskCall) -> Failure {
    let arn = stepwright_aws::http::connection(&call.parameters).unwrap_or_default();
    let name = crate::http::name_of(arn).unwrap_or("NAME");
    let place = format!(
        ", or define its connection: [connections.{name}] with `basic`, `api_key` or `oauth`"
    );
    unanswered(call, &place)
}

fn unanswered(call: &TaskCall, otherwise: &str) -> Failure {
    let cause = format!(
        "Nothing answers the state '{}', which calls {}. Give it a mock (--mocks or --mock-config) or \
         a function in stepwright.toml, under the name of the resource or of the state{otherwise}.",
        call.state, call.resource
    );
    Failure::new("States.Runtime", cause)
}

fn no_function(call: &TaskCall, name: &str) -> Failure {
    let cause = format!(
        "The mock of the state '{}' passes the call on to the function '{name}', which stepwright.toml \
         does not have.",
        call.state
    );
    Failure::new("States.Runtime", cause)
}
