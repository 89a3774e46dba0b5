//! `DynamoDB`: tables with their indexes, items, conditions, updates, queries, transactions.
//!
//! Items are in memory in the order of their keys, and written through to the store: what a table can
//! hold is bounded by memory.

mod evaluate;
mod expression;
mod items;
mod many;
mod number;
mod query;
mod table;
mod tables;
mod value;

use crate::call::{Answer, Call, Refusal};
use crate::kept::Kept;
use crate::{Answered, LocalService, Setup, Supported};
use std::sync::Arc;
use stepwright_engine::Clock;
use table::Tables;

/// The tables of one account in one region.
pub(crate) struct DynamoDb {
    kept: Kept<Tables>,
    clock: Arc<dyn Clock>,
    account: String,
    region: String,
}

const OPERATIONS: &[Supported] = &[
    Supported::new("BatchGetItem", &["RequestItems", "ReturnConsumedCapacity"]),
    Supported::new(
        "BatchWriteItem",
        &["RequestItems", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"],
    ),
    Supported::new(
        "CreateTable",
        &[
            "AttributeDefinitions",
            "TableName",
            "KeySchema",
            "LocalSecondaryIndexes",
            "GlobalSecondaryIndexes",
            "BillingMode",
            "ProvisionedThroughput",
            "Tags",
            "DeletionProtectionEnabled",
        ],
    ),
    Supported::new(
        "DeleteItem",
        &[
            "TableName",
            "Key",
            "ReturnValues",
            "ReturnConsumedCapacity",
            "ReturnItemCollectionMetrics",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValuesOnConditionCheckFailure",
        ],
    ),
    Supported::new("DeleteTable", &["TableName"]),
    Supported::new("DescribeTable", &["TableName"]),
    Supported::new("DescribeTimeToLive", &["TableName"]),
    Supported::new(
        "GetItem",
        &[
            "TableName",
            "Key",
            "ConsistentRead",
            "ReturnConsumedCapacity",
            "ProjectionExpression",
            "ExpressionAttributeNames",
        ],
    ),
    Supported::new("ListTables", &["ExclusiveStartTableName", "Limit"]),
    Supported::new("ListTagsOfResource", &["ResourceArn", "NextToken"]),
    Supported::new(
        "PutItem",
        &[
            "TableName",
            "Item",
            "ReturnValues",
            "ReturnConsumedCapacity",
            "ReturnItemCollectionMetrics",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValuesOnConditionCheckFailure",
        ],
    ),
    Supported::new(
        "Query",
        &[
            "TableName",
            "IndexName",
            "Select",
            "Limit",
            "ConsistentRead",
            "ScanIndexForward",
            "ExclusiveStartKey",
            "ReturnConsumedCapacity",
            "ProjectionExpression",
            "FilterExpression",
            "KeyConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
        ],
    ),
    Supported::new(
        "Scan",
        &[
            "TableName",
            "IndexName",
            "Select",
            "Limit",
            "ConsistentRead",
            "ExclusiveStartKey",
            "ReturnConsumedCapacity",
            "TotalSegments",
            "Segment",
            "ProjectionExpression",
            "FilterExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
        ],
    ),
    Supported::new("TagResource", &["ResourceArn", "Tags"]),
    Supported::new("TransactGetItems", &["TransactItems", "ReturnConsumedCapacity"]),
    Supported::new(
        "TransactWriteItems",
        &[
            "TransactItems",
            "ReturnConsumedCapacity",
            "ReturnItemCollectionMetrics",
            "ClientRequestToken",
        ],
    ),
    Supported::new("UntagResource", &["ResourceArn", "TagKeys"]),
    Supported::new(
        "UpdateItem",
        &[
            "TableName",
            "Key",
            "ReturnValues",
            "ReturnConsumedCapacity",
            "ReturnItemCollectionMetrics",
            "UpdateExpression",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValuesOnConditionCheckFailure",
        ],
    ),
    Supported::new(
        "UpdateTable",
        &[
            "AttributeDefinitions",
            "TableName",
            "BillingMode",
            "ProvisionedThroughput",
            "GlobalSecondaryIndexUpdates",
            "DeletionProtectionEnabled",
        ],
    ),
    Supported::new("UpdateTimeToLive", &["TableName", "TimeToLiveSpecification"]),
];

impl LocalService for DynamoDb {
    fn operations(&self) -> &'static [Supported] {
        OPERATIONS
    }

    fn missing(&self, member: &str) -> Refusal {
        let mut name = member.to_owned();
        name[..1].make_ascii_lowercase();
        validation(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be \
             null"
        ))
    }

    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s> {
        Box::pin(self.answer(call))
    }
}

fn validation(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationException", message).status(400)
}

impl DynamoDb {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            kept: Kept::new(setup),
            clock: setup.clock.clone(),
            account: setup.account.clone(),
            region: setup.region.clone(),
        }
    }

    async fn answer(&self, call: Call<'_>) -> Answer {
        if call.text("ReturnItemCollectionMetrics").is_some_and(|given| given != "NONE") {
            return Err(self.unsupported(
                "the local service `dynamodb` does not have `ReturnItemCollectionMetrics` other than NONE".to_owned(),
            ));
        }
        let operation: Answered<'_> = match call.operation.name.as_str() {
            "BatchGetItem" => Box::pin(self.batch_get_item(&call)),
            "BatchWriteItem" => Box::pin(self.batch_write_item(&call)),
            "CreateTable" => Box::pin(self.create_table(&call)),
            "DeleteItem" => Box::pin(self.delete_item(&call)),
            "DeleteTable" => Box::pin(self.delete_table(&call)),
            "DescribeTable" => Box::pin(self.describe_table(&call)),
            "DescribeTimeToLive" => Box::pin(self.describe_time_to_live(&call)),
            "GetItem" => Box::pin(self.get_item(&call)),
            "ListTables" => Box::pin(self.list_tables(&call)),
            "ListTagsOfResource" => Box::pin(self.list_tags_of_resource(&call)),
            "PutItem" => Box::pin(self.put_item(&call)),
            "Query" => Box::pin(self.query(&call)),
            "Scan" => Box::pin(self.scan(&call)),
            "TagResource" => Box::pin(self.tag_resource(&call)),
            "TransactGetItems" => Box::pin(self.transact_get_items(&call)),
            "TransactWriteItems" => Box::pin(self.transact_write_items(&call)),
            "UntagResource" => Box::pin(self.untag_resource(&call)),
            "UpdateItem" => Box::pin(self.update_item(&call)),
            "UpdateTable" => Box::pin(self.update_table(&call)),
            "UpdateTimeToLive" => Box::pin(self.update_time_to_live(&call)),
            name => {
                return Err(
                    self.unsupported(format!("the local service `dynamodb` has no `{name}`"))
                );
            }
        };
        operation.await
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    fn arn(&self, table: &str) -> String {
        format!("arn:aws:dynamodb:{}:{}:table/{table}", self.region, self.account)
    }
}
