use super::empty;
use crate::api::{Api, Reply, activity_missing};
use crate::connections::Connection;
use stepwright_json::Object;
use stepwright_protocol::{Arn, Request};

/// Waits for a task, as long as the worker is there. `line` is its connection, if it has one.
pub(super) async fn call(api: &Api, request: &Request, line: Option<&Connection>) -> Reply {
    let arn = request.required("activityArn");
    Arn::parse_kind(arn, &["activity"])?;
    if api.engine.catalogue().activity(arn).is_none() {
        return Err(activity_missing(arn));
    }
    let worker = request.text("workerName").map(Into::into);
    let gone = async {
        match line {
            Some(line) => line.hung_up().await,
            None => std::future::pending().await,
        }
    };
    let task = tokio::select! {
        biased;
        () = gone => None,
        task = api.engine.poll_activity(arn, worker, api.settings.longest_poll) => task,
    };
    let Some(task) = task else { return Ok(empty()) };
    if let Some(line) = line {
        line.if_lost(move || task.handed.give_back());
    }
    let mut reply = Object::new();
    reply.insert("taskToken", task.token.into());
    reply.insert("input", task.input.to_string().into());
    Ok(reply.into())
}
