use super::{Paging, list};
use crate::api::{Api, Reply, machine_missing};
use stepwright_json::{Json, Object};
use stepwright_protocol::{Arn, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = request.required("stateMachineArn");
    Arn::parse_kind(arn, &["stateMachine"])?;
    let paging = Paging::read(request)?;
    let machine = api.engine.catalogue().machine(arn).ok_or_else(|| machine_missing(arn))?;
    let versions: Vec<_> = machine.versions.iter().rev().collect();
    let is_after = |number: u64, after: &str| after.parse().is_ok_and(|after: u64| number < after);
    let (page, next) = paging.cut(
        versions,
        |last| last.number.to_string(),
        |one, after| is_after(one.number, after),
    );
    let items = page.into_iter().map(|version| {
        let mut item = Object::new();
        item.insert("stateMachineVersionArn", format!("{arn}:{}", version.number).into());
        item.insert("creationDate", timestamp(version.created_at));
        Json::from(item)
    });
    Ok(list("stateMachineVersions", items.collect(), next))
}
