"""The state data of executions, kept in a DynamoDB table."""

import json
import os
import time

from ..state_data import ALONE, MOST_BYTES, ItemNotFound, ItemTooLarge, StateDataClient, _place
from .clients import client

#: How many items DynamoDB takes at once.
BATCH = 25

#: How often what was not taken is sent again, and how long to wait before, in seconds.
ATTEMPTS = 8
PAUSE = 0.05

SECONDS_PER_DAY = 24 * 60 * 60


class DynamoStateDataClient(StateDataClient):
    """Puts and gets items as the local client does, in tables of DynamoDB.

    An item has the keys `partition_key` and `item_index` (-1 when it is no part of a list), its data as
    JSON text in `data`, and `expires_at`, after which DynamoDB drops it.
    """

    def __init__(self, table_name, execution, days=None, dynamodb=None):
        """`table_name` is the project's table, `execution` what `execution_id` gives.

        `days` says how long items are kept.
        """
        self.table_name = table_name
        self.execution = execution
        self._days = int(days or os.environ.get("STEPWRIGHT_STATE_DATA_DAYS") or 366)
        self._given = dynamodb

    @property
    def _dynamodb(self):
        return self._given or client("dynamodb")

    def close(self):
        """There is nothing to close: the connection serves other tasks, too."""

    def put_global_item(self, partition_key, table_name, data, index=None):
        """Puts an item anywhere."""
        item = self._item(partition_key, ALONE if index is None else int(index), data)
        self._dynamodb.put_item(TableName=table_name, Item=item)
        return _place(partition_key, table_name)

    def put_global_items(self, partition_key, table_name, items):
        """Puts a list of items anywhere."""
        # All are checked before the first is put.
        rows = [self._item(partition_key, index, data) for index, data in enumerate(items)]
        requests = [{"PutRequest": {"Item": row}} for row in rows]
        # A shorter list leaves nothing of a longer one.
        old = self._query(table_name, partition_key, len(rows), "partition_key, item_index")
        requests += [{"DeleteRequest": {"Key": key}} for key in old]
        for start in range(0, len(requests), BATCH):
            self._write_batch(table_name, requests[start : start + BATCH])
        return _place(partition_key, table_name) | {"items": list(range(len(rows)))}

    def get_global_item(self, partition_key, table_name, index=None):
        """The data of an item of any execution."""
        key = _key(partition_key, ALONE if index is None else int(index))
        answer = self._dynamodb.get_item(TableName=table_name, Key=key, ConsistentRead=True)
        if "Item" not in answer:
            at = "" if index is None else f" at index {index}"
            raise ItemNotFound(f"there is no item {partition_key!r}{at} in the table {table_name!r}")
        return json.loads(answer["Item"]["data"]["S"])

    def get_global_items(self, partition_key, table_name):
        """The data of all items of a list of any execution."""
        rows = self._query(table_name, partition_key, 0, "#data", {"#data": "data"})
        return [json.loads(row["data"]["S"]) for row in rows]

    def _item(self, partition_key, index, data):
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        item = _key(partition_key, index)
        item["data"] = {"S": text}
        item["expires_at"] = {"N": str(int(time.time()) + self._days * SECONDS_PER_DAY)}
        # DynamoDB counts the names of attributes, too; a number has up to 21 bytes.
        size = sum(map(len, item)) + 2 * 21 + len(text.encode("utf-8")) + len(partition_key.encode("utf-8"))
        if size > MOST_BYTES:
            raise ItemTooLarge(f"the item {partition_key!r} has {size} bytes; DynamoDB takes {MOST_BYTES}")
        return item

    def _query(self, table_name, partition_key, first, projection, names=None):
        """The items of a list from an index on."""
        request = {
            "TableName": table_name,
            "ConsistentRead": True,
            "KeyConditionExpression": "partition_key = :key AND item_index >= :first",
            "ExpressionAttributeValues": {":key": {"S": partition_key}, ":first": {"N": str(first)}},
            "ProjectionExpression": projection,
        }
        if names:
            request["ExpressionAttributeNames"] = names
        rows = []
        while True:
            answer = self._dynamodb.query(**request)
            rows += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return rows
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _write_batch(self, table_name, requests):
        for attempt in range(ATTEMPTS):
            answer = self._dynamodb.batch_write_item(RequestItems={table_name: requests})
            requests = answer.get("UnprocessedItems", {}).get(table_name, [])
            if not requests:
                return
            time.sleep(PAUSE * 2**attempt)
        raise RuntimeError(f"DynamoDB left {len(requests)} items of the table {table_name!r} unwritten")


def _key(partition_key, index):
    return {"partition_key": {"S": partition_key}, "item_index": {"N": str(index)}}
