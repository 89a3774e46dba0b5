use crate::duration::Seconds;
use crate::resources::{Key, Queue};
use crate::tasks::{Plan, ServiceTask};
use crate::{Input, Str};

task! {
    /// Sends a message to an SQS queue.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let queue = Queue::new("Queue");
    /// let send = SqsSendMessage::new("Send", &queue, object! {
    ///     "field1": "somedata",
    ///     "field2": string_at("$.field2"),
    /// });
    /// assert!(StateMachine::new("Sending", send).asl().is_ok());
    /// ```
    #[doc(alias = "SendToQueue")]
    pub struct SqsSendMessage [RequestResponse, WaitForTaskToken] {
        required { queue: Queue, message_body: Input, }
        optional {
            /// How long the message is delayed.
            delay: Seconds => "DelaySeconds",
            /// For FIFO queues: messages with the same id are delivered once.
            message_deduplication_id: Str => "MessageDeduplicationId",
            /// For FIFO queues: the messages of a group are delivered in order.
            message_group_id: Str => "MessageGroupId",
            /// The customer's key with which the queue is encrypted.
            encryption_key: Key,
        }
    }
}

impl ServiceTask for SqsSendMessage {
    fn plan(&self, plan: &mut Plan) {
        plan.service("sqs", "sendMessage");
        plan.needs_token("message_body", Some(&self.message_body));
        plan.uses(self.queue.resources());
        plan.allow(&["sqs:SendMessage"], [self.queue.arn()]);
        if let Some(key) = &self.encryption_key {
            plan.uses(key.resources());
            plan.allow(&["kms:Decrypt", "kms:GenerateDataKey*"], [key.arn()]);
        }
        plan.put("QueueUrl", self.queue.url());
        plan.put("MessageBody", &self.message_body);
        self.put_fields(plan);
    }
}
