use crate::resources::Table;
use crate::tasks::dynamo_types::plan_table;
use crate::tasks::{AttributeValue, ConsumedCapacity, Plan, ServiceTask};
use crate::{Flag, Str};

task! {
    /// Reads an item from a DynamoDB table.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let table = Table::new("Messages", "message_id");
    /// let get = DynamoGetItem::new("Get Item", &table, [("message_id", AttributeValue::string("message-007"))]);
    /// assert!(StateMachine::new("Reading", get).asl().is_ok());
    /// ```
    pub struct DynamoGetItem [RequestResponse] {
        required { table: Table, key: {AttributeValue} => "Key", }
        optional {
            /// Whether the read is strongly consistent. Defaults to false.
            consistent_read: Flag,
            /// The names that `#name` placeholders in the expression stand for.
            expression_attribute_names: {Str} => "ExpressionAttributeNames",
            /// The attributes to read: see
            /// [`ProjectionExpression`](crate::tasks::ProjectionExpression).
            projection_expression: [String],
            /// How much the response says about the consumed capacity.
            return_consumed_capacity: ConsumedCapacity => "ReturnConsumedCapacity",
        }
    }
}

impl ServiceTask for DynamoGetItem {
    fn plan(&self, plan: &mut Plan) {
        plan_table(plan, &self.table, "getItem");
        plan.put("ConsistentRead", self.consistent_read.clone().unwrap_or_else(|| false.into()));
        plan.maybe(
            "ProjectionExpression",
            self.projection_expression.as_ref().map(|e| e.join(",")),
        );
        self.put_fields(plan);
    }
}
