//! Topics and their subscriptions.

use crate::names::{self, Values};
use crate::request::{tags, text};
use crate::stack::{Made, Stack, Was, without};
use stepwright_asl::Resource;
use stepwright_json::{Json, Object, json};

/// The attributes of a topic that are properties with the same name.
const OF_TOPICS: [&str; 3] = ["ContentBasedDeduplication", "DisplayName", "FifoTopic"];

/// Those of a subscription.
const OF_SUBSCRIPTIONS: [&str; 5] =
    ["DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"];

pub(super) async fn topic(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let mut name = names::name(resource);
    let is_fifo = resource.properties.get("FifoTopic").is_some_and(|fifo| text(fifo) == "true");
    if is_fifo && resource.properties.get("TopicName").is_none() {
        name.push_str(".fifo");
    }
    let (mut attributes, mut left_out) = (Object::new(), Vec::new());
    for (property, value) in resource.properties.as_object().into_iter().flat_map(Object::iter) {
        match property.as_str() {
            "TopicName" | "Tags" | "Subscription" => {}
            // How messages are encrypted, signed and traced on AWS matters there.
            "KmsMasterKeyId" | "SignatureVersion" | "TracingConfig" => {}
            "FifoTopic" if !is_fifo => {}
            known if OF_TOPICS.contains(&known) => {
                attributes.insert(known, text(value).into());
            }
            other => left_out.push(without(other)),
        }
    }
    let place = &stack.setup.place;
    let arn = format!("arn:aws:sns:{}:{}:{name}", place.region, place.account);
    let there = stack.call("sns", "GetTopicAttributes", json!({"TopicArn": (arn.as_str())})).await;
    let was = match there {
        Err(_) => {
            let mut input = Object::new();
            input.insert("Name", name.as_str().into());
            input.insert("Attributes", attributes.into());
            if let Some(tags) = tags(&resource.properties) {
                input.insert("Tags", tags);
            }
            stack.told("sns", "CreateTopic", input.into()).await?;
            Was::Nothing
        }
        Ok(there) => {
            let now = there.get("Attributes").cloned().unwrap_or_default();
            let mut was = Was::Same;
            for (attribute, value) in attributes.iter() {
                if now.get(attribute) == Some(value) || attribute == "FifoTopic" {
                    continue;
                }
                let input = json!({
                    "TopicArn": (arn.as_str()),
                    "AttributeName": (attribute.clone()),
                    "AttributeValue": (value.clone())
                });
                stack.told("sns", "SetTopicAttributes", input).await?;
                was = Was::Other;
            }
            was
        }
    };
    let within = resource.properties.get("Subscription").and_then(Json::as_array);
    for one in within.into_iter().flatten() {
        let (protocol, endpoint) = (one.get("Protocol").map(text), one.get("Endpoint").map(text));
        let (protocol, endpoint) = (protocol.unwrap_or_default(), endpoint.unwrap_or_default());
        if let Err(why) = subscribe(stack, &arn, &protocol, &endpoint, Object::new()).await {
            left_out.push(format!("its subscription of `{endpoint}`: {why}"));
        }
    }
    let values = Values::new(arn.clone()).with("TopicArn", arn).with("TopicName", name.clone());
    Ok(Made { was, left_out, ..Made::new(name, values) })
}

/// Subscribes, or changes the subscription that there is. Returns its ARN, and what there was.
async fn subscribe(
    stack: &Stack,
    topic: &str,
    protocol: &str,
    endpoint: &str,
    attributes: Object,
) -> Result<(String, Was), String> {
    let listed = stack.told("sns", "ListSubscriptionsByTopic", json!({"TopicArn": topic})).await?;
    let is_same = |one: &&Json| {
        one.get("Endpoint").and_then(Json::as_str) == Some(endpoint)
            && one.get("Protocol").and_then(Json::as_str) == Some(protocol)
    };
    let there = listed.get("Subscriptions").and_then(Json::as_array);
    let there = there.into_iter().flatten().find(is_same);
    if let Some(arn) = there.and_then(|one| one.get("SubscriptionArn")).map(text) {
        let input = json!({"SubscriptionArn": (arn.as_str())});
        let now = stack.told("sns", "GetSubscriptionAttributes", input).await?;
        let now = now.get("Attributes").cloned().unwrap_or_default();
        let mut was = Was::Same;
        for (name, value) in attributes.iter().filter(|(name, value)| now.get(name) != Some(*value))
        {
            let input = json!({
                "SubscriptionArn": (arn.as_str()),
                "AttributeName": (name.clone()),
                "AttributeValue": (value.clone())
            });
            stack.told("sns", "SetSubscriptionAttributes", input).await?;
            was = Was::Other;
        }
        return Ok((arn, was));
    }
    let input = json!({
        "TopicArn": topic, "Protocol": protocol, "Endpoint": endpoint,
        "Attributes": attributes, "ReturnSubscriptionArn": true
    });
    let answer = stack.told("sns", "Subscribe", input).await?;
    Ok((answer.get("SubscriptionArn").map(text).unwrap_or_default(), Was::Nothing))
}

pub(super) async fn subscription(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let (mut attributes, mut left_out) = (Object::new(), Vec::new());
    for (property, value) in resource.properties.as_object().into_iter().flat_map(Object::iter) {
        match property.as_str() {
            "TopicArn" | "Protocol" | "Endpoint" | "Region" => {}
            known if OF_SUBSCRIPTIONS.contains(&known) => {
                attributes.insert(known, text(value).into());
            }
            other => left_out.push(without(other)),
        }
    }
    let property = |name: &str| resource.properties.get(name).map(text).unwrap_or_default();
    let (topic, endpoint) = (property("TopicArn"), property("Endpoint"));
    let (arn, was) = subscribe(stack, &topic, &property("Protocol"), &endpoint, attributes).await?;
    Ok(Made { was, left_out, ..Made::new(endpoint, Values::new(arn.clone()).with("Arn", arn)) })
}

pub(super) async fn policy(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let document = resource.properties.get("PolicyDocument").map(text).unwrap_or_default();
    let topics = resource.properties.get("Topics").and_then(Json::as_array);
    for topic in topics.into_iter().flatten() {
        let input = json!({
            "TopicArn": (text(topic)),
            "AttributeName": "Policy",
            "AttributeValue": (document.as_str())
        });
        stack.told("sns", "SetTopicAttributes", input).await?;
    }
    let id = resource.logical_id.as_str();
    Ok(Made { was: Was::Same, ..Made::new(id, Values::new(id).with("Id", id)) })
}
