//! Queues as event sources of functions: what Lambda's event source mappings do.
//!
//! Messages are received in batches, the function gets them as an event, and those that it has handled
//! are deleted. The others are there again after their visibility timeout, and go to the dead-letter
//! queue in the end.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>

use crate::Services;
use crate::call::{list, text};
use crate::delivery::World;
use crate::pattern::Pattern;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stepwright_aws::codec::{Message, ServiceError};
use stepwright_aws::table;
use stepwright_json::{Json, Object, json};
use tokio::sync::watch;

/// What connects a queue with a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The ARN of the queue.
    pub queue: String,
    /// The name or the ARN of the function.
    pub function: String,
    /// The most messages that the function gets at once, from 1 to 10.
    pub batch: usize,
    /// How many batches are handled at once; those of a FIFO queue come one after another.
    pub concurrency: usize,
    /// Whether the function says which messages it has not handled (`ReportBatchItemFailures`).
    pub reports_failures: bool,
    /// Patterns of which a message must match one, if there are any. Others are deleted.
    pub filters: Vec<Json>,
}

/// The most batches of a queue that are handled at once, unless the source says otherwise.
pub const USUAL_CONCURRENCY: usize = 5;

/// How long one waits after a queue could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// A source, and what ends its pollers.
type Followed = (Source, watch::Sender<bool>);

/// The sources that are followed, by the name of the stack that they belong to.
#[derive(Default)]
pub(crate) struct Sources {
    followed: Mutex<BTreeMap<String, Vec<Followed>>>,
    pub(crate) world: OnceLock<Arc<dyn World>>,
}

impl Services {
    /// Follows the queues of a stack, and no longer those that are not among its sources any more. A
    /// batch that is being handled is handled to its end. The error names a source that cannot be
    /// followed.
    pub fn follow(&self, stack: &str, sources: Vec<Source>) -> Result<(), String> {
        let mut begun = Vec::new();
        let mut followed = self.sources.followed.lock();
        let mut before = followed.remove(stack).unwrap_or_default();
        let mut wrong = Ok(());
        for source in sources {
            if let Some(at) = before.iter().position(|(one, _)| *one == source) {
                begun.push(before.swap_remove(at));
                continue;
            }
            let filters: Result<Vec<Pattern>, String> =
                source.filters.iter().map(Pattern::read).collect();
            match filters {
                Ok(filters) => {
                    let (stop, stopped) = watch::channel(false);
                    for _ in 0..source.concurrency.max(1) {
                        let poller = Poller {
                            services: self.clone(),
                            source: source.clone(),
                            filters: filters.clone(),
                            stopped: stopped.clone(),
                        };
                        tokio::spawn(poller.run());
                    }
                    begun.push((source, stop));
                }
                Err(why) => {
                    wrong = Err(format!("the filter of the source `{}`: {why}", source.queue));
                }
            }
        }
        for (_, stop) in before {
            stop.send_replace(true);
        }
        followed.insert(stack.to_owned(), begun);
        wrong
    }
}

/// One that reads a queue.
struct Poller {
    services: Services,
    source: Source,
    filters: Vec<Pattern>,
    stopped: watch::Receiver<bool>,
}

impl Poller {
    async fn run(self) {
        let mut stopped = self.stopped.clone();
        let name = self.source.queue.rsplit(':').next().unwrap_or_default().to_owned();
        while !*stopped.borrow() {
            let batch = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                batch = self.batch(&name) => batch,
            };
            match batch {
                Ok(messages) if messages.is_empty() => {}
                Ok(messages) => self.handle(&name, messages).await,
                Err(error) => {
                    tracing::debug!(queue = name, why = error.message, "a queue cannot be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn call(&self, operation: &str, input: Json) -> Result<Json, ServiceError> {
        let unknown = |_| ServiceError::default();
        let service = table::service("sqs").map_err(unknown)?;
        let operation = service.operation(operation).ok_or_else(ServiceError::default)?;
        let caller = crate::Caller { url: self.services.url(), ..crate::Caller::default() };
        let message = Message::from(input);
        Ok(self.services.call(service, operation, message, &caller).await?.message.value)
    }

    fn url(&self, name: &str) -> String {
        let account = self.source.queue.split(':').nth(4).unwrap_or_default();
        format!("{}/{account}/{name}", self.services.url())
    }

    async fn batch(&self, name: &str) -> Result<Vec<Json>, ServiceError> {
        let input = json!({
            "QueueUrl": (self.url(name)),
            "MaxNumberOfMessages": (self.source.batch.clamp(1, 10)),
            "WaitTimeSeconds": 20,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"]
        });
        let answer = self.call("ReceiveMessage", input).await?;
        Ok(answer.as_object().map(|answer| list(answer, "Messages").to_vec()).unwrap_or_default())
    }

    async fn handle(&self, name: &str, messages: Vec<Json>) {
        let (wanted, others): (Vec<Json>, Vec<Json>) =
            messages.into_iter().partition(|message| self.is_wanted(message));
        self.delete(name, &others, &BTreeSet::new()).await;
        if wanted.is_empty() {
            return;
        }
        let Some(world) = self.services.sources.world.get() else { return };
        let records: Vec<Json> = wanted.iter().map(|message| self.record(message)).collect();
        let event = json!({"Records": records});
        match world.invoke(self.source.function.clone(), event).await {
            Ok(answer) => {
                let failed = if self.source.reports_failures {
                    failures(&answer)
                } else {
                    Some(BTreeSet::new())
                };
                // An answer that cannot be read means that all have failed.
                if let Some(failed) = failed {
                    self.delete(name, &wanted, &failed).await;
                }
            }
            Err(why) => {
                let function = &self.source.function;
                tracing::warn!(function, queue = name, why, "a batch of messages was not handled");
            }
        }
    }

    /// Whether a message matches one of the filters, if there are any.
    fn is_wanted(&self, message: &Json) -> bool {
        let body = || {
            let body = message.get("Body").and_then(Json::as_str).unwrap_or_default();
            let body = stepwright_json::parse(body).unwrap_or_else(|_| body.into());
            json!({"body": body})
        };
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(&body()))
    }

    /// A message as functions get it.
    fn record(&self, message: &Json) -> Json {
        let empty = Object::new();
        let message = message.as_object().unwrap_or(&empty);
        let member = |name: &str| message.get(name).cloned().unwrap_or_default();
        let own = message.get("MessageAttributes").and_then(Json::as_object);
        let own = own.into_iter().flat_map(Object::iter).map(|(name, value)| {
            let part = |part: &str| value.get(part).cloned();
            let mut shown = Object::new();
            for (member, lower) in [("StringValue", "stringValue"), ("BinaryValue", "binaryValue")]
            {
                if let Some(value) = part(member) {
                    shown.insert(lower, value);
                }
            }
            shown.insert("stringListValues", Vec::new().into());
            shown.insert("binaryListValues", Vec::new().into());
            shown.insert("dataType", part("DataType").unwrap_or_default());
            (name.clone(), Json::from(shown))
        });
        let region = self.source.queue.split(':').nth(3).unwrap_or_default();
        json!({
            "messageId": (member("MessageId")),
            "receiptHandle": (member("ReceiptHandle")),
            "body": (member("Body")),
            "attributes": (member("Attributes")),
            "messageAttributes": (own.collect::<Object>()),
            "md5OfBody": (member("MD5OfBody")),
            "eventSource": "aws:sqs",
            "eventSourceARN": (self.source.queue.as_str()),
            "awsRegion": region
        })
    }

    /// Deletes messages that are over, but for those that have failed.
    async fn delete(&self, name: &str, messages: &[Json], failed: &BTreeSet<String>) {
        let over = messages
            .iter()
            .filter_map(Json::as_object)
            .filter(|message| !failed.contains(text(message, "MessageId").unwrap_or_default()));
        let entries: Vec<Json> = over
            .enumerate()
            .map(|(at, message)| {
                let handle = message.get("ReceiptHandle").cloned().unwrap_or_default();
                json!({"Id": (at.to_string()), "ReceiptHandle": handle})
            })
            .collect();
        if entries.is_empty() {
            return;
        }
        let input = json!({"QueueUrl": (self.url(name)), "Entries": entries});
        if let Err(error) = self.call("DeleteMessageBatch", input).await {
            tracing::warn!(queue = name, why = error.message, "messages cannot be deleted");
        }
    }
}

/// The ids of the messages that a function says it has not handled; none if its answer cannot be read.
fn failures(answer: &Json) -> Option<BTreeSet<String>> {
    let failures = match answer.get("batchItemFailures") {
        None | Some(Json::Null) => return Some(BTreeSet::new()),
        Some(failures) => failures.as_array()?,
    };
    failures.iter().map(|one| Some(one.get("itemIdentifier")?.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_says_what_it_has_not_handled() {
        let check = |answer: Json, wanted: Option<&[&str]>| {
            let wanted = wanted.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
            assert_eq!(failures(&answer), wanted, "{answer}");
        };
        check(json!({"batchItemFailures": [{"itemIdentifier": "a"}]}), Some(&["a"]));
        check(json!({"batchItemFailures": []}), Some(&[]));
        check(Json::Null, Some(&[]));
        check(json!({"batchItemFailures": "a"}), None);
        check(json!({"batchItemFailures": [{"id": "a"}]}), None);
    }
}
