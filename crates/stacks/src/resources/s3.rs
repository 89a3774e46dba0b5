//! Buckets.

use crate::names::Values;
use crate::request::{tags, text};
use crate::stack::{Made, Stack, Was, without};
use stepwright_asl::Resource;
use stepwright_json::{Json, Object, json};

/// Properties without which a bucket on one's own machine is the same.
const IMMATERIAL: [&str; 7] = [
    "AccessControl",
    "BucketEncryption",
    "CorsConfiguration",
    "LoggingConfiguration",
    "MetricsConfigurations",
    "OwnershipControls",
    "PublicAccessBlockConfiguration",
];

pub(super) async fn bucket(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let given = resource.properties.get("BucketName").map(text);
    let name = given.unwrap_or_else(|| generated(&stack.name, &resource.logical_id));
    let mut left_out = Vec::new();
    let is_there = stack.call("s3", "HeadBucket", json!({"Bucket": (name.as_str())})).await.is_ok();
    if !is_there {
        stack.told("s3", "CreateBucket", json!({"Bucket": (name.as_str())})).await?;
    }
    for (property, value) in resource.properties.as_object().into_iter().flat_map(Object::iter) {
        match property.as_str() {
            "BucketName" | "Tags" => {}
            "NotificationConfiguration" => tell(stack, &name, value, &mut left_out).await?,
            known if IMMATERIAL.contains(&known) => {}
            other => left_out.push(without(other)),
        }
    }
    if let Some(tags) = tags(&resource.properties) {
        let input = json!({"Bucket": (name.as_str()), "Tagging": {"TagSet": tags}});
        stack.told("s3", "PutBucketTagging", input).await?;
    }
    let region = &stack.setup.place.region;
    let values = Values::new(name.clone())
        .with("Arn", format!("arn:aws:s3:::{name}"))
        .with("DomainName", format!("{name}.s3.amazonaws.com"))
        .with("DualStackDomainName", format!("{name}.s3.dualstack.{region}.amazonaws.com"))
        .with("RegionalDomainName", format!("{name}.s3.{region}.amazonaws.com"))
        .with("WebsiteURL", format!("http://{name}.s3-website-{region}.amazonaws.com"));
    let was = if is_there { Was::Same } else { Was::Nothing };
    Ok(Made { was, left_out, ..Made::new(name, values) })
}

/// A name for a bucket that has none: small letters, digits and hyphens, at most 63.
fn generated(stack: &str, id: &str) -> String {
    let name = format!("{stack}-{id}").to_ascii_lowercase();
    let kept = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let name: String = name.chars().map(kept).take(63).collect();
    name.trim_matches('-').to_owned()
}

/// Has a bucket tell of its objects.
async fn tell(
    stack: &Stack,
    bucket: &str,
    wanted: &Json,
    left_out: &mut Vec<String>,
) -> Result<(), String> {
    let events = wanted.get("EventBridgeConfiguration");
    let is_off = |events: &Json| {
        events.get("EventBridgeEnabled").is_some_and(|enabled| text(enabled) == "false")
    };
    for (name, value) in wanted.as_object().into_iter().flat_map(Object::iter) {
        let is_empty = value.as_array().is_some_and(|items| items.is_empty());
        if name != "EventBridgeConfiguration" && !is_empty {
            left_out.push(format!(
                "`{name}` is not served here; EventBridgeConfiguration and a rule do the same"
            ));
        }
    }
    if events.is_none_or(is_off) {
        return Ok(());
    }
    let input = json!({
        "Bucket": bucket, "NotificationConfiguration": {"EventBridgeConfiguration": {}}
    });
    stack.told("s3", "PutBucketNotificationConfiguration", input).await.map(drop)
}

/// What the CDK declares for a bucket that tells of its objects.
pub(super) async fn notifications(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let bucket = resource.properties.get("BucketName").map(text).unwrap_or_default();
    let mut left_out = Vec::new();
    if let Some(wanted) = resource.properties.get("NotificationConfiguration") {
        tell(stack, &bucket, wanted, &mut left_out).await?;
    }
    let values = Values::new(resource.logical_id.as_str());
    Ok(Made { was: Was::Same, left_out, ..Made::new(bucket, values) })
}
