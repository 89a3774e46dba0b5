//! Nested executions: `states:startExecution` in all its forms.

use crate::metadata::insert_metadata;
use crate::{End, Task};
use sha2::{Digest as _, Sha256};
use stepwright_engine::Snapshot;
use stepwright_history::{Failure, Moment, Stage, TaskCall, TaskKind};
use stepwright_interpreter::Status;
use stepwright_json::{Json, Object, json};
use stepwright_program::time;
use stepwright_protocol::{ApiError, Arn};
use uuid::Uuid;

/// How a task waits for the end of the nested execution.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Form {
    RequestResponse,
    /// Input and output are text.
    Sync,
    /// Input and output are values.
    Sync2,
    TaskToken,
}

impl Form {
    pub(crate) fn of(call: &TaskCall) -> Self {
        let TaskKind::Service { action, .. } = &call.kind else { return Self::RequestResponse };
        match action.strip_prefix("startExecution").unwrap_or_default() {
            ".sync" => Self::Sync,
            ".sync:2" => Self::Sync2,
            ".waitForTaskToken" => Self::TaskToken,
            _ => Self::RequestResponse,
        }
    }
}

pub(crate) async fn run(task: Task) -> End {
    let form = Form::of(&task.call.call);
    let arn = match start(&task).await {
        Ok(reply) => {
            let arn = reply.get("executionArn").and_then(Json::as_str).unwrap_or_default();
            let answer = started(arn, &reply, task.report.engine().now());
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
            return End::Failed(failure(&error), stage);
        }
    };
    let engine = task.report.engine().clone();
    tokio::select! {
        ended = task.report.ended(&arn) => match ended {
            Some(ended) => match result(&Nested::of(&ended), form) {
                Ok(output) => End::Succeeded(output),
                Err(failure) => End::Failed(failure, Stage::Run),
            },
            None => End::Failed(
                Failure::new("States.TaskFailed", format!("The execution {arn} is gone.")),
                Stage::Run,
            ),
        },
        () = task.report.cancelled() => {
            // The waiting task was stopped or timed out. The nested execution may have ended
            // meanwhile.
            drop(engine.stop(&arn, Failure::default()).await);
            End::Elsewhere
        }
    }
}

/// Starts the nested execution, or finds the one that was started for the same task before.
async fn start(task: &Task) -> Result<Json, ApiError> {
    let parameters = &task.call.call.parameters;
    let mut body = Object::new();
    for (from, to) in [("StateMachineArn", "stateMachineArn"), ("TraceHeader", "traceHeader")] {
        if let Some(value) = parameters.get(from).filter(|value| !value.is_null()) {
            body.insert(to, value.clone());
        }
    }
    let name = parameters.get("Name").and_then(Json::as_str).map(str::to_owned);
    // The name is derived from the task, so a task that is handed out twice starts one execution.
    body.insert("name", name.unwrap_or_else(|| derived_name(&task.call.idempotency_key())).into());
    body.insert("input", input(parameters).to_string().into());
    let step_functions = task.services.step_functions.get();
    let Some(step_functions) = step_functions else {
        return Err(ApiError::internal("the API is not there yet"));
    };
    let started = step_functions
        .call(task.call.facts.clone(), "StartExecution".to_owned(), body.clone().into())
        .await;
    match started {
        // The task was handed out before and has started its execution, which may have ended by
        // now.
        Err(error) if error.code == "ExecutionAlreadyExists" && task.call.submitted => {
            let text = |key: &str| body.get(key).and_then(Json::as_str).unwrap_or_default();
            let (machine, _) = Arn::parse(text("stateMachineArn"))?.machine();
            let arn = machine.replacen(":stateMachine:", ":execution:", 1);
            Ok(json!({"executionArn": (format!("{arn}:{}", text("name")))}))
        }
        started => started,
    }
}

/// The input of the nested execution.
pub(crate) fn input(parameters: &Json) -> Json {
    match parameters.get("Input") {
        None | Some(Json::Null) => Object::new().into(),
        // A string that holds JSON is used as it is.
        Some(Json::String(text)) => {
            stepwright_json::parse(text).unwrap_or_else(|_| text.as_str().into())
        }
        Some(input) => input.clone(),
    }
}

/// Derives a name from a task, in the form of a UUID.
pub(crate) fn derived_name(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(bytes).to_string()
}

/// The answer of `StartExecution`, as the task's result shows it.
pub(crate) fn started(arn: &str, reply: &Json, now: Moment) -> Json {
    let mut output = Object::new();
    output.insert("ExecutionArn", arn.into());
    let id = Uuid::new_v4().to_string();
    let length = reply.to_string().len().to_string();
    let date = time::http_date(now.0);
    let headers = [
        ("x-amzn-RequestId", id.as_str()),
        ("connection", "keep-alive"),
        ("Content-Length", &length),
        ("Date", &date),
        ("Content-Type", "application/x-amz-json-1.0"),
    ];
    insert_metadata(&mut output, 200, &id, &headers);
    let started_at = reply.get("startDate").and_then(Json::as_f64).unwrap_or_default();
    output.insert("StartDate", Json::Int((started_at * 1_000.0) as i64));
    output.into()
}

/// An error of the API as an optimised integration reports it.
fn failure(error: &ApiError) -> Failure {
    let (code, status) = (error.code, error.status);
    let name = match code {
        // The SDK has no class for this error, so AWS gives it the name of the base class.
        "AccessDeniedException" => "AWSStepFunctionsException".to_owned(),
        code if code.ends_with("Exception") => code.to_owned(),
        code => format!("{code}Exception"),
    };
    let cause = format!(
        "{} (Service: AWSStepFunctions; Status Code: {status}; Error Code: {code}; Request ID: {}; \
         Proxy: null)",
        error.message,
        Uuid::new_v4()
    );
    Failure::new(format!("StepFunctions.{name}"), cause)
}

/// A nested execution that has ended.
pub(crate) struct Nested<'e> {
    pub(crate) arn: &'e str,
    pub(crate) machine: &'e str,
    pub(crate) input: &'e Json,
    pub(crate) status: &'e Status,
    pub(crate) started_at: i64,
    pub(crate) stopped_at: Option<i64>,
    pub(crate) redrive_count: u32,
}

impl<'e> Nested<'e> {
    fn of(ended: &'e Snapshot) -> Self {
        let about = &ended.facts.about;
        Self {
            arn: &about.arn,
            machine: &about.machine,
            input: &ended.input,
            status: &ended.status,
            started_at: about.started_at,
            stopped_at: ended.stopped_at,
            redrive_count: ended.redriven.map_or(0, |(count, _)| count),
        }
    }
}

/// The result of a task that waited for an execution.
pub(crate) fn result(nested: &Nested<'_>, form: Form) -> Result<Json, Failure> {
    let described = describe(nested, form);
    match nested.status {
        Status::Succeeded { .. } => Ok(described),
        _ => Err(Failure::new("States.TaskFailed", described.to_string())),
    }
}

/// A nested execution as the task's result shows it.
fn describe(nested: &Nested<'_>, form: Form) -> Json {
    let data = |value: &Json| match form {
        Form::Sync2 => value.clone(),
        _ => value.to_string().into(),
    };
    let included = json!({"Included": true});
    let mut object = Object::new();
    if let Status::Failed { failure } | Status::Aborted { failure } = nested.status {
        if let Some(cause) = &failure.cause {
            object.insert("Cause", cause.clone().into());
        }
        if let Some(error) = &failure.error {
            object.insert("Error", error.clone().into());
        }
    }
    object.insert("ExecutionArn", nested.arn.into());
    object.insert("Input", data(nested.input));
    object.insert("InputDetails", included.clone());
    object.insert("Name", nested.arn.rsplit(':').next().unwrap_or_default().into());
    if let Status::Succeeded { output } = nested.status {
        object.insert("Output", data(output));
        object.insert("OutputDetails", included);
    }
    object.insert("RedriveCount", Json::Int(nested.redrive_count.into()));
    object.insert("StartDate", Json::Int(nested.started_at));
    object.insert("StateMachineArn", nested.machine.into());
    object.insert("Status", nested.status.name().into());
    if let Some(at) = nested.stopped_at {
        object.insert("StopDate", Json::Int(at));
    }
    object.into()
}
