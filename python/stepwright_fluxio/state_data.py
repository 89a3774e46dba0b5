"""The state data of executions, kept in one SQLite file instead of a DynamoDB table."""

import json
import sqlite3
import threading

#: What DynamoDB takes for one item, in bytes.
MOST_BYTES = 400 * 1024

#: How long one process waits for another to finish writing, in seconds.
PATIENCE = 30

SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    table_name TEXT NOT NULL,
    partition_key TEXT NOT NULL,
    item_index INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (table_name, partition_key, item_index)
)
"""

#: The index of an item that is no part of a list.
ALONE = -1


class ItemNotFound(KeyError):
    """There is no such item."""

    def __str__(self):
        return self.args[0]


class ItemTooLarge(ValueError):
    """An item has more than 400 KB."""


class StateDataClient:
    """Puts and gets items.

    Local methods take a key, and mean the items of this execution. Global ones take a partition key
    and a table name, as the `put_*` methods give them, and reach those of any execution and project.
    """

    def __init__(self, path, table_name, execution):
        """`path` is the SQLite file, `table_name` the project's table, `execution` what `execution_id` gives."""
        self.table_name = table_name
        self.execution = execution
        # Tasks may use the client in threads of their own.
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(SCHEMA)

    def close(self):
        """Closes the file."""
        self._connection.close()

    def put_item(self, key, data, index=None):
        """Puts an item, alone or at a place in a list. Gives back where it is."""
        return self.put_global_item(self._partition_key(key), self.table_name, data, index) | {"key": key}

    def put_items(self, key, items):
        """Puts each item of a list at its index. What it gives back can be given to `map`."""
        return self.put_global_items(self._partition_key(key), self.table_name, items) | {"key": key}

    def get_item(self, key, index=None):
        """The data of an item."""
        return self.get_global_item(self._partition_key(key), self.table_name, index)

    def get_items(self, key):
        """The data of all items of a list, in order."""
        return self.get_global_items(self._partition_key(key), self.table_name)

    def get_item_for_map_iteration(self, event):
        """The item that an iteration of a `map` is about."""
        if event.get("items_result_key") is None:
            # The map went over a plain list: the item is in the event.
            return event["context_value"]
        return self.get_item(event["items_result_key"], event["context_index"])

    def put_global_item(self, partition_key, table_name, data, index=None):
        """Puts an item anywhere."""
        self._write(table_name, partition_key, [(ALONE if index is None else int(index), data)])
        return _place(partition_key, table_name)

    def put_global_items(self, partition_key, table_name, items):
        """Puts a list of items anywhere."""
        items = list(items)
        self._write(table_name, partition_key, list(enumerate(items)), replace=True)
        return _place(partition_key, table_name) | {"items": list(range(len(items)))}

    def get_global_item(self, partition_key, table_name, index=None):
        """The data of an item of any execution."""
        query = "SELECT data FROM items WHERE table_name = ? AND partition_key = ? AND item_index = ?"
        place = (table_name, partition_key, ALONE if index is None else int(index))
        with self._lock:
            row = self._connection.execute(query, place).fetchone()
        if row is None:
            at = "" if index is None else f" at index {index}"
            raise ItemNotFound(f"there is no item {partition_key!r}{at} in the table {table_name!r}")
        return json.loads(row[0])

    def get_global_items(self, partition_key, table_name):
        """The data of all items of a list of any execution."""
        query = (
            "SELECT data FROM items WHERE table_name = ? AND partition_key = ? AND item_index >= 0"
            " ORDER BY item_index"
        )
        with self._lock:
            rows = self._connection.execute(query, (table_name, partition_key)).fetchall()
        return [json.loads(row[0]) for row in rows]

    def get_global_item_for_map_iteration(self, event):
        """The item that an iteration is about, of whatever project the list came from."""
        if event.get("items_result_partition_key") is None:
            return event["context_value"]
        return self.get_global_item(
            event["items_result_partition_key"], event["items_result_table_name"], event["context_index"]
        )

    def _partition_key(self, key):
        return f"{self.execution}:{key}"

    def _write(self, table_name, partition_key, items, replace=False):
        rows = []
        for index, data in items:
            text = json.dumps(data, ensure_ascii=False, allow_nan=False)
            size = len(text.encode("utf-8"))
            if size > MOST_BYTES:
                raise ItemTooLarge(f"the item {partition_key!r} has {size} bytes; DynamoDB takes {MOST_BYTES}")
            rows.append((table_name, partition_key, index, text))
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if replace:
                    # A shorter list leaves nothing of a longer one.
                    self._connection.execute(
                        "DELETE FROM items WHERE table_name = ? AND partition_key = ? AND item_index >= 0",
                        (table_name, partition_key),
                    )
                self._connection.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)", rows)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def execution_id(state_machine_name, execution_name):
    """What no two executions have in common: machines may have executions of the same name."""
    return f"{state_machine_name}:{execution_name}"


def _place(partition_key, table_name):
    key = partition_key.split(":", 2)[-1]
    return {"key": key, "partition_key": partition_key, "table_name": table_name}
