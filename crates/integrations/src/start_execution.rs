//! Nested executions: `states:startExecution` in all its forms.

use crate::{End, Task, insert_metadata};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use stepwright_engine::Snapshot;
use stepwright_history::{Failure, Stage, TaskKind};
use stepwright_interpreter::Status;
use stepwright_json::{Json, Object};
use stepwright_program::time;
use stepwright_protocol::ApiError;

/// In which way the end of the nested execution is waited for.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    RequestResponse,
    /// Input and output are text.
    Sync,
    /// Input and output are values.
    Sync2,
    TaskToken,
}

pub(crate) async fn run(task: Task) -> End {
    let TaskKind::Service { action, .. } = &task.call.call.kind else { return End::Elsewhere };
    let form = match action.strip_prefix("startExecution").unwrap_or_default() {
        ".sync" => Form::Sync,
        ".sync:2" => Form::Sync2,
        ".waitForTaskToken" => Form::TaskToken,
        _ => Form::RequestResponse,
    };
    let arn = match start(&task).await {
        Ok(reply) => {
            let arn = reply.get("executionArn").and_then(Json::as_str).unwrap_or_default();
            let answer = answer(&task, arn, &reply);
            match form {
                Form::RequestResponse => return End::Succeeded(answer),
                Form::TaskToken => {
                    task.report.submitted(answer);
                    return End::Elsewhere;
                }
                Form::Sync | Form::Sync2 => task.report.submitted(answer),
            }
            arn.to_owned()
        }
        Err(error) => {
            let stage = if form == Form::RequestResponse { Stage::Run } else { Stage::Submit };
            return End::Failed(failure(&task, &error), stage);
        }
    };
    let engine = task.report.engine().clone();
    tokio::select! {
        ended = engine.ended(&arn) => match ended {
            Some(ended) => end(&ended, form),
            None => End::Failed(
                Failure::new("States.TaskFailed", format!("The execution {arn} is gone.")),
                Stage::Run,
            ),
        },
        () = task.report.cancelled() => {
            // Whoever waited was stopped or timed out; it may have ended by itself meanwhile.
            drop(engine.stop(&arn, Failure::default()).await);
            End::Elsewhere
        }
    }
}

/// Starts it, or finds the one that was started for the same task before.
async fn start(task: &Task) -> Result<Json, ApiError> {
    let parameters = &task.call.call.parameters;
    let mut body = Object::new();
    for (from, to) in [("StateMachineArn", "stateMachineArn"), ("TraceHeader", "traceHeader")] {
        if let Some(value) = parameters.get(from).filter(|value| !value.is_null()) {
            body.insert(to, value.clone());
        }
    }
    let name = parameters.get("Name").and_then(Json::as_str).map(str::to_owned);
    // The same task handed out twice starts one execution: its name follows from the task.
    body.insert("name", name.unwrap_or_else(|| derived_name(&task.call.idempotency_key())).into());
    let input = match parameters.get("Input") {
        None | Some(Json::Null) => Object::new().into(),
        // Text that is JSON is taken as it is.
        Some(Json::String(text)) => {
            stepwright_json::parse(text).unwrap_or_else(|_| text.as_str().into())
        }
        Some(input) => input.clone(),
    };
    body.insert("input", input.to_string().into());
    let step_functions = task.services.step_functions.get();
    let Some(step_functions) = step_functions else {
        return Err(ApiError::internal("the API is not there yet"));
    };
    let started = step_functions.call("StartExecution".to_owned(), body.clone().into()).await;
    match started {
        // A task that is handed out again has started its execution, which may be over by now.
        Err(error) if error.code == "ExecutionAlreadyExists" && task.call.submitted => {
            let mut reply = Object::new();
            let arn = error.message.split('\'').nth(1).unwrap_or_default();
            reply.insert("executionArn", arn.into());
            Ok(reply.into())
        }
        started => started,
    }
}

/// A name in the form of a UUID that belongs to one task.
fn derived_name(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    let mut hex = String::with_capacity(32);
    for byte in &hash[..16] {
        write!(hex, "{byte:02x}").expect("text grows");
    }
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn answer(task: &Task, arn: &str, reply: &Json) -> Json {
    let mut output = Object::new();
    output.insert("ExecutionArn", arn.into());
    let id = task.report.engine().new_uuid();
    let length = reply.to_string().len().to_string();
    let date = time::http_date(task.report.engine().now().0);
    let headers = [
        ("x-amzn-RequestId", id.as_str()),
        ("connection", "keep-alive"),
        ("Content-Length", &length),
        ("Date", &date),
        ("Content-Type", "application/x-amz-json-1.0"),
    ];
    insert_metadata(&mut output, &id, &headers);
    let started_at = reply.get("startDate").and_then(Json::as_f64).unwrap_or_default();
    output.insert("StartDate", Json::Int((started_at * 1_000.0) as i64));
    output.into()
}

/// An error of the API as an optimised integration reports it.
fn failure(task: &Task, error: &ApiError) -> Failure {
    let (code, status) = (error.code, error.status);
    let name =
        if code.ends_with("Exception") { code.to_owned() } else { format!("{code}Exception") };
    let cause = format!(
        "{} (Service: AWSStepFunctions; Status Code: {status}; Error Code: {code}; Request ID: {}; \
         Proxy: null)",
        error.message,
        task.report.engine().new_uuid()
    );
    Failure::new(format!("StepFunctions.{name}"), cause)
}

fn end(ended: &Snapshot, form: Form) -> End {
    let described = describe(ended, form);
    match &ended.status {
        Status::Succeeded { .. } => End::Succeeded(described),
        _ => End::Failed(Failure::new("States.TaskFailed", described.to_string()), Stage::Run),
    }
}

/// An execution as the task's result shows it.
fn describe(ended: &Snapshot, form: Form) -> Json {
    let data = |value: &Json| match form {
        Form::Sync2 => value.clone(),
        _ => value.to_string().into(),
    };
    let about = &ended.facts.about;
    let included = stepwright_json::json!({"Included": true});
    let mut object = Object::new();
    if let Status::Failed { failure } | Status::Aborted { failure } = &ended.status {
        if let Some(cause) = &failure.cause {
            object.insert("Cause", cause.clone().into());
        }
        if let Some(error) = &failure.error {
            object.insert("Error", error.clone().into());
        }
    }
    object.insert("ExecutionArn", about.arn.as_str().into());
    object.insert("Input", data(&ended.input));
    object.insert("InputDetails", included.clone());
    object.insert("Name", ended.facts.name().into());
    if let Status::Succeeded { output } = &ended.status {
        object.insert("Output", data(output));
        object.insert("OutputDetails", included);
    }
    object.insert("RedriveCount", Json::Int(ended.redriven.map_or(0, |(count, _)| count.into())));
    object.insert("StartDate", Json::Int(about.started_at));
    object.insert("StateMachineArn", about.machine.as_str().into());
    object.insert("Status", ended.status.name().into());
    if let Some(at) = ended.stopped_at {
        object.insert("StopDate", Json::Int(at));
    }
    object.into()
}
