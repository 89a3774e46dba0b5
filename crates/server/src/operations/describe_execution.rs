use super::{execution_arn, insert_date, insert_text, start_sync_execution::insert_failure};
use crate::api::{Api, Reply, execution_missing, store_failed};
use stepwright_engine::Snapshot;
use stepwright_interpreter::Status;
use stepwright_json::{Json, Object, json};
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = execution_arn(request)?;
    let execution = api.engine.describe(arn).await.map_err(store_failed)?;
    let execution = execution.ok_or_else(|| execution_missing(arn))?;
    let with_data = request.text("includedData") != Some("METADATA_ONLY");
    let about = &execution.facts.about;
    let mut reply = Object::new();
    reply.insert("executionArn", arn.into());
    reply.insert("stateMachineArn", about.machine.as_str().into());
    reply.insert("name", execution.facts.name().into());
    reply.insert("status", execution.status.name().into());
    reply.insert("startDate", timestamp(about.started_at));
    insert_date(&mut reply, "stopDate", execution.stopped_at);
    if with_data {
        // The input as it was sent, not as we would write it.
        let text = execution.input_text.as_ref();
        let text = text.map_or_else(|| execution.input.to_string(), ToString::to_string);
        reply.insert("input", text.into());
        reply.insert("inputDetails", json!({"included": true}));
    }
    match &execution.status {
        Status::Succeeded { output } if with_data => {
            reply.insert("output", output.to_string().into());
            reply.insert("outputDetails", json!({"included": true}));
        }
        Status::Failed { failure } | Status::TimedOut { failure } | Status::Aborted { failure } => {
            // A machine's own time-out has an error name in the history, but not in the
            // description.
            let is_own = matches!(execution.status, Status::TimedOut { .. });
            if !is_own {
                insert_failure(&mut reply, failure);
            }
        }
        _ => {}
    }
    insert_text(&mut reply, "traceHeader", execution.facts.trace_header.as_deref());
    insert_text(&mut reply, "mapRunArn", about.map_run.as_deref());
    insert_text(&mut reply, "stateMachineVersionArn", about.version.as_deref());
    insert_text(&mut reply, "stateMachineAliasArn", about.alias.as_deref());
    redrive(api, &execution, &mut reply);
    Ok(reply.into())
}

fn redrive(api: &Api, execution: &Snapshot, reply: &mut Object) {
    let count = execution.redriven.map_or(0, |(count, _)| count);
    reply.insert("redriveCount", Json::Int(i64::from(count)));
    insert_date(reply, "redriveDate", execution.redriven.map(|(_, at)| at));
    let reason = api.engine.why_not_redrivable(execution);
    let status = match &reason {
        None => "REDRIVABLE",
        Some(_) if execution.is_redrivable_by_map_run() => "REDRIVABLE_BY_MAP_RUN",
        Some(_) => "NOT_REDRIVABLE",
    };
    reply.insert("redriveStatus", status.into());
    insert_text(reply, "redriveStatusReason", reason.as_deref());
}
