use super::{Paging, list};
use crate::api::{Api, Reply};
use stepwright_json::{Json, Object};
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let paging = Paging::read(request)?;
    let target = api.target(request.required("stateMachineArn"))?;
    let machine = &target.machine;
    // If the ARN names a version, only the aliases that route to it.
    let wanted = target.version.as_ref().map(|version| version.number);
    let aliases = machine.aliases.values().filter(|alias| {
        wanted.is_none_or(|wanted| alias.routes.iter().any(|route| route.version == wanted))
    });
    let (page, next) =
        paging.cut(aliases, |last| last.name.clone(), |one, after| one.name.as_str() > after);
    let items = page.into_iter().map(|alias| {
        let mut item = Object::new();
        item.insert("stateMachineAliasArn", format!("{}:{}", machine.arn, alias.name).into());
        item.insert("creationDate", timestamp(alias.created_at));
        Json::from(item)
    });
    Ok(list("stateMachineAliases", items.collect(), next))
}
