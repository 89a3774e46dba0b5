use crate::Str;
use crate::resources::Table;
use crate::tasks::dynamo_types::plan_table;
use crate::tasks::{
    AttributeValue, ConsumedCapacity, ItemCollectionMetrics, Plan, ReturnValues, ServiceTask,
};

task! {
    /// Changes an item of a table of DynamoDB.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let table = Table::new("Messages", "MessageId");
    /// let task = DynamoUpdateItem::new("Update", &table, [("MessageId", AttributeValue::string("message-007"))])
    ///     .result_path(DISCARD);
    /// assert!(StateMachine::new("Tables", task).asl().is_ok());
    /// ```
    pub struct DynamoUpdateItem [RequestResponse] {
        required { table: Table, key: {AttributeValue} => "Key", }
        optional {
            /// What has to hold of the item.
            condition_expression: Str => "ConditionExpression",
            /// What `#name` in the expressions stands for.
            expression_attribute_names: {Str} => "ExpressionAttributeNames",
            /// What `:name` in the expressions stands for.
            expression_attribute_values: {AttributeValue} => "ExpressionAttributeValues",
            /// How much is said of the capacity that was used.
            return_consumed_capacity: ConsumedCapacity => "ReturnConsumedCapacity",
            /// Whether it is said how large the item's collection is.
            return_item_collection_metrics: ItemCollectionMetrics => "ReturnItemCollectionMetrics",
            /// Which attributes of the item are returned.
            return_values: ReturnValues => "ReturnValues",
            /// What is changed.
            update_expression: Str => "UpdateExpression",
        }
    }
}

impl ServiceTask for DynamoUpdateItem {
    fn plan(&self, plan: &mut Plan) {
        plan_table(plan, &self.table, "updateItem");
        self.put_fields(plan);
    }
}
