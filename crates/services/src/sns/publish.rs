//! `Publish`: what a message becomes for each of those who subscribe.

use super::state::{Subscription, Topic};
use super::{Sns, invalid};
use crate::call::{Answer, Call, Refusal, answer, list, text};
use crate::delivery::{ATTEMPTS, Delivery, To};
use crate::pattern::Pattern;
use crate::sqs::{QueueMessage, is_fifo, message_size};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use stepwright_json::{Json, Object, Str, json};

/// The largest message, in bytes.
const MOST_BYTES: usize = 256 << 10;

/// A message that is published.
#[derive(Clone, Debug)]
pub(super) struct Published {
    id: Str,
    message: Str,
    subject: Option<Str>,
    /// What each protocol gets, if the message says so.
    by_protocol: Option<Object>,
    attributes: Object,
    group: Option<Str>,
    deduplication: Option<Str>,
    /// The number that a FIFO topic gives.
    number: Option<String>,
    at: i64,
}

/// A moment in milliseconds as messages show it.
pub(super) fn moment(millis: i64) -> String {
    let moment = Timestamp::from_millisecond(millis).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The headers of what is posted to a URL.
pub(super) fn headers(
    kind: &str,
    id: &str,
    topic: &str,
    subscription: Option<&str>,
) -> Vec<(String, String)> {
    let mut headers = vec![
        ("Content-Type".to_owned(), "text/plain; charset=UTF-8".to_owned()),
        ("x-amz-sns-message-type".to_owned(), kind.to_owned()),
        ("x-amz-sns-message-id".to_owned(), id.to_owned()),
        ("x-amz-sns-topic-arn".to_owned(), topic.to_owned()),
    ];
    if let Some(arn) = subscription {
        headers.push(("x-amz-sns-subscription-arn".to_owned(), arn.to_owned()));
    }
    headers
}

impl Sns {
    pub(super) async fn publish(&self, call: &Call<'_>) -> Answer {
        let topic = match (call.text("TopicArn"), call.text("TargetArn")) {
            (Some(_), Some(_)) | (None, None) => {
                return Err(invalid(
                    "TopicArn or TargetArn Reason: exactly one of them must be given",
                ));
            }
            (topic, target) => topic.or(target).unwrap_or_default(),
        };
        let told = self.send(topic, &call.input, &call.caller.url).await?;
        answer(Json::Object(told))
    }

    /// Publishes a message for another service.
    pub(crate) async fn deliver(
        &self,
        topic: &str,
        message: &str,
        url: &str,
    ) -> Result<(), Refusal> {
        let given: Object = [("Message", Json::from(message))].into_iter().collect();
        self.send(topic, &given, url).await.map(drop)
    }

    /// Publishes one message. Returns what the publisher is told.
    pub(super) async fn send(
        &self,
        arn: &str,
        given: &Object,
        url: &str,
    ) -> Result<Object, Refusal> {
        let name = self.name_of_arn(arn)?;
        let mut published = Published::read(given, self.now())?;
        let (topic, subscriptions) = self
            .kept
            .with(|topics, changes| {
                let mut topic = topics.topic(name)?.clone();
                published.check(&mut topic)?;
                if topic.is_fifo() {
                    topics.put_topic(name, topic.clone(), changes);
                }
                let of_topic = topics.of_topic(arn).filter(|(_, one)| one.token.is_none());
                let of_topic: Vec<(String, Subscription)> =
                    of_topic.map(|(arn, one)| (arn.to_owned(), one.clone())).collect();
                Ok::<_, Refusal>((topic, of_topic))
            })
            .await??;
        let mut deliveries = Vec::new();
        for (subscription, one) in subscriptions {
            if !published.is_wanted(&one) {
                continue;
            }
            let dead_letters = one.attributes.get("RedrivePolicy").and_then(|policy| {
                let policy = stepwright_json::parse(policy).ok()?;
                Some(policy.get("deadLetterTargetArn")?.as_str()?.to_owned())
            });
            let is_raw = one.is("RawMessageDelivery", "true");
            match one.protocol.as_str() {
                "sqs" => {
                    let message =
                        published.for_queue(&one, arn, &subscription, url, topic.is_fifo());
                    if let Err(refusal) = self.sqs.deliver(&one.endpoint, message.clone()).await {
                        if refusal.is_fault() {
                            return Err(refusal);
                        }
                        tracing::warn!(
                            queue = one.endpoint,
                            why = refusal.message,
                            "not delivered"
                        );
                        if let Some(queue) = dead_letters {
                            // It is as gone as the queue, if that is not there either.
                            drop(self.sqs.deliver(&queue, message).await);
                        }
                    }
                }
                "lambda" => deliveries.push(Delivery {
                    to: To::Function(one.endpoint.clone()),
                    body: published.for_function(&one, arn, &subscription, url),
                    dead_letters,
                    attempts: ATTEMPTS,
                }),
                _ => {
                    let (kind, id) = ("Notification", published.id.as_str());
                    let mut headers = headers(kind, id, arn, Some(&subscription));
                    let body = if is_raw {
                        headers.push(("x-amz-sns-rawdelivery".to_owned(), "true".to_owned()));
                        published.text(&one).into()
                    } else {
                        published.wrapped(&one, arn, &subscription, url)
                    };
                    let to = To::Url(one.endpoint.clone(), headers);
                    deliveries.push(Delivery { to, body, dead_letters, attempts: ATTEMPTS });
                }
            }
        }
        self.deliveries.take(deliveries).await?;
        let mut told: Object = [("MessageId", Json::from(published.id))].into_iter().collect();
        if let Some(number) = published.number {
            told.insert("SequenceNumber", number.into());
        }
        Ok(told)
    }
}

impl Published {
    fn read(given: &Object, at: i64) -> Result<Self, Refusal> {
        let message = text(given, "Message").unwrap_or_default();
        if message.is_empty() {
            return Err(invalid("Empty message"));
        }
        let subject = text(given, "Subject");
        let is_plain = |subject: &str| {
            let length = subject.chars().count();
            (1..=100).contains(&length) && !subject.chars().any(char::is_control)
        };
        if subject.is_some_and(|subject| !is_plain(subject)) {
            return Err(invalid("Subject"));
        }
        let by_protocol = match text(given, "MessageStructure") {
            None => None,
            Some("json") => {
                let parts = stepwright_json::parse(message).map_err(|_| {
                    invalid("Message Structure - JSON message body failed to parse")
                })?;
                let parts = parts.as_object().cloned().unwrap_or_default();
                if text(&parts, "default").is_none() {
                    return Err(invalid(
                        "Message Structure - No default entry in JSON message body",
                    ));
                }
                Some(parts)
            }
            Some(_) => return Err(invalid("MessageStructure")),
        };
        let attributes = given.get("MessageAttributes").and_then(Json::as_object);
        let attributes = attributes.cloned().unwrap_or_default();
        for (name, value) in attributes.iter() {
            check_attribute(name, value)?;
        }
        if message_size(message, &attributes) > MOST_BYTES {
            return Err(invalid("Message too long"));
        }
        Ok(Self {
            id: uuid::Uuid::new_v4().to_string().into(),
            message: message.into(),
            subject: subject.map(Str::from),
            by_protocol,
            attributes,
            group: text(given, "MessageGroupId").map(Str::from),
            deduplication: text(given, "MessageDeduplicationId").map(Str::from),
            number: None,
            at,
        })
    }

    /// Checks what depends on the kind of the topic, and gives the message its number there.
    fn check(&mut self, topic: &mut Topic) -> Result<(), Refusal> {
        if !topic.is_fifo() {
            return match &self.deduplication {
                Some(_) => Err(invalid(
                    "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter \
                     that is not valid for this topic type",
                )),
                None => Ok(()),
            };
        }
        if self.group.is_none() {
            return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
        }
        if self.deduplication.is_none() {
            let by_content = topic.attributes.get("ContentBasedDeduplication");
            if by_content.is_none_or(|value| value != "true") {
                return Err(invalid(
                    "The topic should either have ContentBasedDeduplication enabled or \
                     MessageDeduplicationId provided explicitly",
                ));
            }
            self.deduplication = Some(hex::encode(Sha256::digest(&*self.message)).into());
        }
        topic.last += 1;
        self.number = Some(format!("1{:019}", topic.last));
        Ok(())
    }

    /// Whether a subscription's filter lets the message through.
    fn is_wanted(&self, subscription: &Subscription) -> bool {
        let Some(policy) = subscription.attributes.get("FilterPolicy") else { return true };
        // It was checked when it was set.
        let pattern = stepwright_json::parse(policy).map(|policy| Pattern::read(&policy));
        let Ok(Ok(pattern)) = pattern else { return policy.trim() == "{}" };
        if subscription.is("FilterPolicyScope", "MessageBody") {
            return stepwright_json::parse(&self.message)
                .is_ok_and(|body| matches!(body, Json::Object(_)) && pattern.matches(&body));
        }
        let value = |value: &Json| {
            let text = value.get("StringValue").and_then(Json::as_str)?;
            match value.get("DataType").and_then(Json::as_str)? {
                "String.Array" => stepwright_json::parse(text).ok(),
                kind if kind.starts_with("Number") => stepwright_json::parse(text).ok(),
                kind if kind.starts_with("String") => Some(text.into()),
                _ => None,
            }
        };
        let attributes = self.attributes.iter();
        let values: Object =
            attributes.filter_map(|(name, one)| Some((name.clone(), value(one)?))).collect();
        pattern.matches(&Json::Object(values))
    }

    /// The text for a protocol.
    fn text(&self, subscription: &Subscription) -> Str {
        let parts = self.by_protocol.as_ref();
        let chosen = parts.and_then(|parts| {
            text(parts, &subscription.protocol).or_else(|| text(parts, "default"))
        });
        chosen.map_or_else(|| self.message.clone(), Str::from)
    }

    /// The attributes as they stand in what wraps a message.
    fn shown_attributes(&self) -> Option<Json> {
        let shown = |(name, value): (&Str, &Json)| {
            let text = |member: &str| value.get(member).and_then(Json::as_str);
            let value = text("StringValue").or_else(|| text("BinaryValue")).unwrap_or_default();
            let kind = text("DataType").unwrap_or_default();
            (name.clone(), json!({"Type": kind, "Value": value}))
        };
        let shown: Object = self.attributes.iter().map(shown).collect();
        (!shown.is_empty()).then_some(Json::Object(shown))
    }

    /// The message with what SNS says about it.
    fn wrapped(&self, one: &Subscription, topic: &str, subscription: &str, url: &str) -> Json {
        let mut body = Object::new();
        body.insert("Type", "Notification".into());
        body.insert("MessageId", self.id.clone().into());
        if let Some(number) = &self.number {
            body.insert("SequenceNumber", number.as_str().into());
        }
        body.insert("TopicArn", topic.into());
        if let Some(subject) = &self.subject {
            body.insert("Subject", subject.clone().into());
        }
        body.insert("Message", self.text(one).into());
        body.insert("Timestamp", moment(self.at).into());
        body.insert(
            "UnsubscribeURL",
            format!("{url}/?Action=Unsubscribe&SubscriptionArn={subscription}").into(),
        );
        if let Some(attributes) = self.shown_attributes() {
            body.insert("MessageAttributes", attributes);
        }
        Json::Object(body)
    }

    fn for_queue(
        &self,
        one: &Subscription,
        topic: &str,
        subscription: &str,
        url: &str,
        of_fifo: bool,
    ) -> QueueMessage {
        let is_raw = one.is("RawMessageDelivery", "true");
        let (body, attributes) = if is_raw {
            (self.text(one), self.attributes.clone())
        } else {
            (self.wrapped(one, topic, subscription, url).to_string().into(), Object::new())
        };
        let to_fifo = is_fifo(&one.endpoint);
        QueueMessage {
            body,
            attributes,
            group: self.group.clone().filter(|_| of_fifo || to_fifo),
            deduplication: self.deduplication.clone().filter(|_| to_fifo),
            ..QueueMessage::default()
        }
    }

    /// The event of a function.
    fn for_function(&self, one: &Subscription, topic: &str, subscription: &str, url: &str) -> Json {
        let mut sns = match self.wrapped(one, topic, subscription, url) {
            Json::Object(wrapped) => wrapped,
            _ => Object::new(),
        };
        sns.get_or_insert_with("Subject", || Json::Null);
        sns.get_or_insert_with("MessageAttributes", || Json::Object(Object::new()));
        if let Some(unsubscribe) = sns.remove("UnsubscribeURL") {
            sns.insert("UnsubscribeUrl", unsubscribe);
        }
        json!({"Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription,
            "Sns": sns
        }]})
    }
}

fn check_attribute(name: &str, value: &Json) -> Result<(), Refusal> {
    let text =
        |member: &str| value.get(member).and_then(Json::as_str).filter(|text| !text.is_empty());
    let refused = |why: String| Err(Refusal::new("InvalidParameterValueException", why));
    let Some(kind) = text("DataType") else {
        return refused(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        ));
    };
    let member = match kind.split('.').next().unwrap_or_default() {
        "String" | "Number" => "StringValue",
        "Binary" => "BinaryValue",
        _ => {
            return refused(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported \
                 type prefixes is Binary, Number, and String."
            ));
        }
    };
    let Some(given) = text(member) else {
        return refused(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message \
             attribute type '{kind}'."
        ));
    };
    if kind.starts_with("Number") && !given.trim().parse::<f64>().is_ok_and(f64::is_finite) {
        return refused(format!("Could not cast message attribute '{name}' value to number."));
    }
    if kind == "String.Array"
        && !stepwright_json::parse(given).is_ok_and(|value| matches!(value, Json::Array(_)))
    {
        return refused(format!("The message attribute '{name}' is no array."));
    }
    Ok(())
}

/// The entries of a batch.
pub(super) fn entries(call: &Call<'_>) -> Vec<Object> {
    let listed = list(&call.input, "PublishBatchRequestEntries");
    listed.iter().filter_map(|one| one.as_object().cloned()).collect()
}
