//! The queues of a worker task.

use crate::names::id;
use crate::plan::Plan;
use crate::template::{Template, attribute, policy, reference, substituted};
use stepwright_fluxio::Task;
use stepwright_json::{Json, json};

/// How often a message is received before it becomes a dead letter.
pub(crate) const MOST_RECEIVES: i64 = 3;

/// How long a message is hidden from the function that fails its task, in seconds. Lambda
/// recommends six times the function's timeout.
const DEAD_VISIBILITY: i64 = 360;

/// How long messages are kept, in seconds: fourteen days, the longest that SQS allows.
pub(crate) const RETENTION: i64 = 1_209_600;

/// Adds the task's queue and its dead-letter queue. They are FIFO queues, because the machine sends
/// messages in groups.
pub(crate) fn add(template: &mut Template, plan: &Plan<'_>, name: &str, task: &Task) {
    let short = id(name);
    let (queue, dead) = (format!("WorkQueue{short}"), format!("DeadLetterQueue{short}"));
    add_queue(
        template,
        &dead,
        json!({
            "QueueName": (substituted(&plan.names.of(&format!("{name}-dead.fifo")))),
            "FifoQueue": true,
            "VisibilityTimeout": DEAD_VISIBILITY,
            "MessageRetentionPeriod": RETENTION
        }),
    );
    let redrive = json!({
        "deadLetterTargetArn": (attribute(&dead, "Arn")),
        "maxReceiveCount": MOST_RECEIVES
    });
    add_queue(
        template,
        &queue,
        json!({
            "QueueName": (substituted(&plan.names.of(&format!("{name}.fifo")))),
            "FifoQueue": true,
            // The body contains the task token, so no two messages have the same body.
            "ContentBasedDeduplication": true,
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
            "VisibilityTimeout": (Json::Int(task.visibility())),
            "MessageRetentionPeriod": RETENTION,
            "RedrivePolicy": (redrive)
        }),
    );
    for (id, queue) in
        [(format!("WorkQueuePolicy{short}"), &queue), (format!("DeadLetterPolicy{short}"), &dead)]
    {
        add_policy(template, &id, queue, vec![only_encrypted(queue)]);
    }
}

/// Adds a queue, which is deleted with the stack.
pub(crate) fn add_queue(template: &mut Template, id: &str, properties: Json) {
    let queue = json!({
        "Type": "AWS::SQS::Queue",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": (properties)
    });
    template.add(id, queue);
}

/// Adds the policy of a queue.
pub(crate) fn add_policy(template: &mut Template, id: &str, queue: &str, statements: Vec<Json>) {
    let properties =
        json!({"Queues": [(reference(queue))], "PolicyDocument": (policy(statements))});
    template.resource(id, "AWS::SQS::QueuePolicy", properties);
}

/// A statement that denies access to the queue without TLS. Roles grant the access itself.
fn only_encrypted(queue: &str) -> Json {
    json!({
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": (attribute(queue, "Arn")),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}
    })
}
