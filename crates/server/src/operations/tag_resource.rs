use super::{check_tag_count, empty, read_tags};
use crate::api::{Api, Reply, resource_missing, store_failed};
use std::collections::BTreeMap;
use stepwright_protocol::{ApiError, Arn, Request};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let added = read_tags(request)?;
    change(api, request.required("resourceArn"), |tags| tags.extend(added)).await?;
    Ok(empty())
}

/// Changes the tags of a machine or an activity.
pub(super) async fn change(
    api: &Api,
    arn: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<(), ApiError> {
    let kind = Arn::parse_kind(arn, &["stateMachine", "activity"])?.kind;
    let _changing = api.engine.changing().await;
    let missing = || resource_missing(arn);
    let stored = if kind == "activity" {
        let activity = api.engine.catalogue().activity(arn).ok_or_else(missing)?;
        let mut activity = (*activity).clone();
        change(&mut activity.tags);
        check_tag_count(&activity.tags, arn)?;
        api.engine.put_activity(activity).await
    } else {
        let machine = api.engine.catalogue().machine(arn).ok_or_else(missing)?;
        let mut machine = (*machine).clone();
        change(&mut machine.tags);
        check_tag_count(&machine.tags, arn)?;
        api.engine.put_machine(machine, None).await
    };
    stored.map_err(store_failed)
}
