use super::{empty, tag_resource};
use crate::api::{Api, Reply};
use stepwright_json::Json;
use stepwright_protocol::Request;

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let keys = request.list("tagKeys");
    tag_resource::change(api, request.required("resourceArn"), |tags| {
        for key in keys.iter().filter_map(Json::as_str) {
            tags.remove(key);
        }
    })
    .await?;
    Ok(empty())
}
