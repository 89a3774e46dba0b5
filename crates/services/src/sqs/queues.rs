//! Operations on queues as a whole.

use super::Sqs;
use super::attributes::{Attributes, TOLD};
use super::errors;
use super::queue::Queue;
use super::state::{forget, object_of, queue_key, sent_key, write_queue};
use crate::call::{Answer, Call, Refusal, answer, empty, members, texts};
use crate::pages;
use std::collections::BTreeMap;
use stepwright_json::{Json, json};

/// The largest number of tags of a queue.
const MOST_TAGS: usize = 50;

impl Sqs {
    pub(super) async fn create_queue(&self, call: &Call<'_>) -> Answer {
        let name = call.required("QueueName");
        let given: Vec<(&str, &str)> =
            call.object("Attributes").into_iter().flat_map(texts).collect();
        let tags: BTreeMap<String, String> =
            call.object("tags").into_iter().flat_map(texts).map(owned).collect();
        check_name(name, given.contains(&("FifoQueue", "true")))?;
        let mut attributes = Attributes::default();
        attributes.set(&given, true)?;
        let fifo_only = given.iter().find(|(name, _)| {
            ["ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"]
                .contains(name)
        });
        if let Some((name, _)) = fifo_only.filter(|_| !attributes.is_fifo()) {
            return Err(errors::unknown_attribute(name));
        }
        check_tags(&tags)?;
        let now = self.now() / 1_000;
        self.kept
            .with(|queues, changes| {
                if let Some(queue) = queues.by_name.get(name) {
                    return match queue.attributes.first_difference(&given) {
                        None => Ok(()),
                        Some(attribute) => Err(errors::modelled(
                            "QueueNameExists",
                            format!(
                                "A queue already exists with the same name and a different value for \
                                 attribute {attribute}"
                            ),
                        )),
                    };
                }
                self.check_redrive(&attributes, name, queues)?;
                let queue = Queue::new(attributes, tags, now, now);
                changes.put(queue_key(name), &write_queue(&queue));
                queues.by_name.insert(name.to_owned(), queue);
                Ok(())
            })
            .await??;
        answer(json!({"QueueUrl": (self.url(call, name))}))
    }

    /// A dead-letter queue must be there, be of the same kind, and take what the queue sends to it.
    fn check_redrive(
        &self,
        attributes: &Attributes,
        name: &str,
        queues: &super::state::Queues,
    ) -> Result<(), Refusal> {
        let Some(redrive) = attributes.redrive() else { return Ok(()) };
        let text = attributes.0.get("RedrivePolicy").map_or("", String::as_str);
        let invalid = |reason: &str| Err(errors::invalid_value(text, "RedrivePolicy", reason));
        let target = self.name_of_arn(&redrive.target).and_then(|name| queues.by_name.get(name));
        let Some(target) = target else {
            return invalid("Dead letter target does not exist.");
        };
        if target.is_fifo() != attributes.is_fifo() {
            return invalid("Dead-letter queue must be same type of queue as the source.");
        }
        if !target.attributes.takes_from(&self.arn(name)) {
            return invalid("The dead-letter queue does not allow this queue as a source.");
        }
        Ok(())
    }

    pub(super) async fn delete_queue(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        self.kept
            .with(|queues, changes| {
                let queue = queues.by_name.remove(name).ok_or_else(errors::no_queue)?;
                for number in queue.numbers() {
                    forget(changes, name, number);
                }
                for number in queue.remembered() {
                    changes.remove(sent_key(name, number));
                }
                changes.remove(queue_key(name));
                Ok::<_, Refusal>(())
            })
            .await??;
        // Those who wait for a message learn that there is no queue.
        if let Some(bell) = self.bells.lock().remove(name) {
            bell.notify_waiters();
        }
        empty()
    }

    pub(super) async fn get_queue_url(&self, call: &Call<'_>) -> Answer {
        let name = call.required("QueueName");
        if call.text("QueueOwnerAWSAccountId").is_some_and(|owner| owner != self.account) {
            return Err(errors::no_queue());
        }
        let is_there = self.kept.with(|queues, _| queues.by_name.contains_key(name)).await?;
        if !is_there {
            return Err(errors::no_queue());
        }
        answer(json!({"QueueUrl": (self.url(call, name))}))
    }

    pub(super) async fn list_queues(&self, call: &Call<'_>) -> Answer {
        let prefix = call.text("QueueNamePrefix").unwrap_or_default();
        let names = self
            .kept
            .with(|queues, _| {
                let names = queues.by_name.keys().filter(|name| name.starts_with(prefix));
                names.cloned().collect::<Vec<_>>()
            })
            .await?;
        self.urls(call, names, "QueueUrls")
    }

    pub(super) async fn list_dead_letter_source_queues(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        let names = self
            .kept
            .with(|queues, _| {
                if !queues.by_name.contains_key(name) {
                    return Err(errors::no_queue());
                }
                Ok(queues.sources(&self.arn(name)).into_iter().collect())
            })
            .await??;
        self.urls(call, names, "queueUrls")
    }

    /// A page of the URLs of queues.
    fn urls(&self, call: &Call<'_>, names: Vec<String>, member: &'static str) -> Answer {
        let most = call.int("MaxResults");
        if most.is_some_and(|most| !(1..=1_000).contains(&most)) {
            let most = most.unwrap_or_default().to_string();
            return Err(errors::invalid_value(&most, "MaxResults", "Must be between 1 and 1000."));
        }
        let page = pages::page(names, call.text("NextToken"), most.unwrap_or(1_000) as usize)
            .ok_or_else(|| {
                errors::invalid_value("NextToken", "NextToken", "It is not one of ours.")
            })?;
        let urls: Vec<Json> = page.items.iter().map(|name| self.url(call, name).into()).collect();
        answer(members([
            (member, (!urls.is_empty()).then(|| urls.into())),
            // A token is given only to those who ask for pages.
            ("NextToken", page.next.filter(|_| most.is_some()).map(Json::from)),
        ]))
    }

    pub(super) async fn get_queue_attributes(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        let asked = call.texts("AttributeNames");
        let unknown = asked.iter().find(|name| *name != "All" && !Attributes::is_known(name));
        if let Some(unknown) = unknown {
            return Err(errors::unknown_attribute(unknown));
        }
        let now = self.now();
        let shown = self
            .kept
            .with(|queues, changes| {
                let queue = queues.at(name, now, changes)?;
                let mut shown = queue.attributes.shown();
                let (ready, in_flight, delayed) = queue.counts();
                let told = [
                    ready.to_string(),
                    delayed.to_string(),
                    in_flight.to_string(),
                    queue.created.to_string(),
                    queue.modified.to_string(),
                    self.arn(name),
                ];
                shown.extend(TOLD.into_iter().map(str::to_owned).zip(told));
                Ok::<_, Refusal>(shown)
            })
            .await??;
        let all = asked.iter().any(|name| name == "All");
        let wanted: Vec<(&str, &str)> = shown
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| all || asked.iter().any(|one| one == name))
            .collect();
        answer(members([(
            "Attributes",
            (!wanted.is_empty()).then(|| object_of(wanted.into_iter())),
        )]))
    }

    pub(super) async fn set_queue_attributes(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        let given: Vec<(&str, &str)> =
            call.object("Attributes").into_iter().flat_map(texts).collect();
        let now = self.now() / 1_000;
        self.kept
            .with(|queues, changes| {
                let queue = queues.by_name.get(name).ok_or_else(errors::no_queue)?;
                let mut attributes = queue.attributes.clone();
                // A FIFO queue may be told once more that it is one.
                let mut given = given.clone();
                if attributes.is_fifo() {
                    given.retain(|one| *one != ("FifoQueue", "true"));
                }
                attributes.set(&given, false)?;
                if given.iter().any(|(name, _)| *name == "RedrivePolicy") {
                    self.check_redrive(&attributes, name, queues)?;
                }
                let queue = queues.by_name.get_mut(name).expect("it was there just now");
                queue.attributes = attributes;
                queue.modified = now;
                changes.put(queue_key(name), &write_queue(queue));
                Ok::<_, Refusal>(())
            })
            .await??;
        empty()
    }

    pub(super) async fn purge_queue(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        let now = self.now();
        self.kept
            .with(|queues, changes| {
                let queue = queues.at(name, now, changes)?;
                for number in queue.numbers() {
                    queue.remove(number);
                    forget(changes, name, number);
                }
                Ok::<_, Refusal>(())
            })
            .await??;
        empty()
    }

    pub(super) async fn list_queue_tags(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        let tags = self
            .kept
            .with(|queues, _| Some(queues.by_name.get(name)?.tags.clone()))
            .await?
            .ok_or_else(errors::no_queue)?;
        let shown = || object_of(tags.iter().map(|(name, tag)| (name.as_str(), tag.as_str())));
        answer(members([("Tags", (!tags.is_empty()).then(shown))]))
    }

    pub(super) async fn tag_queue(&self, call: &Call<'_>) -> Answer {
        let given: Vec<(String, String)> =
            call.object("Tags").into_iter().flat_map(texts).map(owned).collect();
        if given.is_empty() {
            return Err(errors::missing("Tags"));
        }
        self.change_tags(call, |tags| {
            tags.extend(given);
            check_tags(tags)
        })
        .await
    }

    pub(super) async fn untag_queue(&self, call: &Call<'_>) -> Answer {
        let keys = call.texts("TagKeys");
        if keys.is_empty() {
            return Err(errors::invalid_parameter(
                "Tag keys must be between 1 and 128 characters in length.",
            ));
        }
        self.change_tags(call, |tags| {
            tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    async fn change_tags(
        &self,
        call: &Call<'_>,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), Refusal> + Send,
    ) -> Answer {
        let name = self.named(call)?;
        self.kept
            .with(|queues, changes| {
                let queue = queues.by_name.get_mut(name).ok_or_else(errors::no_queue)?;
                let mut tags = queue.tags.clone();
                change(&mut tags)?;
                queue.tags = tags;
                changes.put(queue_key(name), &write_queue(queue));
                Ok::<_, Refusal>(())
            })
            .await??;
        empty()
    }
}

fn owned((name, text): (&str, &str)) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

fn check_name(name: &str, is_fifo: bool) -> Result<(), Refusal> {
    let is_plain = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let is_right = name.len() <= 80
        && match (is_fifo, name.strip_suffix(".fifo")) {
            (true, Some(start)) => is_plain(start),
            (true, None) => false,
            (false, _) => is_plain(name),
        };
    if is_right {
        return Ok(());
    }
    Err(errors::invalid_parameter(if is_fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must \
         end with .fifo suffix and be 1 to 80 in length"
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    }))
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if tags.len() > MOST_TAGS {
        return Err(errors::invalid_parameter(format!(
            "Too many tags added for queue: at most {MOST_TAGS}."
        )));
    }
    let is_wrong = |(key, value): &(&String, &String)| {
        key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256
    };
    match tags.iter().find(is_wrong) {
        None => Ok(()),
        Some(_) => Err(errors::invalid_parameter(
            "Tag keys must be between 1 and 128 characters in length, and values at most 256.",
        )),
    }
}
