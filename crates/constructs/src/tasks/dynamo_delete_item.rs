use crate::Str;
use crate::resources::Table;
use crate::tasks::dynamo_types::plan_table;
use crate::tasks::{
    AttributeValue, ConsumedCapacity, ItemCollectionMetrics, Plan, ReturnValues, ServiceTask,
};

task! {
    /// Deletes an item from a DynamoDB table.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let table = Table::new("Messages", "MessageId");
    /// let task = DynamoDeleteItem::new("Delete", &table, [("MessageId", AttributeValue::string("message-007"))])
    ///     .result_path(DISCARD);
    /// assert!(StateMachine::new("Tables", task).asl().is_ok());
    /// ```
    pub struct DynamoDeleteItem [RequestResponse] {
        required { table: Table, key: {AttributeValue} => "Key", }
        optional {
            /// A condition that the item must satisfy.
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

impl ServiceTask for DynamoDeleteItem {
    fn plan(&self, plan: &mut Plan) {
        plan_table(plan, &self.table, "deleteItem");
        self.put_fields(plan);
    }
}
