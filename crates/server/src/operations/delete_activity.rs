use super::empty;
use crate::api::{Api, Reply, store_failed};
use stepwright_protocol::{Arn, Request};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = request.required("activityArn");
    Arn::parse_kind(arn, &["activity"])?;
    let _changing = api.engine.changing().await;
    api.engine.remove_activity(arn).await.map_err(store_failed)?;
    Ok(empty())
}
