use crate::Str;
use crate::resources::Table;
use crate::tasks::dynamo_types::plan_table;
use crate::tasks::{
    AttributeValue, ConsumedCapacity, ItemCollectionMetrics, Plan, ReturnValues, ServiceTask,
};

task! {
    /// Writes an item of a table of DynamoDB.
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

        }
    }
}

impl ServiceTask for DynamoPutItem {
    fn plan(&self, plan: &mut Plan) {
        plan_table(plan, &self.table, "putItem");
        self.put_fields(plan);
    }
}
