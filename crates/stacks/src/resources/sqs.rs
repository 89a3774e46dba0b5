//! Queues.

use crate::names::{self, Values};
use crate::request::{pairs, text};
use crate::stack::{Made, Stack, Was, said, without};
use stepwright_asl::Resource;
use stepwright_json::{Json, Object, json};

/// The attributes that are properties with the same name.
const ATTRIBUTES: [&str; 11] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "VisibilityTimeout",
];

pub(super) async fn queue(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let mut name = names::name(resource);
    let is_fifo = resource.properties.get("FifoQueue").is_some_and(|fifo| text(fifo) == "true");
    if is_fifo && resource.properties.get("QueueName").is_none() {
        name.push_str(".fifo");
    }
    let (mut attributes, mut left_out) = (Object::new(), Vec::new());
    for (property, value) in resource.properties.as_object().into_iter().flat_map(Object::iter) {
        match property.as_str() {
            "QueueName" | "Tags" => {}
            // How messages are encrypted on AWS matters there.
            "SqsManagedSseEnabled" | "KmsMasterKeyId" | "KmsDataKeyReusePeriodSeconds" => {}
            // AWS takes `false` for the property alone.
            "FifoQueue" if !is_fifo => {}
            known if ATTRIBUTES.contains(&known) => {
                attributes.insert(known, text(value).into());
            }
            other => left_out.push(without(other)),
        }
    }
    let tags = resource.properties.get("Tags").map(|tags| {
        let tags = pairs(tags).into_iter().map(|(key, value)| (key, Json::from(text(value))));
        Json::Object(tags.collect())
    });
    let input = json!({
        "QueueName": (name.as_str()),
        "Attributes": (attributes.clone()),
        "tags": (tags.unwrap_or_default())
    });
    let asked = json!({"QueueName": (name.as_str())});
    let there = stack.call("sqs", "GetQueueUrl", asked).await.ok();
    let (answer, was) = match (there, stack.call("sqs", "CreateQueue", input).await) {
        (None, Ok(answer)) => (answer, Was::Nothing),
        (Some(_), Ok(answer)) => (answer, Was::Same),
        (Some(there), Err(_)) => {
            attributes.remove("FifoQueue");
            let url = there.get("QueueUrl").cloned().unwrap_or_default();
            let input = json!({"QueueUrl": url, "Attributes": attributes});
            stack.told("sqs", "SetQueueAttributes", input).await?;
            (there, Was::Other)
        }
        (None, Err(error)) => return Err(said(&error)),
    };
    let url = answer.get("QueueUrl").map(text).unwrap_or_default();
    let place = &stack.setup.place;
    let arn = format!("arn:aws:sqs:{}:{}:{name}", place.region, place.account);
    let values = Values::new(url.clone())
        .with("Arn", arn)
        .with("QueueName", name.clone())
        .with("QueueUrl", url);
    Ok(Made { was, left_out, ..Made::new(name, values) })
}

pub(super) async fn policy(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let document = resource.properties.get("PolicyDocument").map(text).unwrap_or_default();
    let queues = resource.properties.get("Queues").and_then(Json::as_array);
    for queue in queues.into_iter().flatten() {
        let attributes = json!({"Policy": (document.as_str())});
        let input = json!({"QueueUrl": (text(queue)), "Attributes": attributes});
        stack.told("sqs", "SetQueueAttributes", input).await?;
    }
    let id = resource.logical_id.as_str();
    Ok(Made { was: Was::Same, ..Made::new(id, Values::new(id).with("Id", id)) })
}
