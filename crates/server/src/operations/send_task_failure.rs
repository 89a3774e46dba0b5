use super::{empty, send_task_success::refused};
use crate::api::{Api, Reply};
use stepwright_history::Failure;
use stepwright_protocol::Request;

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let failure = Failure {
        error: request.text("error").map(Into::into),
        cause: request.text("cause").map(Into::into),
    };
    api.engine.task_failed(request.required("taskToken"), failure).await.map_err(refused)?;
    Ok(empty())
}
