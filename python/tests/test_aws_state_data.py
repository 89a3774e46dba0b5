"""State data in DynamoDB, and the context of tasks on AWS."""

import asyncio
import os
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.dirname(__file__))

from fakes import Dynamo, States  # noqa: E402

from stepwright_fluxio import ItemNotFound, ItemTooLarge  # noqa: E402
from stepwright_fluxio.aws import task  # noqa: E402
from stepwright_fluxio.aws.context import AwsTaskContext  # noqa: E402
from stepwright_fluxio.aws.state_data import DynamoStateDataClient  # noqa: E402
from stepwright_fluxio.state_data import execution_id  # noqa: E402

META = {"sfn_execution_name": "one", "sfn_state_machine_name": "dev-shop-main"}


class StateData(unittest.TestCase):
    def setUp(self):
        self.dynamo = Dynamo()
        self.client = self.open("one")

    def open(self, execution):
        return DynamoStateDataClient("project", execution_id("main", execution), 7, self.dynamo)

    def test_items_come_back(self):
        place = self.client.put_item("jerry", {"name": "jerry"})
        self.assertEqual(place, {"key": "jerry", "partition_key": "main:one:jerry", "table_name": "project"})
        self.assertEqual(self.client.get_item("jerry"), {"name": "jerry"})
        self.client.put_item("jerry", [1.5, 2**70, None], index=24)
        self.assertEqual(self.client.get_item("jerry", index=24), [1.5, 2**70, None])
        self.assertEqual(self.client.get_item("jerry"), {"name": "jerry"})
        self.client.close()

    def test_lists_are_kept_item_by_item(self):
        names = [f"name {number}" for number in range(60)]
        with mock.patch("time.sleep"):
            place = self.client.put_items("names", names[:10])
            self.assertEqual(place["items"], list(range(10)))
            self.dynamo.taken = 25
            self.client.put_items("names", names)
        self.assertEqual(self.client.get_items("names"), names)
        self.client.put_items("names", ["z"])
        self.assertEqual(self.client.get_items("names"), ["z"])
        with self.assertRaises(ItemNotFound):
            self.client.get_item("names", index=1)

    def test_what_dynamodb_never_takes_is_an_error(self):
        self.dynamo.taken = 0
        with mock.patch("time.sleep"), self.assertRaises(RuntimeError):
            self.client.put_items("names", ["a"])

    def test_executions_do_not_meet_but_globally(self):
        place = self.client.put_items("names", ["a", "b"])
        other = self.open("two")
        with self.assertRaises(ItemNotFound):
            other.get_item("names", index=0)
        event = {
            "items_result_table_name": place["table_name"],
            "items_result_partition_key": place["partition_key"],
            "items_result_key": place["key"],
            "context_index": 1,
            "context_value": 1,
        }
        self.assertEqual(self.client.get_item_for_map_iteration(event), "b")
        self.assertEqual(other.get_global_item_for_map_iteration(event), "b")

    def test_what_dynamodb_refuses_is_refused(self):
        with self.assertRaises(ItemTooLarge):
            self.client.put_items("big", ["small", "x" * (400 * 1024 - 10)])
        self.assertEqual(self.client.get_items("big"), [])
        with self.assertRaises(ValueError):
            self.client.put_item("nan", float("nan"))

    def test_items_expire(self):
        with mock.patch("time.time", return_value=1000.0):
            self.client.put_item("jerry", 1)
        [item] = self.dynamo.tables["project"].values()
        self.assertEqual(item["expires_at"], {"N": str(1000 + 7 * 24 * 60 * 60)})


class Context(unittest.TestCase):
    def setUp(self):
        self.states = States()
        for patch in (
            mock.patch("stepwright_fluxio.aws.context.client", return_value=self.states),
            mock.patch.dict(os.environ, {"STEPWRIGHT_EXECUTIONS": "arn:aws:states:eu-west-1:1:execution"}),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def stop(self, event, context):
        return context.stop_execution(error="Off", cause="x" * 40_000)

    def call(self, run):
        loop = task.new_loop()
        self.addCleanup(loop.close)
        return task.call(loop, run, "Foo", {"n": 1}, META)

    def test_results_are_given_back(self):
        async def run(event, context):
            return [event["n"], context.task_name, context.execution_name]

        self.assertEqual(self.call(run), [1, "Foo", "one"])
        self.assertEqual(self.states.calls, [])

    def test_stopping_stops_the_execution(self):
        self.assertIsNone(self.call(self.stop))
        arn = "arn:aws:states:eu-west-1:1:execution:dev-shop-main:one"
        request = {"executionArn": arn, "error": "Off", "cause": "x" * 32768}
        self.assertEqual(self.states.calls, [("stop_execution", request)])

    def test_an_execution_may_have_been_stopped_by_another_task(self):
        self.states.refusals["stop_execution"] = "ExecutionDoesNotExist"
        self.assertIsNone(self.call(self.stop))
        self.states.refusals["stop_execution"] = "AccessDeniedException"
        with self.assertRaises(Exception):
            self.call(self.stop)

    def test_the_state_data_are_those_of_the_environment(self):
        with mock.patch.dict(os.environ, {"STEPWRIGHT_STATE_DATA_TABLE": "dev-shop-state-data"}):
            client = AwsTaskContext("Foo", META).state_data_client
        self.assertEqual((client.table_name, client.execution), ("dev-shop-state-data", "dev-shop-main:one"))

    def test_asynchronous_stop(self):
        context = AwsTaskContext("Foo", META)
        asyncio.run(context.stop_execution())
        self.assertTrue(context.end_execution())
        self.assertEqual(set(self.states.calls[0][1]), {"executionArn"})


if __name__ == "__main__":
    unittest.main()
