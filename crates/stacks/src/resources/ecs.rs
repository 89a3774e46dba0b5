//! Clusters and task definitions.

use crate::names::{self, Values};
use crate::request::text;
use crate::stack::{Made, Record, Stack, Was};
use stepwright_asl::Resource;
use stepwright_json::{Json, json};

pub(super) async fn cluster(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let name = names::name(resource);
    let asked = json!({"clusters": [(name.as_str())]});
    let there = stack.told("ecs", "DescribeClusters", asked).await?;
    let clusters = there.get("clusters").and_then(Json::as_array);
    let is_active = |one: &Json| one.get("status").map(text).as_deref() == Some("ACTIVE");
    let is_there = clusters.into_iter().flatten().any(is_active);
    if !is_there {
        // Where containers would run matters to AWS only.
        let input = json!({"clusterName": (name.as_str())});
        stack.told("ecs", "CreateCluster", input).await?;
    }
    let place = &stack.setup.place;
    let arn = format!("arn:aws:ecs:{}:{}:cluster/{name}", place.region, place.account);
    let was = if is_there { Was::Same } else { Was::Nothing };
    Ok(Made { was, ..Made::new(name.clone(), Values::new(name).with("Arn", arn)) })
}

/// Registers a task definition, if the template declares it otherwise than last time.
pub(super) async fn task_definition(
    stack: &Stack,
    resource: &Resource,
    last: Option<&Record>,
) -> Result<Made, String> {
    let family = names::name(resource);
    if let Some(last) = last.filter(|last| last.properties == resource.properties) {
        let asked = json!({"taskDefinition": (last.values.reference.as_str())});
        let there = stack.call("ecs", "DescribeTaskDefinition", asked).await;
        let status = |answer: Json| Some(text(answer.get("taskDefinition")?.get("status")?));
        if there.ok().and_then(status).as_deref() == Some("ACTIVE") {
            return Ok(Made { was: Was::Same, ..Made::new(family, last.values.clone()) });
        }
    }
    let (mut input, left_out) =
        stack.parameters_of("ecs", "RegisterTaskDefinition", &resource.properties);
    input.insert("family", family.as_str().into());
    let answer = stack.told("ecs", "RegisterTaskDefinition", input.into()).await?;
    let arn = answer.get("taskDefinition").and_then(|one| one.get("taskDefinitionArn"));
    let arn = arn.map(text).unwrap_or_default();
    let was = if last.is_some() { Was::Other } else { Was::Nothing };
    let values = Values::new(arn.clone()).with("TaskDefinitionArn", arn);
    Ok(Made { was, left_out, ..Made::new(family, values) })
}
