use super::{execution_arn, start_execution::closing};
use crate::api::{Api, Reply, execution_missing};
use stepwright_engine::{Refused, StopError};
use stepwright_history::Failure;
use stepwright_json::Object;
use stepwright_protocol::{ApiError, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = execution_arn(request)?;
    let failure = Failure {
        error: request.text("error").map(Into::into),
        cause: request.text("cause").map(Into::into),
    };
    let stopped_at = api.engine.stop(arn, failure).await.map_err(|error| match error {
        StopError::NoSuchExecution => execution_missing(arn),
        StopError::Refused(refused) => not_done(&refused),
    })?;
    let mut reply = Object::new();
    reply.insert("stopDate", timestamp(stopped_at));
    Ok(reply.into())
}

/// The error for a valid request that could not be carried out.
pub(super) fn not_done(refused: &Refused) -> ApiError {
    match refused {
        Refused::Closing => closing(),
        Refused::Moved => ApiError {
            status: 503,
            ..ApiError::new("ServiceUnavailable", format!("{refused}; try again"))
        },
        other => ApiError::internal(other.to_string()),
    }
}
