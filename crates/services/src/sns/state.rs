//! Topics and subscriptions, and their documents in the store.

use super::not_found;
use crate::call::{Refusal, members, texts};
use crate::kept::{Changes, Contents};
use std::collections::BTreeMap;
use stepwright_json::Json;

/// Everything that is there.
#[derive(Debug, Default)]
pub(super) struct Topics {
    pub(super) by_name: BTreeMap<String, Topic>,
    /// By their ARNs.
    pub(super) subscriptions: BTreeMap<String, Subscription>,
}

type Texts = BTreeMap<String, String>;

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) attributes: Texts,
    pub(super) tags: Texts,
    /// The number that a FIFO topic gave last.
    pub(super) last: u64,
}

/// A subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) topic: String,
    pub(super) protocol: String,
    pub(super) endpoint: String,
    pub(super) attributes: Texts,
    /// What whoever is at the endpoint has to say, until it has.
    pub(super) token: Option<String>,
}

impl Contents for Topics {
    const PREFIX: &'static str = "services/sns/";

    fn read(&mut self, key: &str, value: &Json) {
        match key.split_once('/') {
            Some(("topic", name)) => {
                self.by_name.insert(name.to_owned(), Topic::read(value));
            }
            Some(("subscription", arn)) => {
                self.subscriptions.insert(arn.to_owned(), Subscription::read(value));
            }
            _ => {}
        }
    }
}

impl Topics {
    pub(super) fn topic(&self, name: &str) -> Result<&Topic, Refusal> {
        self.by_name.get(name).ok_or_else(|| not_found("Topic"))
    }

    pub(super) fn put_topic(&mut self, name: &str, topic: Topic, changes: &mut Changes) {
        changes.put(format!("topic/{name}"), &topic.write());
        self.by_name.insert(name.to_owned(), topic);
    }

    pub(super) fn remove_topic(&mut self, name: &str, arn: &str, changes: &mut Changes) {
        if self.by_name.remove(name).is_some() {
            changes.remove(format!("topic/{name}"));
        }
        let of_topic: Vec<String> = self.of_topic(arn).map(|(arn, _)| arn.to_owned()).collect();
        for subscription in of_topic {
            self.remove_subscription(&subscription, changes);
        }
    }

    pub(super) fn subscription(&self, arn: &str) -> Result<&Subscription, Refusal> {
        self.subscriptions.get(arn).ok_or_else(|| not_found("Subscription"))
    }

    pub(super) fn put_subscription(&mut self, arn: &str, one: Subscription, changes: &mut Changes) {
        changes.put(format!("subscription/{arn}"), &one.write());
        self.subscriptions.insert(arn.to_owned(), one);
    }

    pub(super) fn remove_subscription(&mut self, arn: &str, changes: &mut Changes) {
        if self.subscriptions.remove(arn).is_some() {
            changes.remove(format!("subscription/{arn}"));
        }
    }

    /// The subscriptions of a topic.
    pub(super) fn of_topic<'t>(
        &'t self,
        arn: &'t str,
    ) -> impl Iterator<Item = (&'t str, &'t Subscription)> {
        let all = self.subscriptions.iter().filter(move |(_, one)| one.topic == arn);
        all.map(|(arn, one)| (arn.as_str(), one))
    }
}

pub(super) fn write_texts(given: &Texts) -> Json {
    Json::Object(given.iter().map(|(name, text)| (name.as_str(), text.as_str().into())).collect())
}

fn read_texts(document: &Json, member: &str) -> Texts {
    let object = document.get(member).and_then(Json::as_object);
    let pairs = object.into_iter().flat_map(texts);
    pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

impl Topic {
    pub(super) fn is_fifo(&self) -> bool {
        self.attributes.get("FifoTopic").is_some_and(|value| value == "true")
    }

    fn write(&self) -> Json {
        members([
            ("attributes", Some(write_texts(&self.attributes))),
            ("tags", Some(write_texts(&self.tags))),
            ("last", Some(Json::Int(self.last as i64))),
        ])
    }

    fn read(document: &Json) -> Self {
        Self {
            attributes: read_texts(document, "attributes"),
            tags: read_texts(document, "tags"),
            last: document.get("last").and_then(Json::as_i64).unwrap_or_default() as u64,
        }
    }
}

impl Subscription {
    pub(super) fn is(&self, attribute: &str, value: &str) -> bool {
        self.attributes.get(attribute).is_some_and(|given| given == value)
    }

    fn write(&self) -> Json {
        members([
            ("topic", Some(self.topic.as_str().into())),
            ("protocol", Some(self.protocol.as_str().into())),
            ("endpoint", Some(self.endpoint.as_str().into())),
            ("attributes", Some(write_texts(&self.attributes))),
            ("token", self.token.as_deref().map(Json::from)),
        ])
    }

    fn read(document: &Json) -> Self {
        let text = |name: &str| document.get(name).and_then(Json::as_str).map(str::to_owned);
        Self {
            topic: text("topic").unwrap_or_default(),
            protocol: text("protocol").unwrap_or_default(),
            endpoint: text("endpoint").unwrap_or_default(),
            attributes: read_texts(document, "attributes"),
            token: text("token"),
        }
    }
}
