use crate::api::{Api, Reply, activity_missing};
use stepwright_json::{Object, json};
use stepwright_protocol::{Arn, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = request.required("activityArn");
    Arn::parse_kind(arn, &["activity"])?;
    let activity = api.engine.catalogue().activity(arn).ok_or_else(|| activity_missing(arn))?;
    let mut reply = Object::new();
    reply.insert("activityArn", arn.into());
    reply.insert("name", activity.name.as_str().into());
    reply.insert("creationDate", timestamp(activity.created_at));
    let default = json!({"type": "AWS_OWNED_KEY"});
    reply.insert("encryptionConfiguration", activity.encryption.clone().unwrap_or(default));
    Ok(reply.into())
}
