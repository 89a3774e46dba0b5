//! `aws-sdk:sfn:*`: any operation of Step Functions, as the SDK integrations call it.

use crate::{End, Task};
use stepwright_history::{Failure, Stage, TaskKind};
use stepwright_json::{Json, Object};
use stepwright_protocol::{ApiError, Member, Shape, operation};

pub(crate) async fn run(task: Task) -> End {
    let TaskKind::Service { action, .. } = &task.call.call.kind else { return End::Elsewhere };
    let waits = action.ends_with(".waitForTaskToken");
    let name = action.trim_end_matches(".waitForTaskToken");
    let Some(operation) = operation(&capital(name)) else {
        let error = ApiError::new("UnknownOperationException", format!("there is no {name}"));
        return End::Failed(failure(&error), Stage::Run);
    };
    let parameters = &task.call.call.parameters;
    let mut body = members(operation.input, parameters);
    // Where the API takes JSON as text, a definition may also give a value.
    if let Some(input) = body.get("input").cloned()
        && !matches!(input, Json::String(_) | Json::Null)
    {
        body.insert("input", input.to_string().into());
    }
    let Some(step_functions) = task.services.step_functions.get() else {
        let error = ApiError::internal("the API is not there yet");
        return End::Failed(failure(&error), Stage::Run);
    };
    let stage = if waits { Stage::Submit } else { Stage::Run };
    let facts = task.call.facts.clone();
    match step_functions.call(facts, operation.name.to_owned(), body.into()).await {
        Err(error) => End::Failed(failure(&error), stage),
        Ok(reply) if waits => {
            task.report.submitted(answer(&reply));
            End::Elsewhere
        }
        Ok(reply) => End::Succeeded(answer(&reply)),
    }
}

/// A request in the API's spelling. The SDK integrations write `StateMachineArn` for
/// `stateMachineArn`.
fn members(known: &[Member], parameters: &Json) -> Object {
    let mut body = Object::new();
    for member in known {
        if let Some(value) = parameters.get(&capital(member.name)).filter(|v| !v.is_null()) {
            body.insert(member.name, spelled(member.shape, value));
        }
    }
    body
}

fn spelled(shape: &Shape, value: &Json) -> Json {
    match (shape, value) {
        (Shape::Structure(known), Json::Object(_)) => members(known, value).into(),
        (Shape::List { of, .. }, Json::Array(items)) => {
            items.iter().map(|item| spelled(of, item)).collect::<Vec<_>>().into()
        }
        // Where the API wants text, a value is converted to its JSON text.
        (Shape::Text { .. }, Json::Object(_) | Json::Array(_)) => value.to_string().into(),
        _ => value.clone(),
    }
}

/// An answer in the spelling of the SDK integrations. Moments become text.
fn answer(reply: &Json) -> Json {
    match reply {
        Json::Object(members) => members
            .iter()
            .map(|(key, value)| {
                let is_moment = key.ends_with("Date") || key == "timestamp";
                let value = match value.as_f64().filter(|_| is_moment) {
                    Some(seconds) => moment((seconds * 1_000.0).round() as i64).into(),
                    None => answer(value),
                };
                (capital(key), value)
            })
            .collect::<Object>()
            .into(),
        Json::Array(items) => items.iter().map(answer).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

fn moment(millis: i64) -> String {
    stepwright_program::time::format(millis)
}

/// The name with its first letter in upper case.
fn capital(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// An error of the API as an SDK integration reports it.
fn failure(error: &ApiError) -> Failure {
    let code = error.code;
    let name =
        if code.ends_with("Exception") { code.to_owned() } else { format!("{code}Exception") };
    let cause = format!(
        "{} (Service: Sfn, Status Code: {}, Request ID: {}) (SDK Attempt Count: 1)",
        error.message,
        error.status,
        uuid::Uuid::new_v4()
    );
    Failure::new(format!("Sfn.{name}"), cause)
}
