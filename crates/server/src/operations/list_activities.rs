use super::{Paging, list};
use crate::api::{Api, Reply};
use stepwright_json::{Json, Object};
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let paging = Paging::read(request)?;
    let mut activities = api.engine.catalogue().activities();
    activities.retain(|activity| api.sees(&activity.arn));
    let (page, next) =
        paging.cut(activities, |last| last.arn.clone(), |one, after| one.arn.as_str() > after);
    let items = page.into_iter().map(|activity| {
        let mut item = Object::new();
        item.insert("activityArn", activity.arn.as_str().into());
        item.insert("name", activity.name.as_str().into());
        item.insert("creationDate", timestamp(activity.created_at));
        Json::from(item)
    });
    Ok(list("activities", items.collect(), next))
}
