//! Tables.

use crate::names::{self, Values};
use crate::request::text;
use crate::stack::{Made, Stack, Was};
use stepwright_asl::Resource;
use stepwright_json::{Json, Object, json};

/// Properties without which a table on one's own machine is the same.
const IMMATERIAL: [&str; 10] = [
    "ContributorInsightsSpecification",
    "ImportSourceSpecification",
    "KinesisStreamSpecification",
    "PointInTimeRecoverySpecification",
    "Replicas",
    "ResourcePolicy",
    "SSESpecification",
    "TableClass",
    "WarmThroughput",
    "WriteProvisionedThroughputSettings",
];

pub(super) async fn table(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    make(stack, resource, &resource.properties).await
}

/// SAM's table with a primary key and nothing else.
pub(super) async fn simple_table(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let own = &resource.properties;
    let key = own.get("PrimaryKey");
    let name = key.and_then(|key| key.get("Name")).map_or_else(|| "id".to_owned(), text);
    let kind = match key.and_then(|key| key.get("Type")).map(text).as_deref() {
        Some("Number") => "N",
        Some("Binary") => "B",
        _ => "S",
    };
    let mut properties = Object::new();
    properties.insert(
        "AttributeDefinitions",
        vec![json!({"AttributeName": (name.as_str()), "AttributeType": kind})].into(),
    );
    properties.insert(
        "KeySchema",
        vec![json!({"AttributeName": (name.as_str()), "KeyType": "HASH"})].into(),
    );
    for (property, value) in own.as_object().into_iter().flat_map(Object::iter) {
        if property != "PrimaryKey" {
            properties.insert(property.clone(), value.clone());
        }
    }
    make(stack, resource, &properties.into()).await
}

async fn make(stack: &Stack, resource: &Resource, given: &Json) -> Result<Made, String> {
    let name = names::name(resource);
    let (mut input, left_out) = stack.parameters_of("dynamodb", "CreateTable", given);
    let mut left_out: Vec<String> = left_out
        .into_iter()
        .filter(|why| !IMMATERIAL.iter().any(|known| why.contains(known)))
        .filter(|why| !why.contains("`TimeToLiveSpecification`"))
        .collect();
    input.insert("TableName", name.as_str().into());
    // A table that says nothing of its throughput is paid by the request.
    if !input.contains_key("BillingMode") && !input.contains_key("ProvisionedThroughput") {
        input.insert("BillingMode", "PAY_PER_REQUEST".into());
    }
    let asked = json!({"TableName": (name.as_str())});
    let was = match stack.call("dynamodb", "DescribeTable", asked).await {
        Err(_) => {
            stack.told("dynamodb", "CreateTable", input.into()).await?;
            Was::Nothing
        }
        Ok(described) => change(stack, &name, &input, &described, &mut left_out).await?,
    };
    if let Some(wanted) = given.get("TimeToLiveSpecification") {
        time_to_live(stack, &name, wanted).await?;
    }
    let place = &stack.setup.place;
    let arn = format!("arn:aws:dynamodb:{}:{}:table/{name}", place.region, place.account);
    let values = Values::new(name.clone()).with("Arn", arn);
    Ok(Made { was, left_out, ..Made::new(name, values) })
}

/// Gives a table the indexes that it lacks. Its key cannot be changed.
async fn change(
    stack: &Stack,
    name: &str,
    wanted: &Object,
    described: &Json,
    left_out: &mut Vec<String>,
) -> Result<Was, String> {
    let now = described.get("Table").cloned().unwrap_or_default();
    if now.get("KeySchema") != wanted.get("KeySchema") {
        return Err(format!(
            "the table `{name}` is there with another key; delete it with `aws dynamodb \
             delete-table --table-name {name}`, and it is made anew"
        ));
    }
    let indexes = |of: Option<&Json>| -> Vec<Json> {
        of.and_then(Json::as_array).into_iter().flatten().cloned().collect()
    };
    let name_of = |index: &Json| index.get("IndexName").map(text).unwrap_or_default();
    let there: Vec<String> =
        indexes(now.get("GlobalSecondaryIndexes")).iter().map(name_of).collect();
    let mut was = Was::Same;
    for index in indexes(wanted.get("GlobalSecondaryIndexes")) {
        if there.contains(&name_of(&index)) {
            continue;
        }
        let input = json!({
            "TableName": name,
            "AttributeDefinitions": (wanted.get("AttributeDefinitions").cloned().unwrap_or_default()),
            "GlobalSecondaryIndexUpdates": [{"Create": index}]
        });
        stack.told("dynamodb", "UpdateTable", input).await?;
        was = Was::Other;
    }
    let own = indexes(now.get("LocalSecondaryIndexes")).len();
    if indexes(wanted.get("LocalSecondaryIndexes")).len() != own {
        left_out.push("its local indexes cannot be changed once it is there".to_owned());
    }
    Ok(was)
}

async fn time_to_live(stack: &Stack, name: &str, wanted: &Json) -> Result<(), String> {
    let asked = json!({"TableName": name});
    let now = stack.told("dynamodb", "DescribeTimeToLive", asked).await?;
    let now = now.get("TimeToLiveDescription").cloned().unwrap_or_default();
    let is_on = now.get("TimeToLiveStatus").map(text).as_deref() == Some("ENABLED");
    let is_wanted = wanted.get("Enabled").is_none_or(|enabled| text(enabled) == "true");
    if is_on == is_wanted {
        return Ok(());
    }
    let attribute = wanted.get("AttributeName").or_else(|| now.get("AttributeName")).map(text);
    let specification =
        json!({"Enabled": is_wanted, "AttributeName": (attribute.unwrap_or_default())});
    let input = json!({"TableName": name, "TimeToLiveSpecification": specification});
    stack.told("dynamodb", "UpdateTimeToLive", input).await.map(drop)
}
