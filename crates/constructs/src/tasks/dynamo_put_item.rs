use crate::Str;
use crate::resources::Table;
use crate::tasks::dynamo_types::plan_table;
use crate::tasks::{
    AttributeValue, ConsumedCapacity, ItemCollectionMetrics, Plan, ReturnValues, ServiceTask,
};

task! {
    /// Writes an item to a DynamoDB table.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let table = Table::new("Messages", "MessageId");
    /// let task = DynamoPutItem::new("Put", &table, [("MessageId", AttributeValue::string("message-007"))])
    ///     .result_path(DISCARD);
    /// assert!(StateMachine::new("Tables", task).asl().is_ok());
    /// ```
    pub struct DynamoPutItem [RequestResponse] {
        required { table: Table, item: {AttributeValue} => "Item", }
        optional {
            /// A condition that the existing item must satisfy.
            condition_expression: Str => "ConditionExpression",
            /// The names that `#name` placeholders in the expressions stand for.
            expression_attribute_names: {Str} => "ExpressionAttributeNames",
            /// The values that `:name` placeholders in the expressions stand for.
            expression_attribute_values: {AttributeValue} => "ExpressionAttributeValues",
            /// How much the response says about the consumed capacity.
            return_consumed_capacity: ConsumedCapacity => "ReturnConsumedCapacity",
            /// Whether the response contains the size of the item's collection.
            return_item_collection_metrics: ItemCollectionMetrics => "ReturnItemCollectionMetrics",
            /// Which attributes of the item the response contains.
            return_values: ReturnValues => "ReturnValues",

        }
    }
}

impl ServiceTask for DynamoPutItem {
    fn plan(&self, plan: &mut Plan) {
        plan_table(plan, &self.table, "putItem");
        self.put_fields(plan);
    }
}
