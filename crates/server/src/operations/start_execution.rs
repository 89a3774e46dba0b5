use crate::api::{Api, Reply, store_failed};
use stepwright_engine::{Machine, Principal, StartError, StartRequest};
use stepwright_json::Object;
use stepwright_protocol::{ApiError, Request, timestamp};
use tokio::sync::OwnedMutexGuard;

pub(super) async fn call(api: &Api, request: &Request, principal: Principal) -> Reply {
    let _starting = api.engine.starting().await;
    let start = api.start_request(request, principal).await?;
    let _counted = match check_concurrency(api, &start.machine).await {
        // A start that is repeated, because its answer was lost, is no further execution.
        Err(_) if was_started(api, &start).await? => Vec::new(),
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

/// Checks limits that AWS does not have: `max_concurrent_executions` of a machine and of its account in
/// stepwright.toml. What it returns must be held until the start is durable, so that the next start counts
/// it.
pub(crate) async fn check_concurrency(
    api: &Api,
    machine: &Machine,
) -> Result<Vec<OwnedMutexGuard<()>>, ApiError> {
    let refused = |what: &str, running: u64, most: u64| {
        let why = format!("{what} runs {running} executions and may run {most}");
        ApiError::new("ExecutionLimitExceeded", why)
    };
    let (engine, settings, arn) = (&api.engine, &api.settings, &machine.arn);
    let mut held = Vec::new();
    let scope = settings.credentials.scope_of(arn);
    if let Some((scope, most)) =
        scope.and_then(|scope| Some((scope.clone(), scope.most_running()?)))
        && !machine.is_express
    {
        let (account, region) = (scope.account(), scope.region().unwrap_or_default());
        held.push(engine.counting(&format!("{account}/{region}")).await);
        let mut running = 0;
        for machine in engine.catalogue().machines().iter().filter(|one| scope.owns(&one.arn)) {
            running += engine.running(&machine.arn).await.map_err(store_failed)?;
        }
        if running >= most {
            return Err(refused(&format!("the account {account} in {region}"), running, most));
        }
    }
    if let Some(most) = settings.max_concurrent_executions.get(&machine.name).copied() {
        held.push(engine.counting(arn).await);
        let running = engine.running(arn).await.map_err(store_failed)?;
        if running >= most {
            return Err(refused(&format!("the state machine '{arn}'"), running, most));
        }
    }
    Ok(held)
}
