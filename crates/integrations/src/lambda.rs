//! Lambda functions: by their ARN, by `lambda:invoke`, by `lambda:invoke.waitForTaskToken`.

use crate::{End, Task, insert_metadata};
use stepwright_engine::{Call, Report};
use stepwright_functions::{Functions, Invocation, InvocationType, Reply};
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object};
use stepwright_program::time;

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
    let output = answer(&reply, &task);
    if task.call.call.token.is_some() {
        task.report.submitted(output);
        return End::Elsewhere;
    }
    End::Succeeded(output)
}

/// What `lambda:invoke` makes of an answer.
fn answer(reply: &Reply, task: &Task) -> Json {
    let mut output = Object::new();
    output.insert("ExecutedVersion", reply.executed_version.as_str().into());
    if let Some(log) = &reply.log_tail {
        output.insert("LogResult", log.as_str().into());
    }
    output.insert("Payload", value_of(reply));
    let now = task.report.engine().now();
    let (length, date) = (reply.payload.len().to_string(), time::http_date(now.0));
    let trace = task.call.facts.trace_header.as_deref().map_or_else(
        || trace_of(&reply.request_id, now.0),
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
    insert_metadata(&mut output, &reply.request_id, &headers);
    output.insert("StatusCode", Json::Int(i64::from(reply.status)));
    output.into()
}

/// The trace header of a request that nobody traces.
fn trace_of(request_id: &str, now_millis: i64) -> String {
    let id: String = request_id.chars().filter(char::is_ascii_hexdigit).take(24).collect();
    format!("root=1-{:08x}-{id:0>24};sampled=0", now_millis / 1_000)
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
