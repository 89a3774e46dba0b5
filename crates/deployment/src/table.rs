//! The table of the state data.

use crate::names;
use crate::plan::Plan;
use crate::template::{Template, substituted};
use stepwright_json::json;

/// The logical id of the table.
pub(crate) const ID: &str = "StateDataTable";

/// Adds the table. Items have a partition key and an index, and expire by themselves.
pub(crate) fn add(template: &mut Template, plan: &Plan<'_>) {
    let properties = json!({
        "TableName": (substituted(&names::table_of(&plan.names.project))),
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "partition_key", "AttributeType": "S"},
            {"AttributeName": "item_index", "AttributeType": "N"}
        ],
        "KeySchema": [
            {"AttributeName": "partition_key", "KeyType": "HASH"},
            {"AttributeName": "item_index", "KeyType": "RANGE"}
        ],
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": true}
    });
    // The contents belong to executions, which are deleted with the stack.
    let table = json!({
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": (properties)
    });
    template.add(ID, table);
}
