use super::{empty, stop_execution::not_done};
use crate::api::{Api, Reply};
use stepwright_engine::TokenError;
use stepwright_protocol::{ApiError, Request};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let text = request.required("output");
    let output = stepwright_json::parse(text).map_err(|error| {
        let complaint = stepwright_json::jackson::complaint(text);
        let why = complaint.map_or_else(|| error.to_string(), |complaint| complaint.message);
        ApiError::new("InvalidOutput", format!("Invalid Output: '{why}'"))
    })?;
    api.engine.task_succeeded(request.required("taskToken"), output).await.map_err(refused)?;
    Ok(empty())
}

pub(super) fn refused(error: TokenError) -> ApiError {
    match error {
        TokenError::Invalid => ApiError::new("InvalidToken", "Invalid Token: 'Invalid token'"),
        TokenError::TimedOut => {
            ApiError::new("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        }
        TokenError::Refused(refused) => not_done(&refused),
    }
}
