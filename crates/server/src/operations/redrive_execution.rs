use super::{execution_arn, stop_execution::not_done};
use crate::api::{Api, Reply, execution_missing};
use stepwright_engine::RedriveError;
use stepwright_json::Object;
use stepwright_protocol::{ApiError, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = execution_arn(request)?;
    let at = api.engine.redrive(arn).await.map_err(|error| match error {
        RedriveError::NoSuchExecution => execution_missing(arn),
        RedriveError::NotRedrivable { reason } => ApiError::new("ExecutionNotRedrivable", reason),
        RedriveError::Refused(refused) => not_done(&refused),
    })?;
    let mut reply = Object::new();
    reply.insert("redriveDate", timestamp(at));
    Ok(reply.into())
}
