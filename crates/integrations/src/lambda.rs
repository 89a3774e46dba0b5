//! Lambda functions: by their ARN, by `lambda:invoke`, by `lambda:invoke.waitForTaskToken`.

use crate::{End, Pending, Task, insert_metadata};
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object};

/// Whoever invokes functions.
pub trait Lambda: Send + Sync + 'static {
    /// Invokes a function.
    fn invoke(&self, call: LambdaCall) -> Pending<Result<LambdaReply, LambdaError>>;
}

/// An invocation.
#[derive(Clone, Debug, Default)]
pub struct LambdaCall {
    /// The function's name or ARN.
    pub function: String,
    /// The version or alias.
    pub qualifier: Option<String>,
    /// The payload: JSON text.
    pub payload: String,
    /// `RequestResponse`, `Event` or `DryRun`.
    pub invocation_type: String,
    /// The client context: base64.
    pub client_context: Option<String>,
    /// AWS X-Ray's header.
    pub trace_header: Option<String>,
}

/// What a function has answered.
#[derive(Clone, Debug)]
pub struct LambdaReply {
    /// 200, 202 or 204.
    pub status: u16,
    /// The version that ran.
    pub executed_version: String,
    /// `Unhandled`, where the function failed.
    pub function_error: Option<String>,
    /// What it returned: JSON text.
    pub payload: String,
    /// The invocation's id.
    pub request_id: String,
}

/// Why a function was not invoked.
#[derive(Clone, Debug)]
pub struct LambdaError {
    /// `ResourceNotFoundException`
    pub name: String,
    /// The HTTP status.
    pub status: u16,
    /// Lambda's words.
    pub message: String,
}

/// No functions at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFunctions;

impl Lambda for NoFunctions {
    fn invoke(&self, call: LambdaCall) -> Pending<Result<LambdaReply, LambdaError>> {
        let message = format!("Function not found: {}", call.function);
        let name = "ResourceNotFoundException".to_owned();
        Box::pin(std::future::ready(Err(LambdaError { name, status: 404, message })))
    }
}

/// A task whose resource is a function's ARN: the input is the payload, the result the output.
pub(crate) async fn run_arn(task: Task) -> End {
    let call = LambdaCall {
        function: task.call.call.resource.to_string(),
        payload: task.call.call.parameters.to_string(),
        invocation_type: "RequestResponse".to_owned(),
        trace_header: task.call.facts.trace_header.clone(),
        ..LambdaCall::default()
    };
    match invoke(&task, call).await {
        Err(failure) => End::Failed(failure, Stage::Run),
        Ok(reply) => End::Succeeded(value_of(&reply.payload)),
    }
}

/// `lambda:invoke`, with or without a task token.
pub(crate) async fn run_invoke(task: Task) -> End {
    let parameters = &task.call.call.parameters;
    let text = |key: &str| parameters.get(key).and_then(Json::as_str).map(str::to_owned);
    let payload = match parameters.get("Payload") {
        Some(payload) => payload.to_string(),
        None => "{}".to_owned(),
    };
    let call = LambdaCall {
        function: text("FunctionName").unwrap_or_default(),
        qualifier: text("Qualifier"),
        payload,
        invocation_type: text("InvocationType").unwrap_or_else(|| "RequestResponse".to_owned()),
        client_context: text("ClientContext"),
        trace_header: task.call.facts.trace_header.clone(),
    };
    let reply = match invoke(&task, call).await {
        Ok(reply) => reply,
        Err(failure) => {
            // A task that waits for its token has not got as far as to wait.
            let stage = match task.call.call.token {
                Some(_) => Stage::Submit,
                None => Stage::Run,
            };
            return End::Failed(failure, stage);
        }
    };
    let output = answer(&reply);
    if task.call.call.token.is_some() {
        task.report.submitted(output);
        return End::Elsewhere;
    }
    End::Succeeded(output)
}

/// What `lambda:invoke` makes of an answer.
fn answer(reply: &LambdaReply) -> Json {
    let mut output = Object::new();
    output.insert("ExecutedVersion", reply.executed_version.as_str().into());
    output.insert("Payload", value_of(&reply.payload));
    let more = [("X-Amz-Executed-Version", reply.executed_version.as_str())];
    let length = reply.payload.len();
    insert_metadata(&mut output, &reply.request_id, "application/json", length, &more);
    output.insert("StatusCode", Json::Int(i64::from(reply.status)));
    output.into()
}

/// A payload as JSON; what is none is text.
fn value_of(payload: &str) -> Json {
    stepwright_json::parse(payload).unwrap_or_else(|_| payload.into())
}

async fn invoke(task: &Task, call: LambdaCall) -> Result<LambdaReply, Failure> {
    match task.services.lambda.invoke(call).await {
        Err(error) => {
            let LambdaError { name, status, message } = error;
            let id = task.report.engine().new_uuid();
            let cause = format!(
                "{message} (Service: AWSLambda; Status Code: {status}; Error Code: {name}; \
                 Request ID: {id}; Proxy: null)"
            );
            Err(Failure::new(format!("Lambda.{name}"), cause))
        }
        Ok(reply) if reply.function_error.is_some() => {
            let payload = stepwright_json::parse(&reply.payload).unwrap_or_default();
            let name = payload.get("errorType").and_then(Json::as_str).unwrap_or("Lambda.Unknown");
            Err(Failure::new(name, reply.payload))
        }
        Ok(reply) => Ok(reply),
    }
}
