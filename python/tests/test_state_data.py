"""Run with `python -m unittest discover python/tests` from the root of the repository."""

import asyncio
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from stepwright_fluxio import ItemNotFound, ItemTooLarge, StateDataClient, TaskContext  # noqa: E402


class StateData(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "state.db")
        self.client = self.open("one")

    def open(self, execution):
        client = StateDataClient(self.path, "project", execution)
        self.addCleanup(client.close)
        return client

    def test_items_come_back(self):
        place = self.client.put_item("jerry", {"name": "jerry"})
        self.assertEqual(place, {"key": "jerry", "partition_key": "one:jerry", "table_name": "project"})
        self.assertEqual(self.client.get_item("jerry"), {"name": "jerry"})
        self.client.put_item("jerry", [1], index=24)
        self.assertEqual(self.client.get_item("jerry", index=24), [1])
        self.assertEqual(self.client.get_item("jerry"), {"name": "jerry"})

    def test_lists_are_kept_item_by_item(self):
        place = self.client.put_items("names", ["a", "b", "c"])
        self.assertEqual(place["items"], [0, 1, 2])
        self.assertEqual(self.client.get_items("names"), ["a", "b", "c"])
        self.client.put_items("names", ["z"])
        self.assertEqual(self.client.get_items("names"), ["z"])
        with self.assertRaises(ItemNotFound):
            self.client.get_item("names", index=1)

    def test_executions_do_not_meet_but_globally(self):
        place = self.client.put_items("names", ["a", "b"])
        other = self.open("two")
        with self.assertRaises(ItemNotFound):
            other.get_item("names", index=0)
        self.assertEqual(other.get_global_item(place["partition_key"], place["table_name"], 1), "b")

    def test_iterations_find_their_item(self):
        place = self.client.put_items("names", ["a", "b"])
        event = {
            "items_result_table_name": place["table_name"],
            "items_result_partition_key": place["partition_key"],
            "items_result_key": place["key"],
            "context_index": 1,
            "context_value": 1,
        }
        self.assertEqual(self.client.get_item_for_map_iteration(event), "b")
        self.assertEqual(self.open("two").get_global_item_for_map_iteration(event), "b")
        plain = {"items_result_key": None, "items_result_partition_key": None, "context_value": {"n": 1}}
        self.assertEqual(self.client.get_item_for_map_iteration(plain), {"n": 1})
        self.assertEqual(self.client.get_global_item_for_map_iteration(plain), {"n": 1})

    def test_what_dynamodb_refuses_is_refused(self):
        with self.assertRaises(ItemTooLarge):
            self.client.put_item("big", "x" * 500_000)
        with self.assertRaises(ValueError):
            self.client.put_item("nan", float("nan"))

    def test_stopping_is_noted(self):
        context = TaskContext("Foo", {"sfn_execution_name": "one"})
        asyncio.run(context.stop_execution(error="Off", cause="the flag is off"))
        self.assertEqual((context.stopped.error, context.stopped.cause), ("Off", "the flag is off"))


if __name__ == "__main__":
    unittest.main()
