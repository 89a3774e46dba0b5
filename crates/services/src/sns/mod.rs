//! SNS: topics, and those who subscribe to them.

mod batch;
mod publish;
mod state;
mod subscriptions;
mod topics;

use crate::call::{Answer, Call, Refusal};
use crate::delivery::Deliveries;
use crate::kept::Kept;
use crate::sqs::Sqs;
use crate::{Answered, LocalService, Setup, Supported};
use state::Topics;
use std::sync::Arc;
use stepwright_engine::Clock;

/// The topics of one account in one region.
pub(crate) struct Sns {
    kept: Kept<Topics>,
    clock: Arc<dyn Clock>,
    account: String,
    region: String,
    sqs: Arc<Sqs>,
    deliveries: Arc<Deliveries>,
}

const OPERATIONS: &[Supported] = &[
    Supported::new("ConfirmSubscription", &["TopicArn", "Token"]),
    Supported::new("CreateTopic", &["Name", "Attributes", "Tags"]),
    Supported::new("DeleteTopic", &["TopicArn"]),
    Supported::new("GetSubscriptionAttributes", &["SubscriptionArn"]),
    Supported::new("GetTopicAttributes", &["TopicArn"]),
    Supported::new("ListSubscriptions", &["NextToken"]),
    Supported::new("ListSubscriptionsByTopic", &["TopicArn", "NextToken"]),
    Supported::new("ListTagsForResource", &["ResourceArn"]),
    Supported::new("ListTopics", &["NextToken"]),
    Supported::new(
        "Publish",
        &[
            "TopicArn",
            "TargetArn",
            "Message",
            "Subject",
            "MessageStructure",
            "MessageAttributes",
            "MessageDeduplicationId",
            "MessageGroupId",
        ],
    ),
    Supported::new("PublishBatch", &["TopicArn", "PublishBatchRequestEntries"]),
    Supported::new(
        "SetSubscriptionAttributes",
        &["SubscriptionArn", "AttributeName", "AttributeValue"],
    ),
    Supported::new("SetTopicAttributes", &["TopicArn", "AttributeName", "AttributeValue"]),
    Supported::new(
        "Subscribe",
        &["TopicArn", "Protocol", "Endpoint", "Attributes", "ReturnSubscriptionArn"],
    ),
    Supported::new("TagResource", &["ResourceArn", "Tags"]),
    Supported::new("Unsubscribe", &["SubscriptionArn"]),
    Supported::new("UntagResource", &["ResourceArn", "TagKeys"]),
];

impl LocalService for Sns {
    fn operations(&self) -> &'static [Supported] {
        OPERATIONS
    }

    fn missing(&self, member: &str) -> Refusal {
        Refusal::new(
            "ValidationError",
            format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member \
                 must not be null"
            ),
        )
        .status(400)
    }

    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s> {
        Box::pin(self.answer(call))
    }
}

/// The refusal of a parameter.
fn invalid(reason: impl std::fmt::Display) -> Refusal {
    Refusal::new("InvalidParameterException", format!("Invalid parameter: {reason}"))
}

fn not_found(what: &str) -> Refusal {
    Refusal::new("NotFoundException", format!("{what} does not exist"))
}

impl Sns {
    pub(crate) fn new(setup: &Setup, sqs: Arc<Sqs>, deliveries: Arc<Deliveries>) -> Self {
        Self {
            kept: Kept::new(setup),
            clock: setup.clock.clone(),
            account: setup.account.clone(),
            region: setup.region.clone(),
            sqs,
            deliveries,
        }
    }

    async fn answer(&self, call: Call<'_>) -> Answer {
        let operation: Answered<'_> = match call.operation.name.as_str() {
            "ConfirmSubscription" => Box::pin(self.confirm_subscription(&call)),
            "CreateTopic" => Box::pin(self.create_topic(&call)),
            "DeleteTopic" => Box::pin(self.delete_topic(&call)),
            "GetSubscriptionAttributes" => Box::pin(self.get_subscription_attributes(&call)),
            "GetTopicAttributes" => Box::pin(self.get_topic_attributes(&call)),
            "ListSubscriptions" => Box::pin(self.list_subscriptions(&call)),
            "ListSubscriptionsByTopic" => Box::pin(self.list_subscriptions_by_topic(&call)),
            "ListTagsForResource" => Box::pin(self.list_tags_for_resource(&call)),
            "ListTopics" => Box::pin(self.list_topics(&call)),
            "Publish" => Box::pin(self.publish(&call)),
            "PublishBatch" => Box::pin(self.publish_batch(&call)),
            "SetSubscriptionAttributes" => Box::pin(self.set_subscription_attributes(&call)),
            "SetTopicAttributes" => Box::pin(self.set_topic_attributes(&call)),
            "Subscribe" => Box::pin(self.subscribe(&call)),
            "TagResource" => Box::pin(self.tag_resource(&call)),
            "Unsubscribe" => Box::pin(self.unsubscribe(&call)),
            "UntagResource" => Box::pin(self.untag_resource(&call)),
            name => {
                return Err(self.unsupported(format!("the local service `sns` has no `{name}`")));
            }
        };
        operation.await
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    fn arn(&self, name: &str) -> String {
        format!("arn:aws:sns:{}:{}:{name}", self.region, self.account)
    }

    /// The name of the topic with this ARN.
    fn name_of_arn<'a>(&self, arn: &'a str) -> Result<&'a str, Refusal> {
        let parts: Vec<&str> = arn.split(':').collect();
        let [_, _, "sns", _, _, name] = parts[..] else {
            return Err(invalid("TopicArn Reason: An ARN must have at least 6 elements, not 1"));
        };
        if arn == self.arn(name) { Ok(name) } else { Err(not_found("Topic")) }
    }
}
