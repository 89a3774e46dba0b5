use super::{empty, send_task_success::refused};
use crate::api::{Api, Reply};
use stepwright_protocol::Request;

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    api.engine.task_heartbeat(request.required("taskToken")).await.map_err(refused)?;
    Ok(empty())
}
