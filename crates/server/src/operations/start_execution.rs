use crate::api::{Api, Reply, store_failed};
use stepwright_engine::{Principal, StartError, StartRequest};
use stepwright_json::Object;
use stepwright_protocol::{ApiError, Request, timestamp};
use tokio::sync::OwnedMutexGuard;

pub(super) async fn call(api: &Api, request: &Request, principal: Principal) -> Reply {
    let _starting = api.engine.starting().await;
    let start = api.start_request(request, principal).await?;
    let _counted = match check_concurrency(api, &start.machine.arn, &start.machine.name).await {
        // A start that is repeated, because its answer was lost, is no further execution.
        Err(_) if was_started(api, &start).await? => None,
        counted => counted?,
    };
    let started = api.engine.start(start).await.map_err(refused)?;
    let mut reply = Object::new();
    reply.insert("executionArn", started.arn.into());
    reply.insert("startDate", timestamp(started.started_at));
    Ok(reply.into())
}

/// Whether there is an execution of this name.
async fn was_started(api: &Api, start: &StartRequest) -> Result<bool, ApiError> {
    let arn = start.machine.arn.replacen(":stateMachine:", ":execution:", 1);
    let row = api.engine.execution_row(&format!("{arn}:{}", start.name)).await;
    Ok(row.map_err(store_failed)?.is_some())
}

pub(crate) fn refused(error: StartError) -> ApiError {
    match error {
        StartError::Exists { arn } => {
            ApiError::new("ExecutionAlreadyExists", format!("Execution Already Exists: '{arn}'"))
        }
        StartError::Panicked { reason } => {
            ApiError::internal(format!("the execution could not begin: {reason}"))
        }
        StartError::Store(error) => store_failed(error),
        StartError::Closing => closing(),
    }
}

/// The error while the server shuts down, after which SDKs try again.
pub(super) fn closing() -> ApiError {
    ApiError {
        status: 503,
        ..ApiError::new("ServiceUnavailable", "the server is shutting down; try again")
    }
}

/// Checks a limit that AWS does not have: a machine's `max_concurrent_executions` in
/// stepwright.toml. What it returns must be held until the start is durable, so that the next start
/// counts it. Of several nodes, one starts all executions of such a machine (see [`Api::operate`]).
pub(crate) async fn check_concurrency(
    api: &Api,
    arn: &str,
    name: &str,
) -> Result<Option<OwnedMutexGuard<()>>, ApiError> {
    let Some(most) = api.settings.max_concurrent_executions.get(name).copied() else {
        return Ok(None);
    };
    let counting = api.engine.counting(arn).await;
    let running = api.engine.running(arn).await.map_err(store_failed)?;
    if running >= most {
        return Err(ApiError::new(
            "ExecutionLimitExceeded",
            format!("the state machine '{arn}' runs {running} executions and may run {most}"),
        ));
    }
    Ok(Some(counting))
}
