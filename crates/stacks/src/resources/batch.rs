//! Compute environments, queues and definitions of jobs.

use crate::names::{self, Values};
use crate::request::text;
use crate::stack::{Made, Record, Stack, Was};
use stepwright_asl::Resource;
use stepwright_json::{Json, Object, Str, json};

pub(super) async fn environment(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let name = names::name(resource);
    let asked = json!({"computeEnvironments": [(name.as_str())]});
    let listed = stack.told("batch", "DescribeComputeEnvironments", asked).await?;
    let there = listed.get("computeEnvironments").and_then(Json::as_array);
    let is_there = there.is_some_and(|all| !all.is_empty());
    if !is_there {
        // Which machines AWS would use matters to AWS only.
        let kept = ["Type", "State", "Tags"];
        let given = resource.properties.as_object().into_iter().flat_map(Object::iter);
        let given = given.filter(|(name, _)| kept.contains(&name.as_str()));
        let given: Object = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        let (mut input, _) =
            stack.parameters_of("batch", "CreateComputeEnvironment", &given.into());
        input.insert("computeEnvironmentName", name.as_str().into());
        input.insert("type", "UNMANAGED".into());
        stack.told("batch", "CreateComputeEnvironment", input.into()).await?;
    }
    let place = &stack.setup.place;
    let arn =
        format!("arn:aws:batch:{}:{}:compute-environment/{name}", place.region, place.account);
    let values = Values::new(arn.clone()).with("ComputeEnvironmentArn", arn);
    let was = if is_there { Was::Same } else { Was::Nothing };
    Ok(Made { was, ..Made::new(name, values) })
}

pub(super) async fn queue(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let name = names::name(resource);
    let (mut input, left_out) =
        stack.parameters_of("batch", "CreateJobQueue", &resource.properties);
    input.insert("jobQueueName", name.as_str().into());
    let asked = json!({"jobQueues": [(name.as_str())]});
    let listed = stack.told("batch", "DescribeJobQueues", asked).await?;
    let there = listed.get("jobQueues").and_then(Json::as_array);
    let was = match there.into_iter().flatten().next() {
        None => {
            stack.told("batch", "CreateJobQueue", input.into()).await?;
            Was::Nothing
        }
        Some(there) => {
            let members = ["priority", "state", "computeEnvironmentOrder"];
            let differs = |member: &&str| {
                input.get(member).is_some_and(|wanted| there.get(member) != Some(wanted))
            };
            if members.iter().any(differs) {
                let changed = members
                    .iter()
                    .filter_map(|member| Some((Str::from(*member), input.get(member)?.clone())));
                let mut update: Object = changed.collect();
                update.insert("jobQueue", name.as_str().into());
                stack.told("batch", "UpdateJobQueue", update.into()).await?;
                Was::Other
            } else {
                Was::Same
            }
        }
    };
    let place = &stack.setup.place;
    let arn = format!("arn:aws:batch:{}:{}:job-queue/{name}", place.region, place.account);
    let values = Values::new(arn.clone()).with("JobQueueArn", arn);
    Ok(Made { was, left_out, ..Made::new(name, values) })
}

/// Registers a job definition, if the template declares it otherwise than last time.
pub(super) async fn definition(
    stack: &Stack,
    resource: &Resource,
    last: Option<&Record>,
) -> Result<Made, String> {
    let name = names::name(resource);
    if let Some(last) = last.filter(|last| last.properties == resource.properties) {
        let asked =
            json!({"jobDefinitions": [(last.values.reference.as_str())], "status": "ACTIVE"});
        let listed = stack.told("batch", "DescribeJobDefinitions", asked).await?;
        let there = listed.get("jobDefinitions").and_then(Json::as_array);
        if there.is_some_and(|all| !all.is_empty()) {
            return Ok(Made { was: Was::Same, ..Made::new(name, last.values.clone()) });
        }
    }
    let (mut input, left_out) =
        stack.parameters_of("batch", "RegisterJobDefinition", &resource.properties);
    input.insert("jobDefinitionName", name.as_str().into());
    let answer = stack.told("batch", "RegisterJobDefinition", input.into()).await?;
    let arn = answer.get("jobDefinitionArn").map(text).unwrap_or_default();
    let was = if last.is_some() { Was::Other } else { Was::Nothing };
    Ok(Made {
        was,
        left_out,
        ..Made::new(name, Values::new(arn.clone()).with("JobDefinitionArn", arn))
    })
}
