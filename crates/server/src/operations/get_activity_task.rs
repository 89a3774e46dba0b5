use super::{describe_activity, empty};
use crate::api::{Api, Reply};
use stepwright_json::Object;
use stepwright_protocol::{Arn, Request};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = request.required("activityArn");
    Arn::parse_kind(arn, &["activity"])?;
    if api.engine.catalogue().activity(arn).is_none() {
        return Err(describe_activity::missing(arn));
    }
    let worker = request.text("workerName").map(Into::into);
    let task = api.engine.poll_activity(arn, worker, api.settings.longest_poll).await;
    let Some(task) = task else { return Ok(empty()) };
    let mut reply = Object::new();
    reply.insert("taskToken", task.token.into());
    reply.insert("input", task.input.to_string().into());
    Ok(reply.into())
}
