//! Parameters of Systems Manager.

use crate::names::{self, Values};
use crate::request::{tags, text};
use crate::stack::{Made, Record, Stack, Was};
use stepwright_asl::Resource;
use stepwright_json::{Json, json};

/// Makes a parameter. One that is there keeps its value, until the template gives it another one.
pub(super) async fn parameter(
    stack: &Stack,
    resource: &Resource,
    last: Option<&Record>,
) -> Result<Made, String> {
    let name = names::name(resource);
    let mut properties = resource.properties.as_object().cloned().unwrap_or_default();
    properties.remove("Tags");
    let (mut input, left_out) =
        stack.parameters_of("ssm", "PutParameter", &Json::Object(properties));
    input.insert("Name", name.as_str().into());
    let there = stack.call("ssm", "GetParameter", json!({"Name": (name.as_str())})).await.is_ok();
    let is_same = last.is_none_or(|last| last.properties == resource.properties);
    let was = if there && is_same {
        Was::Same
    } else {
        let tags = tags(&resource.properties).filter(|_| !there);
        if there {
            input.insert("Overwrite", true.into());
        }
        if let Some(tags) = tags {
            input.insert("Tags", tags);
        }
        stack.told("ssm", "PutParameter", input.into()).await?;
        if there { Was::Other } else { Was::Nothing }
    };
    let property = |member: &str| resource.properties.get(member).map(text).unwrap_or_default();
    let values =
        Values::new(name.clone()).with("Type", property("Type")).with("Value", property("Value"));
    Ok(Made { was, left_out, ..Made::new(name, values) })
}
