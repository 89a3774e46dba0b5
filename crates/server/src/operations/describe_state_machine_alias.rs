use super::{insert_text, update_state_machine_alias};
use crate::api::{Api, Reply};
use stepwright_json::{Json, Object};
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = request.required("stateMachineAliasArn");
    let (machine, name) = update_state_machine_alias::find(api, arn)?;
    let alias = &machine.aliases[&name];
    let routes = alias.routes.iter().map(|route| {
        let mut item = Object::new();
        let version = format!("{}:{}", machine.arn, route.version);
        item.insert("stateMachineVersionArn", version.into());
        item.insert("weight", Json::Int(i64::from(route.weight)));
        Json::from(item)
    });
    let mut reply = Object::new();
    reply.insert("stateMachineAliasArn", arn.into());
    reply.insert("name", name.as_str().into());
    insert_text(&mut reply, "description", alias.description.as_deref());
    reply.insert("routingConfiguration", routes.collect::<Vec<_>>().into());
    reply.insert("creationDate", timestamp(alias.created_at));
    reply.insert("updateDate", timestamp(alias.updated_at));
    Ok(reply.into())
}
