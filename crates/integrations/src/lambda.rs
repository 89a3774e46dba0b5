//! Functions, called by their ARN, by `lambda:invoke` or by `lambda:invoke.waitForTaskToken`; and
//! functions of `stepwright.toml` that stand in for another service.

use stepwright_aws::metadata::insert_metadata;
use stepwright_engine::Denied;
use stepwright_functions::{Functions, Invocation, InvocationType, Reply};
use stepwright_history::{Failure, Moment, Stage, TaskCall, TaskKind};
use stepwright_json::{Json, Object};
use stepwright_program::time;
use stepwright_simulator::{Answer, Outcome};

/// The function that a task calls, by its name in any form.
pub(crate) enum Callee {
    /// Called with the task's input as its payload; what it returns is the task's result.
    Called(String),
    /// Called with `Payload`; the task's result is the answer of Lambda's `Invoke`.
    Invoked(String),
}

impl Callee {
    pub(crate) fn name(&self) -> &str {
        let (Self::Called(name) | Self::Invoked(name)) = self;
        name
    }
}

/// How a task that calls a function ends.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// It ends with the answer.
    Answer,
    /// It ends later, with a second report from the callee: `.sync`.
    Sync,
    /// It ends when the holder of the task's token reports.
    Token,
}

impl Form {
    fn of(call: &TaskCall) -> Self {
        match &call.kind {
            _ if call.resource.ends_with(".waitForTaskToken") => Self::Token,
            TaskKind::Service { action, .. } if action.contains(".sync") => Self::Sync,
            _ => Self::Answer,
        }
    }
}

/// What a call depends on besides the task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circumstances {
    /// The X-Ray header of the execution.
    pub(crate) trace_header: Option<String>,
    /// The id of the request.
    pub(crate) request_id: Option<String>,
    /// The current time.
    pub(crate) now: Moment,
    /// Whether a fixed answer is given at once, without its configured delay.
    pub(crate) is_instant: bool,
    /// Whether the caller waits for the answer whatever happens.
    pub(crate) stays: bool,
}

/// Calls a function for a task, and returns what the task is to report.
pub(crate) async fn call(
    functions: &Functions,
    call: &TaskCall,
    callee: &Callee,
    around: &Circumstances,
) -> Answer {
    let result = match callee {
        Callee::Called(name) => {
            let payload = call.parameters.to_string();
            let invocation = Invocation {
                function: name.clone(),
                payload: payload.into(),
                trace_header: around.trace_header.clone(),
                request_id: around.request_id.clone(),
                is_instant: around.is_instant,
                ..Invocation::default()
            };
            invoke(functions, invocation, around.stays).await.map(|reply| value_of(&reply))
        }
        Callee::Invoked(name) => {
            let invocation = invocation(call, name, around);
            invoke(functions, invocation, around.stays).await.map(|reply| answer(&reply, around))
        }
    };
    let form = Form::of(call);
    match result {
        // A task that needs more than the answer has failed before it began to wait.
        Err(failure) if form != Form::Answer => Answer::new(Outcome::Fails(failure, Stage::Submit)),
        Err(failure) => Answer::new(Outcome::Fails(failure, Stage::Run)),
        Ok(output) => match form {
            Form::Answer => Answer::returns(output),
            Form::Sync => Answer { submitted: Some(output.clone()), ..Answer::returns(output) },
            Form::Token => Answer { submitted: Some(output), ..Answer::new(Outcome::Never) },
        },
    }
}

/// The action for which an execution needs the right to call a function.
pub(crate) const INVOKE: &str = "lambda:InvokeFunction";

/// What a task reports that may not call its function.
pub(crate) fn refused(call: &TaskCall, denied: &Denied) -> Answer {
    let stage = if Form::of(call) == Form::Answer { Stage::Run } else { Stage::Submit };
    Answer::new(Outcome::Fails(not_allowed(denied), stage))
}

/// The failure of a task whose execution may not call a function. Lambda's SDK has no class for
/// this error, so AWS gives it the name of the base class.
pub fn not_allowed(denied: &Denied) -> Failure {
    let id = uuid::Uuid::new_v4();
    let cause = format!(
        "{denied} (Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException; \
         Request ID: {id}; Proxy: null)"
    );
    Failure::new("Lambda.AWSLambdaException", cause)
}

/// Calls the function that is the resource of a task, with the task's input. The error is the
/// failure that the task ends with.
pub async fn call_function(
    functions: &Functions,
    call: &TaskCall,
    trace_header: Option<String>,
    request_id: Option<String>,
) -> Result<Json, Failure> {
    let invocation = Invocation {
        function: call.resource.to_string(),
        payload: call.parameters.to_string().into(),
        trace_header,
        request_id,
        ..Invocation::default()
    };
    invoke(functions, invocation, false).await.map(|reply| value_of(&reply))
}

/// Whether a task sends the payload of the CDK's `EvaluateExpression`, which needs no function.
pub(crate) fn is_expression(call: &TaskCall) -> bool {
    let payload = call.parameters.get("Payload").unwrap_or(&call.parameters);
    Functions::is_expression(payload)
}

/// The invocation that `lambda:invoke` makes.
fn invocation(call: &TaskCall, function: &str, around: &Circumstances) -> Invocation {
    let parameters = &call.parameters;
    let text = |key: &str| parameters.get(key).and_then(Json::as_str).map(str::to_owned);
    let payload = parameters.get("Payload").map_or_else(|| "{}".to_owned(), Json::to_string);
    let kind = match text("InvocationType").as_deref() {
        Some("Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        _ => InvocationType::RequestResponse,
    };
    Invocation {
        function: function.to_owned(),
        qualifier: text("Qualifier"),
        payload: payload.into(),
        kind,
        client_context: text("ClientContext"),
        trace_header: around.trace_header.clone(),
        log_tail: text("LogType").as_deref() == Some("Tail"),
        request_id: around.request_id.clone(),
        is_instant: around.is_instant,
    }
}

/// The result that `lambda:invoke` makes of an answer.
fn answer(reply: &Reply, around: &Circumstances) -> Json {
    let mut output = Object::new();
    output.insert("ExecutedVersion", reply.executed_version.as_str().into());
    if let Some(log) = &reply.log_tail {
        output.insert("LogResult", log.as_str().into());
    }
    output.insert("Payload", value_of(reply));
    let now = around.now.0;
    let (length, date) = (reply.payload.len().to_string(), time::http_date(now));
    let trace = around.trace_header.as_deref().map_or_else(
        || trace_of(&reply.request_id, now),
        |header| header.replacen("Root=", "root=", 1),
    );
    let headers = [
        ("X-Amz-Executed-Version", reply.executed_version.as_str()),
        ("x-amzn-Remapped-Content-Length", "0"),
        ("Connection", "keep-alive"),
        ("x-amzn-RequestId", &reply.request_id),
        ("Content-Length", &length),
        ("Date", &date),
        ("X-Amzn-Trace-Id", &trace),
        ("Content-Type", "application/json"),
    ];
    insert_metadata(&mut output, 200, &reply.request_id, &headers);
    output.insert("StatusCode", Json::Int(i64::from(reply.status)));
    output.into()
}

/// A trace header for a request that is not traced.
fn trace_of(request_id: &str, now_millis: i64) -> String {
    let id: String = request_id.chars().filter(char::is_ascii_hexdigit).take(24).collect();
    format!("root=1-{:08x}-{id:0>24};sampled=0", now_millis / 1_000)
}

/// The payload as JSON; as a string if it is not JSON.
fn value_of(reply: &Reply) -> Json {
    stepwright_json::parse_bytes(&reply.payload)
        .unwrap_or_else(|_| String::from_utf8_lossy(&reply.payload).into_owned().into())
}

async fn invoke(
    functions: &Functions,
    invocation: Invocation,
    stays: bool,
) -> Result<Reply, Failure> {
    match functions.invoke_for(invocation, !stays).await {
        Err(error) => {
            let (name, status) = (error.name(), error.status());
            let id = uuid::Uuid::new_v4();
            let cause = format!(
                "{error} (Service: AWSLambda; Status Code: {status}; Error Code: {name}; \
                 Request ID: {id}; Proxy: null)"
            );
            Err(Failure::new(format!("Lambda.{name}"), cause))
        }
        Ok(reply) if reply.function_error.is_some() => {
            let payload = value_of(&reply);
            let text = String::from_utf8_lossy(&reply.payload);
            Err(match payload.get("errorType").and_then(Json::as_str) {
                Some(error) => Failure::new(error, text),
                None => Failure::new(
                    "Lambda.Unknown",
                    format!(
                        "The cause could not be determined because Lambda did not return an error \
                         type. Returned payload: {text}"
                    ),
                ),
            })
        }
        Ok(reply) => Ok(reply),
    }
}
