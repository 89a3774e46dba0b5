//! Operations on subscriptions.

use super::state::{Subscription, write_texts};
use super::{Sns, invalid, not_found};
use crate::call::{Answer, Call, Refusal, answer, empty, members, texts};
use crate::delivery::{Delivery, To};
use crate::pages;
use crate::pattern::Pattern;
use std::collections::BTreeMap;
use stepwright_json::{Json, Object, json};

/// How many are on a page.
const PAGE: usize = 100;

/// What subscriptions can have.
const ATTRIBUTES: [&str; 4] =
    ["FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"];

fn check(name: &str, value: &str, protocol: &str) -> Result<(), Refusal> {
    match name {
        "RawMessageDelivery" if !["true", "false"].contains(&value) => Err(invalid(
            "Attributes Reason: RawMessageDelivery: Invalid value. Must be true or false.",
        )),
        "RawMessageDelivery" if value == "true" && protocol == "lambda" => Err(invalid(
            "Attributes Reason: RawMessageDelivery: functions always get the whole message",
        )),
        "FilterPolicyScope" if !["MessageAttributes", "MessageBody"].contains(&value) => {
            Err(invalid(
                "FilterPolicyScope: Invalid value. Please use either MessageBody or MessageAttributes",
            ))
        }
        "FilterPolicy" if !value.is_empty() => {
            let policy = stepwright_json::parse(value)
                .map_err(|_| invalid("FilterPolicy: failed to parse JSON."))?;
            if policy.as_object().is_some_and(Object::is_empty) {
                return Ok(());
            }
            Pattern::read(&policy).map(drop).map_err(|why| invalid(format!("FilterPolicy: {why}")))
        }
        "RedrivePolicy" if !value.is_empty() => {
            let policy = stepwright_json::parse(value).ok();
            let target =
                policy.as_ref().and_then(|policy| policy.get("deadLetterTargetArn")?.as_str());
            match target {
                Some(arn) if arn.starts_with("arn:") => Ok(()),
                _ => Err(invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")),
            }
        }
        known if ATTRIBUTES.contains(&known) => Ok(()),
        "DeliveryPolicy" | "SubscriptionRoleArn" | "ReplayPolicy" => Err(Refusal::new(
            "UnsupportedOperation",
            format!(
                "the local service `sns` does not have the attribute `{name}` of subscriptions"
            ),
        )
        .status(501)),
        _ => Err(invalid("AttributeName")),
    }
}

impl Sns {
    pub(super) async fn subscribe(&self, call: &Call<'_>) -> Answer {
        let topic = call.required("TopicArn");
        let name = self.name_of_arn(topic)?;
        let (protocol, endpoint) =
            (call.required("Protocol"), call.text("Endpoint").unwrap_or_default());
        let attributes: BTreeMap<String, String> = call
            .object("Attributes")
            .into_iter()
            .flat_map(texts)
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        for (name, value) in &attributes {
            check(name, value, protocol)?;
        }
        let is_url = match protocol {
            "sqs" if !endpoint.starts_with("arn:aws:sqs:") => {
                return Err(invalid("SQS endpoint ARN"));
            }
            "lambda" if !endpoint.starts_with("arn:aws:lambda:") => {
                return Err(invalid("Lambda endpoint ARN"));
            }
            "sqs" | "lambda" => false,
            "http" | "https" => {
                if !endpoint.starts_with(&format!("{protocol}://")) {
                    let why = "Endpoint must match the specified protocol";
                    return Err(invalid(why));
                }
                true
            }
            "email" | "email-json" | "sms" | "application" | "firehose" => {
                return Err(Refusal::new(
                    "UnsupportedOperation",
                    format!("the local service `sns` does not have subscriptions by `{protocol}`"),
                )
                .status(501));
            }
            unknown => {
                return Err(invalid(format!(
                    "Amazon SNS does not support this protocol string: {unknown}"
                )));
            }
        };
        let new = Subscription {
            topic: topic.to_owned(),
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
            attributes,
            token: is_url.then(|| uuid::Uuid::new_v4().simple().to_string().repeat(2)),
        };
        let arn = format!("{topic}:{}", uuid::Uuid::new_v4());
        let (arn, found) = self
            .kept
            .with(|topics, changes| {
                let is_fifo = topics.topic(name)?.is_fifo();
                if is_fifo && protocol == "lambda" {
                    return Err(invalid("Invalid protocol type: lambda"));
                }
                let same = topics
                    .of_topic(topic)
                    .find(|(_, one)| one.protocol == protocol && one.endpoint == endpoint)
                    .map(|(arn, one)| (arn.to_owned(), one.clone()));
                if let Some((arn, known)) = same {
                    let differs = new.attributes.iter().any(|(name, value)| !known.is(name, value));
                    if differs {
                        let why =
                            "Attributes Reason: Subscription already exists with different attributes";
                        return Err(invalid(why));
                    }
                    return Ok((arn, known));
                }
                topics.put_subscription(&arn, new.clone(), changes);
                Ok((arn, new))
            })
            .await??;
        if let Some(token) = &found.token {
            self.ask_to_confirm(topic, &found, token, &call.caller.url).await?;
        }
        let is_shown = found.token.is_none() || call.flag("ReturnSubscriptionArn");
        let shown = if is_shown { arn.as_str() } else { "pending confirmation" };
        answer(json!({"SubscriptionArn": shown}))
    }

    /// Sends an endpoint the token that it has to send back.
    async fn ask_to_confirm(
        &self,
        topic: &str,
        subscription: &Subscription,
        token: &str,
        url: &str,
    ) -> Result<(), Refusal> {
        let id = uuid::Uuid::new_v4().to_string();
        let kind = "SubscriptionConfirmation";
        let confirm = format!("{url}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}");
        let body = json!({
            "Type": kind,
            "MessageId": (id.as_str()),
            "Token": token,
            "TopicArn": topic,
            "Message": (format!(
                "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the \
                 SubscribeURL included in this message."
            )),
            "SubscribeURL": confirm,
            "Timestamp": (super::publish::moment(self.now()))
        });
        let to =
            To::Url(subscription.endpoint.clone(), super::publish::headers(kind, &id, topic, None));
        let delivery = Delivery { to, body, dead_letters: None, attempts: 2 };
        self.deliveries.take(vec![delivery]).await
    }

    pub(super) async fn confirm_subscription(&self, call: &Call<'_>) -> Answer {
        let (topic, token) = (call.required("TopicArn"), call.required("Token"));
        let name = self.name_of_arn(topic)?;
        let arn = self
            .kept
            .with(|topics, changes| {
                topics.topic(name)?;
                let found = topics
                    .of_topic(topic)
                    .find(|(_, one)| one.token.as_deref() == Some(token))
                    .map(|(arn, one)| (arn.to_owned(), one.clone()));
                let Some((arn, one)) = found else { return Err(invalid("Token")) };
                topics.put_subscription(&arn, Subscription { token: None, ..one }, changes);
                Ok(arn)
            })
            .await??;
        answer(json!({"SubscriptionArn": arn}))
    }

    pub(super) async fn unsubscribe(&self, call: &Call<'_>) -> Answer {
        let arn = call.required("SubscriptionArn");
        if arn.split(':').count() != 7 {
            return Err(invalid(
                "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1",
            ));
        }
        self.kept.with(|topics, changes| topics.remove_subscription(arn, changes)).await?;
        empty()
    }

    pub(super) async fn get_subscription_attributes(&self, call: &Call<'_>) -> Answer {
        let arn = call.required("SubscriptionArn");
        let one = self.kept.with(|topics, _| topics.subscription(arn).cloned()).await??;
        let mut shown = one.attributes.clone();
        shown.entry("RawMessageDelivery".to_owned()).or_insert_with(|| "false".to_owned());
        if shown.contains_key("FilterPolicy") {
            let usual = || "MessageAttributes".to_owned();
            shown.entry("FilterPolicyScope".to_owned()).or_insert_with(usual);
        }
        let told = [
            ("SubscriptionArn", arn.to_owned()),
            ("TopicArn", one.topic.clone()),
            ("Protocol", one.protocol.clone()),
            ("Endpoint", one.endpoint.clone()),
            ("Owner", self.account.clone()),
            ("PendingConfirmation", one.token.is_some().to_string()),
            ("ConfirmationWasAuthenticated", one.token.is_none().to_string()),
            ("SubscriptionPrincipal", format!("arn:aws:iam::{}:root", self.account)),
        ];
        shown.extend(told.map(|(name, value)| (name.to_owned(), value)));
        answer(json!({"Attributes": (write_texts(&shown))}))
    }

    pub(super) async fn set_subscription_attributes(&self, call: &Call<'_>) -> Answer {
        let arn = call.required("SubscriptionArn");
        let (name, value) =
            (call.required("AttributeName"), call.text("AttributeValue").unwrap_or_default());
        self.kept
            .with(|topics, changes| {
                let mut one = topics.subscription(arn)?.clone();
                check(name, value, &one.protocol)?;
                if value.is_empty() || (name == "FilterPolicy" && value.trim() == "{}") {
                    one.attributes.remove(name);
                } else {
                    one.attributes.insert(name.to_owned(), value.to_owned());
                }
                topics.put_subscription(arn, one, changes);
                Ok::<_, Refusal>(())
            })
            .await??;
        empty()
    }

    pub(super) async fn list_subscriptions(&self, call: &Call<'_>) -> Answer {
        let all = self.kept.with(|topics, _| topics.subscriptions.clone()).await?;
        self.shown(call, all)
    }

    pub(super) async fn list_subscriptions_by_topic(&self, call: &Call<'_>) -> Answer {
        let topic = call.required("TopicArn");
        let name = self.name_of_arn(topic)?;
        let all = self
            .kept
            .with(|topics, _| {
                topics.topic(name)?;
                let of_topic = topics.of_topic(topic);
                Ok::<_, Refusal>(of_topic.map(|(arn, one)| (arn.to_owned(), one.clone())).collect())
            })
            .await??;
        self.shown(call, all)
    }

    fn shown(&self, call: &Call<'_>, all: BTreeMap<String, Subscription>) -> Answer {
        let names = all.keys().cloned().collect();
        let page = pages::page(names, call.text("NextToken"), PAGE);
        let page = page.ok_or_else(|| invalid("NextToken"))?;
        let shown = |arn: &String| {
            let one = all.get(arn).ok_or_else(|| not_found("Subscription"))?;
            let shown = if one.token.is_some() { "PendingConfirmation" } else { arn.as_str() };
            Ok(json!({
                "SubscriptionArn": shown,
                "Owner": (self.account.as_str()),
                "Protocol": (one.protocol.as_str()),
                "Endpoint": (one.endpoint.as_str()),
                "TopicArn": (one.topic.as_str())
            }))
        };
        let shown = page.items.iter().map(shown).collect::<Result<Vec<Json>, Refusal>>()?;
        answer(members([
            ("Subscriptions", Some(shown.into())),
            ("NextToken", page.next.map(Json::from)),
        ]))
    }
}
