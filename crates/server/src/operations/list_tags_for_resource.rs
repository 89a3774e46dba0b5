use crate::api::{Api, Reply, resource_missing};
use stepwright_json::{Json, Object};
use stepwright_protocol::{Arn, Request};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = request.required("resourceArn");
    let kind = Arn::parse_kind(arn, &["stateMachine", "activity"])?.kind;
    let catalogue = api.engine.catalogue();
    let tags = match kind {
        "activity" => catalogue.activity(arn).map(|activity| activity.tags.clone()),
        _ => catalogue.machine(arn).map(|machine| machine.tags.clone()),
    };
    let tags = tags.ok_or_else(|| resource_missing(arn))?.into_iter().map(|(key, value)| {
        let mut tag = Object::new();
        tag.insert("key", key.into());
        tag.insert("value", value.into());
        Json::from(tag)
    });
    let mut reply = Object::new();
    reply.insert("tags", tags.collect::<Vec<_>>().into());
    Ok(reply.into())
}
