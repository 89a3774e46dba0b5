//! Operations on topics.

use super::state::{Topic, write_texts};
use super::{Sns, invalid};
use crate::call::{Answer, Call, Refusal, answer, empty, members, texts};
use crate::pages;
use std::collections::BTreeMap;
use stepwright_json::{Json, json};

/// How many are on a page.
const PAGE: usize = 100;

/// The attributes that a topic takes.
const ATTRIBUTES: [&str; 6] = [
    "ContentBasedDeduplication",
    "DisplayName",
    "FifoThroughputScope",
    "FifoTopic",
    "Policy",
    "TracingConfig",
];

fn check(name: &str, value: &str, is_new: bool) -> Result<(), Refusal> {
    let is_flag = ["true", "false"].contains(&value);
    let is_right = match name {
        "ContentBasedDeduplication" => is_flag,
        "FifoTopic" => is_new && is_flag,
        "DisplayName" => value.chars().count() <= 100,
        "FifoThroughputScope" => ["Topic", "MessageGroup"].contains(&value),
        "Policy" => stepwright_json::parse(value).is_ok(),
        "TracingConfig" => value == "PassThrough",
        _ => true,
    };
    if !ATTRIBUTES.contains(&name) {
        return Err(match name {
            "DeliveryPolicy" | "KmsMasterKeyId" | "SignatureVersion" | "ArchivePolicy" => {
                Refusal::new(
                    "UnsupportedOperation",
                    format!(
                        "the local service `sns` does not have the attribute `{name}` of topics"
                    ),
                )
                .status(501)
            }
            _ => invalid("AttributeName"),
        });
    }
    if is_right { Ok(()) } else { Err(invalid(format!("{name} Reason: `{value}` is not valid"))) }
}

impl Sns {
    pub(super) async fn create_topic(&self, call: &Call<'_>) -> Answer {
        let name = call.required("Name");
        let attributes: BTreeMap<String, String> =
            call.object("Attributes").into_iter().flat_map(texts).map(owned).collect();
        for (name, value) in &attributes {
            check(name, value, true)?;
        }
        let is_fifo = attributes.get("FifoTopic").is_some_and(|value| value == "true");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let start = if is_fifo { name.strip_suffix(".fifo").unwrap_or_default() } else { name };
        if start.is_empty() || name.len() > 256 || !start.chars().all(is_plain) {
            return Err(invalid("Topic Name"));
        }
        let tags = read_tags(call)?;
        let arn = self.arn(name);
        self.kept
            .with(|topics, changes| {
                let Some(topic) = topics.by_name.get(name) else {
                    let topic = Topic { attributes, tags, last: 0 };
                    topics.put_topic(name, topic, changes);
                    return Ok(());
                };
                if tags.iter().any(|(key, value)| topic.tags.get(key) != Some(value)) {
                    return Err(invalid("Tags Reason: Topic already exists with different tags"));
                }
                let differs = attributes.iter().any(|(name, value)| {
                    topic.attributes.get(name).map_or(value != "false", |known| known != value)
                });
                if differs {
                    return Err(invalid(
                        "Attributes Reason: Topic already exists with different attributes",
                    ));
                }
                Ok(())
            })
            .await??;
        answer(json!({"TopicArn": arn}))
    }

    pub(super) async fn delete_topic(&self, call: &Call<'_>) -> Answer {
        let arn = call.required("TopicArn");
        // A topic that is not there is as good as deleted.
        if let Ok(name) = self.name_of_arn(arn) {
            self.kept.with(|topics, changes| topics.remove_topic(name, arn, changes)).await?;
        }
        empty()
    }

    pub(super) async fn get_topic_attributes(&self, call: &Call<'_>) -> Answer {
        let arn = call.required("TopicArn");
        let name = self.name_of_arn(arn)?;
        let (topic, confirmed, pending) = self
            .kept
            .with(|topics, _| {
                let topic = topics.topic(name)?.clone();
                let (mut confirmed, mut pending) = (0, 0);
                for (_, one) in topics.of_topic(arn) {
                    match one.token {
                        None => confirmed += 1,
                        Some(_) => pending += 1,
                    }
                }
                Ok::<_, Refusal>((topic, confirmed, pending))
            })
            .await??;
        let mut shown = topic.attributes.clone();
        shown.entry("DisplayName".to_owned()).or_default();
        let policy = json!({
            "Version": "2008-10-17",
            "Id": "__default_policy_ID",
            "Statement": [{
                "Effect": "Allow", "Sid": "__default_statement_ID", "Principal": {"AWS": "*"},
                "Action": "SNS:*", "Resource": arn,
                "Condition": {"StringEquals": {"AWS:SourceOwner": (self.account.as_str())}}
            }]
        });
        shown.entry("Policy".to_owned()).or_insert_with(|| policy.to_string());
        if topic.is_fifo() {
            shown
                .entry("ContentBasedDeduplication".to_owned())
                .or_insert_with(|| "false".to_owned());
        }
        shown.insert("TopicArn".to_owned(), arn.to_owned());
        shown.insert("Owner".to_owned(), self.account.clone());
        shown.insert("SubscriptionsConfirmed".to_owned(), confirmed.to_string());
        shown.insert("SubscriptionsPending".to_owned(), pending.to_string());
        shown.insert("SubscriptionsDeleted".to_owned(), "0".to_owned());
        answer(json!({"Attributes": (write_texts(&shown))}))
    }

    pub(super) async fn set_topic_attributes(&self, call: &Call<'_>) -> Answer {
        let name = self.name_of_arn(call.required("TopicArn"))?;
        let (attribute, value) =
            (call.required("AttributeName"), call.text("AttributeValue").unwrap_or_default());
        self.kept
            .with(|topics, changes| {
                let mut topic = topics.topic(name)?.clone();
                check(attribute, value, false)?;
                topic.attributes.insert(attribute.to_owned(), value.to_owned());
                topics.put_topic(name, topic, changes);
                Ok::<_, Refusal>(())
            })
            .await??;
        empty()
    }

    pub(super) async fn list_topics(&self, call: &Call<'_>) -> Answer {
        let names = self.kept.with(|topics, _| topics.by_name.keys().cloned().collect()).await?;
        let page = pages::page(names, call.text("NextToken"), PAGE);
        let page = page.ok_or_else(|| invalid("NextToken"))?;
        let topics: Vec<Json> =
            page.items.iter().map(|name| json!({"TopicArn": (self.arn(name))})).collect();
        answer(members([("Topics", Some(topics.into())), ("NextToken", page.next.map(Json::from))]))
    }

    pub(super) async fn list_tags_for_resource(&self, call: &Call<'_>) -> Answer {
        let name = self.tagged(call)?;
        let tags = self.kept.with(|topics, _| Some(topics.by_name.get(name)?.tags.clone())).await?;
        let tags = tags.ok_or_else(resource_missing)?;
        let shown = |(key, value): (&String, &String)| json!({"Key": (key.as_str()), "Value": (value.as_str())});
        answer(json!({"Tags": (tags.iter().map(shown).collect::<Vec<Json>>())}))
    }

    pub(super) async fn tag_resource(&self, call: &Call<'_>) -> Answer {
        let given = read_tags(call)?;
        self.change_tags(call, |tags| tags.extend(given)).await
    }

    pub(super) async fn untag_resource(&self, call: &Call<'_>) -> Answer {
        let keys = call.texts("TagKeys");
        self.change_tags(call, |tags| tags.retain(|key, _| !keys.contains(key))).await
    }

    async fn change_tags(
        &self,
        call: &Call<'_>,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send,
    ) -> Answer {
        let name = self.tagged(call)?;
        self.kept
            .with(|topics, changes| {
                let mut topic = topics.by_name.get(name).cloned().ok_or_else(resource_missing)?;
                change(&mut topic.tags);
                if topic.tags.len() > 50 {
                    let why = "Could not complete request: tag quota of per resource exceeded";
                    return Err(Refusal::new("TagLimitExceededException", why));
                }
                topics.put_topic(name, topic, changes);
                Ok(())
            })
            .await??;
        empty()
    }

    fn tagged<'c>(&self, call: &'c Call<'_>) -> Result<&'c str, Refusal> {
        self.name_of_arn(call.required("ResourceArn")).map_err(|_| resource_missing())
    }
}

fn resource_missing() -> Refusal {
    Refusal::new("ResourceNotFoundException", "Resource does not exist")
}

fn owned((name, text): (&str, &str)) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

fn read_tags(call: &Call<'_>) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = BTreeMap::new();
    for tag in call.list("Tags") {
        let text = |member: &str| tag.get(member).and_then(Json::as_str).unwrap_or_default();
        if tags.insert(text("Key").to_owned(), text("Value").to_owned()).is_some() {
            return Err(invalid("Duplicated keys are not allowed."));
        }
    }
    Ok(tags)
}
