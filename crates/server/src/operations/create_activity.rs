use super::{check_name, read_tags};
use crate::api::{Api, Reply, store_failed};
use crate::door::new_arn;
use stepwright_engine::Activity;
use stepwright_json::Object;
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let name = request.required("name");
    check_name(name)?;
    let tags = read_tags(request)?;
    let encryption = request.get("encryptionConfiguration").cloned();
    let arn = new_arn(&api.engine, api.scope.as_ref(), "activity", name);
    let _changing = api.engine.changing().await;
    let created_at = match api.engine.catalogue().activity(&arn) {
        // Creating an activity that exists is not an error, and changes nothing.
        Some(activity) => activity.created_at,
        None => {
            let created_at = api.engine.now().0;
            let activity =
                Activity { arn: arn.clone(), name: name.to_owned(), created_at, tags, encryption };
            api.engine.put_activity(activity).await.map_err(store_failed)?;
            created_at
        }
    };
    let mut reply = Object::new();
    reply.insert("activityArn", arn.into());
    reply.insert("creationDate", timestamp(created_at));
    Ok(reply.into())
}
