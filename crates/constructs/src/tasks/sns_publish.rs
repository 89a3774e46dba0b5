use crate::resources::Topic;
use crate::tasks::{Plan, ServiceTask};
use crate::value::Value;
use crate::{Input, Str, object};
use stepwright_json::Json;

task! {
    /// Publishes a message to an SNS topic.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let topic = Topic::new("Topic");
    /// let publish = SnsPublish::new("Publish", &topic, string_at("$.state.message"))
    ///     .message_attributes([
    ///         ("place", MessageAttribute::string(string_at("$.place"))),
    ///         ("people", MessageAttribute::number(4)),
    ///     ]);
    /// assert!(StateMachine::new("News", publish).asl().is_ok());
    /// ```
    #[doc(alias = "PublishToTopic")]
    pub struct SnsPublish [RequestResponse, WaitForTaskToken] {
        required { topic: Topic, message: Input, }
        optional {
            /// For FIFO topics: messages with the same id are delivered once.
            message_deduplication_id: Str => "MessageDeduplicationId",
            /// For FIFO topics: the messages of a group are delivered in order.
            message_group_id: Str => "MessageGroupId",
            /// Whether the message is an object with a text for each protocol.
            message_per_subscription_type: bool,
            /// Attributes that subscribers can filter by.
            message_attributes: {MessageAttribute} => "MessageAttributes",
            /// The subject of e-mails.
            subject: Str => "Subject",
        }
    }
}

/// An attribute of a message.
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "MessageAttributeDataType")]
pub struct MessageAttribute(Value);

impl MessageAttribute {
    /// Text.
    pub fn string(value: impl Into<Str>) -> Self {
        Self(object! {"DataType": "String", "StringValue": value.into()})
    }

    /// A number.
    pub fn number(value: impl Into<crate::Num>) -> Self {
        let value = match Value::from(value.into()) {
            Value::Scalar(number) => number.to_string().into(),
            computed => computed,
        };
        Self(object! {"DataType": "Number", "StringValue": value})
    }

    /// Bytes, as base64.
    pub fn binary(value: impl Into<Str>) -> Self {
        Self(object! {"DataType": "Binary", "BinaryValue": value.into()})
    }

    /// A list of texts, numbers, booleans and nulls.
    pub fn string_array<V: Into<Json>>(values: impl IntoIterator<Item = V>) -> Self {
        let values: Vec<Json> = values.into_iter().map(Into::into).collect();
        Self(object! {"DataType": "String.Array", "StringValue": Json::from(values).to_string()})
    }
}

impl From<MessageAttribute> for Value {
    fn from(attribute: MessageAttribute) -> Self {
        attribute.0
    }
}

impl ServiceTask for SnsPublish {
    fn plan(&self, plan: &mut Plan) {
        plan.service("sns", "publish");
        plan.needs_token("message", Some(&self.message));
        plan.uses(self.topic.resources());
        plan.allow(&["sns:Publish"], [self.topic.arn()]);
        plan.put("TopicArn", self.topic.arn());
        plan.put("Message", &self.message);
        if self.message_per_subscription_type == Some(true) {
            plan.put("MessageStructure", "json");
        }
        self.put_fields(plan);
    }
}
