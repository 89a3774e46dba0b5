use super::{Paging, list};
use crate::api::{Api, Reply};
use stepwright_json::{Json, Object};
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let paging = Paging::read(request)?;
    let mut machines = api.engine.catalogue().machines();
    machines.retain(|machine| api.sees(&machine.arn));
    let (page, next) =
        paging.cut(machines, |last| last.arn.clone(), |one, after| one.arn.as_str() > after);
    let items = page.into_iter().map(|machine| {
        let mut item = Object::new();
        item.insert("stateMachineArn", machine.arn.as_str().into());
        item.insert("name", machine.name.as_str().into());
        item.insert("type", if machine.is_express { "EXPRESS" } else { "STANDARD" }.into());
        item.insert("creationDate", timestamp(machine.created_at));
        Json::from(item)
    });
    Ok(list("stateMachines", items.collect(), next))
}
