//! Nested executions: `states:startExecution` in all its forms.

use crate::{End, Task};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use stepwright_engine::Snapshot;
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object, json};
use stepwright_protocol::{ApiError, Arn};
use stepwright_simulator::{Form, Nested, input_of, refused, started};
use tokio::time::Instant;
use uuid::Uuid;

/// How long a start is tried again that the server could not carry out, and the pause before that.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(task: Task) -> End {
    let form = Form::of(&task.call.call);
    let arn = match start(&task).await {
        Ok(reply) => {
            let arn = reply.get("executionArn").and_then(Json::as_str).unwrap_or_default();
            let answer =
                started(arn, &reply, task.report.engine().now(), &Uuid::new_v4().to_string());
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
            Some(ended) => match nested(&ended).result(form) {
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
    let is_derived = name.is_none();
    body.insert("name", name.unwrap_or_else(|| derived_name(&task.call.idempotency_key())).into());
    body.insert("input", input_of(parameters).to_string().into());
    let step_functions = task.services.step_functions.get();
    let Some(step_functions) = step_functions else {
        return Err(ApiError::internal("the API is not there yet"));
    };
    let end = Instant::now() + PATIENCE;
    let started = loop {
        let started = step_functions
            .call(task.call.facts.clone(), "StartExecution".to_owned(), body.clone().into())
            .await;
        // The store, or the node that would start it, cannot be reached. That is no failure of the task.
        let is_open = started.as_ref().is_err_and(|error| error.status >= 500);
        if !is_open || task.report.engine().is_closing() || Instant::now() >= end {
            break started;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = task.report.cancelled() => break started,
        }
    };
    let was_tried = task.call.submitted || is_derived;
    match started {
        // The task was handed out before, or an attempt was kept after all, and its execution may have
        // ended by now.
        Err(error) if error.code == "ExecutionAlreadyExists" && was_tried => {
            let text = |key: &str| body.get(key).and_then(Json::as_str).unwrap_or_default();
            let (machine, _) = Arn::parse(text("stateMachineArn"))?.machine();
            let arn = machine.replacen(":stateMachine:", ":execution:", 1);
            Ok(json!({"executionArn": (format!("{arn}:{}", text("name")))}))
        }
        started => started,
    }
}

/// Derives a name from a task, in the form of a UUID.
pub(crate) fn derived_name(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(bytes).to_string()
}

/// An error of the API as an optimised integration reports it.
fn failure(error: &ApiError) -> Failure {
    refused(error.code, error.status, &error.message, &Uuid::new_v4().to_string())
}

/// The nested execution that has ended.
fn nested(ended: &Snapshot) -> Nested<'_> {
    let about = &ended.facts.about;
    Nested {
        arn: &about.arn,
        machine: &about.machine,
        input: &ended.input,
        status: &ended.status,
        started_at: about.started_at,
        stopped_at: ended.stopped_at,
        redrive_count: ended.redriven.map_or(0, |(count, _)| count),
    }
}
