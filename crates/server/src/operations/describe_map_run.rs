use super::insert_date;
use crate::api::{Api, Reply, resource_missing, store_failed};
use stepwright_engine::{Counts, MapRun};
use stepwright_json::{Json, Object};
use stepwright_protocol::{ApiError, Arn, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let run = find(api, request.required("mapRunArn")).await?;
    let mut reply = Object::new();
    reply.insert("mapRunArn", run.arn.as_str().into());
    reply.insert("executionArn", run.execution_arn.as_str().into());
    reply.insert("status", run.status.name().into());
    reply.insert("startDate", timestamp(run.started_at));
    insert_date(&mut reply, "stopDate", run.stopped_at);
    reply.insert("maxConcurrency", Json::Int(i64::from(run.max_concurrency)));
    reply.insert("toleratedFailurePercentage", Json::Float(run.tolerated_percentage));
    reply.insert("toleratedFailureCount", Json::Int(run.tolerated_count as i64));
    reply.insert("itemCounts", counts(&run.items));
    reply.insert("executionCounts", counts(&run.executions));
    reply.insert("redriveCount", Json::Int(run.redriven.map_or(0, |(count, _)| i64::from(count))));
    insert_date(&mut reply, "redriveDate", run.redriven.map(|(_, at)| at));
    Ok(reply.into())
}

/// Finds a map run, or returns the error of a missing one.
pub(super) async fn find(api: &Api, arn: &str) -> Result<MapRun, ApiError> {
    Arn::parse_kind(arn, &["mapRun"])?;
    let run = api.engine.map_run(arn).await.map_err(store_failed)?;
    run.ok_or_else(|| resource_missing(arn))
}

fn counts(counts: &Counts) -> Json {
    let numbers = [
        ("pending", counts.pending),
        ("running", counts.running),
        ("succeeded", counts.succeeded),
        ("failed", counts.failed),
        // A child that timed out counts as failed.
        ("timedOut", 0),
        ("aborted", counts.aborted),
        ("total", counts.total),
        ("resultsWritten", counts.results_written),
        ("failuresNotRedrivable", 0),
        ("pendingRedrive", 0),
    ];
    numbers
        .into_iter()
        .map(|(key, count)| (key, Json::Int(count as i64)))
        .collect::<Object>()
        .into()
}
