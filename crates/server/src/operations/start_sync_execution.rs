use super::{insert_text, start_execution};
use crate::api::{Api, Reply};
use stepwright_engine::Principal;
use stepwright_history::Failure;
use stepwright_interpreter::Status;
use stepwright_json::{Json, Object, json};
use stepwright_protocol::{ApiError, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request, principal: Principal) -> Reply {
    let start = api.start_request(request, principal).await?;
    if !start.machine.is_express {
        return Err(ApiError::new(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        ));
    }
    let with_data = request.text("includedData") != Some("METADATA_ONLY");
    let (machine, name) = (start.machine.arn.clone(), start.name.clone());
    let trace_header = start.trace_header.clone();
    let end = api.engine.run_express(start).await.map_err(start_execution::refused)?;
    let started_at = end.facts.about.started_at;
    let stopped_at = end.stopped_at.unwrap_or(started_at);
    let mut reply = Object::new();
    reply.insert("executionArn", end.facts.about.arn.as_str().into());
    reply.insert("stateMachineArn", machine.into());
    reply.insert("name", name.into());
    reply.insert("startDate", timestamp(started_at));
    reply.insert("stopDate", timestamp(stopped_at));
    reply.insert("status", end.status.name().into());
    insert_text(&mut reply, "traceHeader", trace_header.as_deref());
    if with_data {
        let sent = request.text("input").map_or_else(|| end.input.to_string(), str::to_owned);
        reply.insert("input", sent.into());
        reply.insert("inputDetails", json!({"included": true}));
        // AWS includes this for a failed execution as well.
        reply.insert("outputDetails", json!({"included": true}));
    }
    match &end.status {
        Status::Succeeded { output } if with_data => {
            reply.insert("output", output.to_string().into());
        }
        Status::Failed { failure } | Status::TimedOut { failure } | Status::Aborted { failure } => {
            insert_failure(&mut reply, failure);
        }
        _ => {}
    }
    // AWS bills in steps of 100 ms, and by 64 MB.
    let billed = (stopped_at - started_at).max(1).div_euclid(100) * 100 + 100;
    let mut billing = Object::new();
    billing.insert("billedDurationInMilliseconds", Json::Int(billed));
    billing.insert("billedMemoryUsedInMB", Json::Int(64));
    reply.insert("billingDetails", billing.into());
    Ok(reply.into())
}

pub(super) fn insert_failure(object: &mut Object, failure: &Failure) {
    insert_text(object, "error", failure.error.as_deref());
    insert_text(object, "cause", failure.cause.as_deref());
}
