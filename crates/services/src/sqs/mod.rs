//! SQS: standard and FIFO queues.

mod attributes;
mod batch;
mod digest;
mod errors;
mod message;
mod moves;
mod queue;
mod queues;
mod receive;
mod send;
mod state;

pub(crate) use message::{Message as QueueMessage, size as message_size};

use crate::call::{Answer, Call, Refusal};
use crate::kept::Kept;
use crate::{Answered, LocalService, Setup, Supported};
use parking_lot::Mutex;
use state::Queues;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_engine::Clock;
use tokio::sync::Notify;

/// Whether a queue's name or ARN is that of a FIFO queue.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "it is no file")]
pub(crate) fn is_fifo(name: &str) -> bool {
    name.ends_with(".fifo")
}

/// The queues of one account in one region.
pub(crate) struct Sqs {
    kept: Kept<Queues>,
    clock: Arc<dyn Clock>,
    account: String,
    region: String,
    /// Wakes those who wait for a message, by the queue's name.
    bells: Mutex<BTreeMap<String, Arc<Notify>>>,
}

const OPERATIONS: &[Supported] = &[
    Supported::new("CancelMessageMoveTask", &["TaskHandle"]),
    Supported::new("ChangeMessageVisibility", &["QueueUrl", "ReceiptHandle", "VisibilityTimeout"]),
    Supported::new("ChangeMessageVisibilityBatch", &["QueueUrl", "Entries"]),
    Supported::new("CreateQueue", &["QueueName", "Attributes", "tags"]),
    Supported::new("DeleteMessage", &["QueueUrl", "ReceiptHandle"]),
    Supported::new("DeleteMessageBatch", &["QueueUrl", "Entries"]),
    Supported::new("DeleteQueue", &["QueueUrl"]),
    Supported::new("GetQueueAttributes", &["QueueUrl", "AttributeNames"]),
    Supported::new("GetQueueUrl", &["QueueName", "QueueOwnerAWSAccountId"]),
    Supported::new("ListDeadLetterSourceQueues", &["QueueUrl", "NextToken", "MaxResults"]),
    Supported::new("ListMessageMoveTasks", &["SourceArn", "MaxResults"]),
    Supported::new("ListQueueTags", &["QueueUrl"]),
    Supported::new("ListQueues", &["QueueNamePrefix", "NextToken", "MaxResults"]),
    Supported::new("PurgeQueue", &["QueueUrl"]),
    Supported::new(
        "ReceiveMessage",
        &[
            "QueueUrl",
            "AttributeNames",
            "MessageSystemAttributeNames",
            "MessageAttributeNames",
            "MaxNumberOfMessages",
            "VisibilityTimeout",
            "WaitTimeSeconds",
            "ReceiveRequestAttemptId",
        ],
    ),
    Supported::new(
        "SendMessage",
        &[
            "QueueUrl",
            "MessageBody",
            "DelaySeconds",
            "MessageAttributes",
            "MessageSystemAttributes",
            "MessageDeduplicationId",
            "MessageGroupId",
        ],
    ),
    Supported::new("SendMessageBatch", &["QueueUrl", "Entries"]),
    Supported::new("SetQueueAttributes", &["QueueUrl", "Attributes"]),
    Supported::new("StartMessageMoveTask", &["SourceArn", "DestinationArn"]),
    Supported::new("TagQueue", &["QueueUrl", "Tags"]),
    Supported::new("UntagQueue", &["QueueUrl", "TagKeys"]),
];

impl LocalService for Sqs {
    fn operations(&self) -> &'static [Supported] {
        OPERATIONS
    }

    fn missing(&self, member: &str) -> Refusal {
        errors::missing(member)
    }

    fn unsupported(&self, message: String) -> Refusal {
        errors::unsupported(message)
    }

    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s> {
        Box::pin(self.answer(call))
    }
}

impl Sqs {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            kept: Kept::new(setup),
            clock: setup.clock.clone(),
            account: setup.account.clone(),
            region: setup.region.clone(),
            bells: Mutex::default(),
        }
    }

    async fn answer(&self, call: Call<'_>) -> Answer {
        let operation: Answered<'_> = match call.operation.name.as_str() {
            "CancelMessageMoveTask" => Box::pin(self.cancel_message_move_task(&call)),
            "ChangeMessageVisibility" => Box::pin(self.change_message_visibility(&call)),
            "ChangeMessageVisibilityBatch" => Box::pin(self.change_message_visibility_batch(&call)),
            "CreateQueue" => Box::pin(self.create_queue(&call)),
            "DeleteMessage" => Box::pin(self.delete_message(&call)),
            "DeleteMessageBatch" => Box::pin(self.delete_message_batch(&call)),
            "DeleteQueue" => Box::pin(self.delete_queue(&call)),
            "GetQueueAttributes" => Box::pin(self.get_queue_attributes(&call)),
            "GetQueueUrl" => Box::pin(self.get_queue_url(&call)),
            "ListDeadLetterSourceQueues" => Box::pin(self.list_dead_letter_source_queues(&call)),
            "ListMessageMoveTasks" => Box::pin(self.list_message_move_tasks(&call)),
            "ListQueueTags" => Box::pin(self.list_queue_tags(&call)),
            "ListQueues" => Box::pin(self.list_queues(&call)),
            "PurgeQueue" => Box::pin(self.purge_queue(&call)),
            "ReceiveMessage" => Box::pin(self.receive_message(&call)),
            "SendMessage" => Box::pin(self.send_message(&call)),
            "SendMessageBatch" => Box::pin(self.send_message_batch(&call)),
            "SetQueueAttributes" => Box::pin(self.set_queue_attributes(&call)),
            "StartMessageMoveTask" => Box::pin(self.start_message_move_task(&call)),
            "TagQueue" => Box::pin(self.tag_queue(&call)),
            "UntagQueue" => Box::pin(self.untag_queue(&call)),
            name => {
                return Err(errors::unsupported(format!(
                    "the local service `sqs` has no `{name}`"
                )));
            }
        };
        operation.await
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    fn arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.region, self.account)
    }

    /// The name of the queue with this ARN, if it is one of ours.
    fn name_of_arn<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let name = arn.rsplit(':').next()?;
        (arn == self.arn(name)).then_some(name)
    }

    fn url(&self, call: &Call<'_>, name: &str) -> String {
        format!("{}/{}/{name}", call.caller.url, self.account)
    }

    /// The name of the queue that a request is about. Only the last part of the URL counts, because
    /// clients reach the server by several names; the account must be the one that is served.
    fn named<'c>(&self, call: &'c Call<'_>) -> Result<&'c str, Refusal> {
        let url = call.required("QueueUrl");
        let mut parts = url.rsplit('/');
        let name = parts.next().unwrap_or_default();
        match parts.next() {
            // A name, or an ARN, in place of a URL.
            None => Ok(self.name_of_arn(url).unwrap_or(url)),
            Some(account) if account == self.account => Ok(name),
            Some(_) => Err(errors::no_queue()),
        }
    }

    /// Rings the bells of all queues: whoever waits looks again.
    pub(crate) fn ring_all(&self) {
        for bell in self.bells.lock().values() {
            bell.notify_waiters();
        }
    }

    /// The bell of a queue.
    fn bell(&self, name: &str) -> Arc<Notify> {
        self.bells.lock().entry(name.to_owned()).or_default().clone()
    }

    /// Wakes so many of those who wait for messages of a queue.
    fn ring(&self, name: &str, messages: usize) {
        let bell = self.bells.lock().get(name).cloned();
        if let Some(bell) = bell {
            for _ in 0..messages {
                bell.notify_one();
            }
        }
    }
}
