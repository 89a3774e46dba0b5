use super::{describe_map_run, empty, stop_execution::not_done};
use crate::api::{Api, Reply};
use stepwright_engine::{MapRunStatus, Refused};
use stepwright_protocol::{ApiError, Request};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let run = describe_map_run::find(api, request.required("mapRunArn")).await?;
    let completed = || {
        let error = ApiError::validation("Map Run is completed and cannot be updated");
        error.because("CANNOT_UPDATE_COMPLETED_MAP_RUN")
    };
    if run.status != MapRunStatus::Running {
        return Err(completed());
    }
    let updated = api
        .engine
        .update_map_run(
            &run,
            request.integer("maxConcurrency").map(|number| number as u32),
            request.integer("toleratedFailureCount").map(|number| number as u64),
            request.number("toleratedFailurePercentage"),
        )
        .await;
    match updated {
        Ok(()) => Ok(empty()),
        Err(Refused::Stale) => Err(completed()),
        Err(refused) => Err(not_done(&refused)),
    }
}
