//! All queues, and their documents in the store.

use super::attributes::{Attributes, Redrive};
use super::errors;
use super::queue::{Queue, Sent, Status, Stored};
use crate::call::{Refusal, texts};
use crate::kept::{Changes, Contents};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::{Json, Object, Str, json};

/// The queues by their names.
#[derive(Debug, Default)]
pub(super) struct Queues {
    pub(super) by_name: BTreeMap<String, Queue>,
    /// Moves of messages out of dead-letter queues, by number.
    pub(super) moves: BTreeMap<u64, super::moves::Move>,
    read: Vec<(String, Json)>,
}

impl Contents for Queues {
    const PREFIX: &'static str = "services/sqs/";

    fn read(&mut self, key: &str, value: &Json) {
        self.read.push((key.to_owned(), value.clone()));
    }

    fn complete(&mut self) {
        let documents = std::mem::take(&mut self.read);
        let of = |kind: &'static str| {
            documents.iter().filter_map(move |(key, value)| {
                let rest = key.strip_prefix(kind)?.strip_prefix('/')?;
                Some((rest, value))
            })
        };
        for (name, value) in of("queue") {
            self.by_name.insert(name.to_owned(), read_queue(value));
        }
        let numbered = |rest: &str| {
            let (name, number) = rest.split_once('/')?;
            Some((name.to_owned(), u64::from_str_radix(number, 16).ok()?))
        };
        let mut status: BTreeMap<(String, u64), Status> = of("status")
            .filter_map(|(rest, value)| Some((numbered(rest)?, Status::read(value))))
            .collect();
        for (rest, value) in of("message") {
            let Some((name, number)) = numbered(rest) else { continue };
            let mut stored = Stored::read(value);
            if let Some(status) = status.remove(&(name.clone(), number)) {
                stored.status = status;
            }
            if let Some(queue) = self.by_name.get_mut(&name) {
                queue.add(number, stored, 0);
            }
        }
        for (rest, value) in of("sent") {
            let Some((name, number)) = numbered(rest) else { continue };
            let text = |member: &str| value.get(member).and_then(Json::as_str).unwrap_or_default();
            let sent = Sent {
                key: text("key").to_owned(),
                until: value.get("until").and_then(Json::as_i64).unwrap_or_default(),
                id: text("id").into(),
            };
            if let Some(queue) = self.by_name.get_mut(&name) {
                queue.remember(number, sent);
            }
        }
        for (rest, value) in of("move") {
            if let Ok(number) = rest.parse() {
                self.moves.insert(number, super::moves::Move::read(value));
            }
        }
    }
}

impl Queues {
    /// A queue, at a moment: what is due by then can be received.
    pub(super) fn at(
        &mut self,
        name: &str,
        now: i64,
        changes: &mut Changes,
    ) -> Result<&mut Queue, Refusal> {
        let queue = self.by_name.get_mut(name).ok_or_else(errors::no_queue)?;
        let (old, forgotten) = queue.tick(now);
        for number in old {
            forget(changes, name, number);
        }
        for number in forgotten {
            changes.remove(sent_key(name, number));
        }
        Ok(queue)
    }

    /// Where messages of a queue go that were received too often, if that queue is there.
    pub(super) fn redrive(&self, name: &str) -> Option<(String, i64)> {
        let Redrive { target, most_receives } = self.by_name.get(name)?.attributes.redrive()?;
        let target = target.rsplit(':').next()?.to_owned();
        self.by_name.contains_key(&target).then_some((target, most_receives))
    }

    /// Moves a message to another queue, where it can be received at once. It keeps its id and the
    /// moment it was sent; `source` is the queue that it is said to come from.
    pub(super) fn relocate(
        &mut self,
        number: u64,
        from: &str,
        to: &str,
        source: Option<Str>,
        now: i64,
        changes: &mut Changes,
    ) {
        let Some(mut stored) = self.by_name.get_mut(from).and_then(|queue| queue.remove(number))
        else {
            return;
        };
        forget(changes, from, number);
        let Some(target) = self.by_name.get_mut(to) else { return };
        stored.status = Status::default();
        stored.source = source;
        if target.is_fifo() && stored.message.group.is_none() {
            stored.message.group = Some(Str::default());
        }
        let number = target.next_number(now);
        changes.put(message_key(to, number), &stored.write());
        target.add(number, stored, now);
    }

    /// The queues whose messages go to a queue when they were received too often.
    pub(super) fn sources(&self, arn: &str) -> BTreeSet<String> {
        let is_source = |(_, queue): &(&String, &Queue)| {
            queue.attributes.redrive().is_some_and(|redrive| redrive.target == arn)
        };
        self.by_name.iter().filter(is_source).map(|(name, _)| name.clone()).collect()
    }
}

/// Removes the documents of a message.
pub(super) fn forget(changes: &mut Changes, queue: &str, number: u64) {
    changes.remove(message_key(queue, number));
    changes.remove(status_key(queue, number));
}

pub(super) fn queue_key(name: &str) -> String {
    format!("queue/{name}")
}

pub(super) fn message_key(queue: &str, number: u64) -> String {
    format!("message/{queue}/{number:016x}")
}

pub(super) fn status_key(queue: &str, number: u64) -> String {
    format!("status/{queue}/{number:016x}")
}

pub(super) fn sent_key(queue: &str, number: u64) -> String {
    format!("sent/{queue}/{number:016x}")
}

pub(super) fn write_queue(queue: &Queue) -> Json {
    let texts = |texts: &BTreeMap<String, String>| -> Json {
        Json::Object(
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str().into())).collect(),
        )
    };
    json!({
        "attributes": (texts(&queue.attributes.0)),
        "tags": (texts(&queue.tags)),
        "created": (queue.created),
        "modified": (queue.modified)
    })
}

fn read_queue(document: &Json) -> Queue {
    let map = |member: &str| -> BTreeMap<String, String> {
        let object = document.get(member).and_then(Json::as_object);
        let pairs = object.into_iter().flat_map(texts);
        pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    };
    let number = |member: &str| document.get(member).and_then(Json::as_i64).unwrap_or_default();
    let attributes = Attributes(map("attributes"));
    Queue::new(attributes, map("tags"), number("created"), number("modified"))
}

/// An object of texts.
pub(super) fn object_of<'t>(texts: impl Iterator<Item = (&'t str, &'t str)>) -> Json {
    Json::Object(texts.map(|(name, text)| (name, Json::from(text))).collect::<Object>())
}
