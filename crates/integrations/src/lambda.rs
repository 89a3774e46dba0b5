//! Lambda functions: by their ARN, by `lambda:invoke`, by `lambda:invoke.waitForTaskToken`.

use crate::{End, Task, insert_metadata};
use stepwright_engine::{Call, Report};
use stepwright_functions::{Functions, Invocation, InvocationType, Reply};
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object};

/// A task whose resource is a function's ARN: the input is the payload, the result the output.
pub(crate) async fn run_arn(task: Task) -> End {
    match call_function(&task.services.functions, &task.call, &task.report).await {
        Err(failure) => End::Failed(failure, Stage::Run),
        Ok(output) => End::Succeeded(output),
    }
}

/// Invokes the function that is the resource of a task, with its parameters. The failure is the one
/// that the task ends with.
pub async fn call_function(
    functions: &Functions,
    call: &Call,
    report: &Report,
) -> Result<Json, Failure> {
    let invocation = Invocation {
        function: call.call.resource.to_string(),
        payload: call.call.parameters.to_string().into(),
        trace_header: call.facts.trace_header.clone(),
        ..Invocation::default()
    };
    invoke(functions, report, invocation).await.map(|reply| value_of(&reply))
}

/// `lambda:invoke`, with or without a task token.
pub(crate) async fn run_invoke(task: Task) -> End {
    let parameters = &task.call.call.parameters;
    let text = |key: &str| parameters.get(key).and_then(Json::as_str).map(str::to_owned);
    let payload = parameters.get("Payload").map_or_else(|| "{}".to_owned(), Json::to_string);
    let kind = match text("InvocationType").as_deref() {
        Some("Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        _ => InvocationType::RequestResponse,
    };
    let invocation = Invocation {
        function: text("FunctionName").unwrap_or_default(),
        qualifier: text("Qualifier"),
        payload: payload.into(),
        kind,
        client_context: text("ClientContext"),
        trace_header: task.call.facts.trace_header.clone(),
        log_tail: text("LogType").as_deref() == Some("Tail"),
    };
    let reply = match invoke(&task.services.functions, &task.report, invocation).await {
        Ok(reply) => reply,
        Err(failure) => {
            // A task that waits for its token has not got as far as to wait.
            let stage = if task.call.call.token.is_some() { Stage::Submit } else { Stage::Run };
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
fn answer(reply: &Reply) -> Json {
    let mut output = Object::new();
    output.insert("ExecutedVersion", reply.executed_version.as_str().into());
    if let Some(log) = &reply.log_tail {
        output.insert("LogResult", log.as_str().into());
    }
    output.insert("Payload", value_of(reply));
    let more = [("X-Amz-Executed-Version", reply.executed_version.as_str())];
    let length = reply.payload.len();
    insert_metadata(&mut output, &reply.request_id, "application/json", length, &more);
    output.insert("StatusCode", Json::Int(i64::from(reply.status)));
    output.into()
}

/// A payload as JSON; what is none is text.
fn value_of(reply: &Reply) -> Json {
    stepwright_json::parse_bytes(&reply.payload)
        .unwrap_or_else(|_| String::from_utf8_lossy(&reply.payload).into_owned().into())
}

async fn invoke(
    functions: &Functions,
    report: &Report,
    invocation: Invocation,
) -> Result<Reply, Failure> {
    match functions.invoke(invocation).await {
        Err(error) => {
            let (name, status) = (error.name(), error.status());
            let id = report.engine().new_uuid();
            let cause = format!(
                "{error} (Service: AWSLambda; Status Code: {status}; Error Code: {name}; \
                 Request ID: {id}; Proxy: null)"
            );
            Err(Failure::new(format!("Lambda.{name}"), cause))
        }
        Ok(reply) if reply.function_error.is_some() => {
            let payload = value_of(&reply);
            let name = payload.get("errorType").and_then(Json::as_str).unwrap_or("Lambda.Unknown");
            Err(Failure::new(name, String::from_utf8_lossy(&reply.payload)))
        }
        Ok(reply) => Ok(reply),
    }
}
