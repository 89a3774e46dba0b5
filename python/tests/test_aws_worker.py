"""Queue workers on AWS, and tasks on ECS and the PEXPM runner."""

import asyncio
import io
import json
import os
import sys
import tempfile
import time
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.dirname(__file__))

from fakes import Queue, States  # noqa: E402

from stepwright_fluxio import TaskWorker  # noqa: E402
from stepwright_fluxio.aws import dead_letters, ecs, runner, task  # noqa: E402
from stepwright_fluxio.aws.worker import Worker  # noqa: E402


def message(name, data):
    attribute = {"DataType": "String", "StringValue": "one"}
    return {
        "ReceiptHandle": name,
        "Body": json.dumps({"Input": data, "TaskToken": "token " + name}),
        "MessageAttributes": {"SFN_EXECUTION_NAME": attribute, "SFN_STATE_MACHINE_NAME": attribute},
    }


class Handler(TaskWorker):
    def __init__(self):
        self.log = []
        self.together = 0
        self.most = 0

    async def on_startup(self):
        self.log.append("startup")

    async def on_cleanup(self):
        self.log.append("cleanup")

    async def run(self, event, context):
        self.together += 1
        self.most = max(self.most, self.together)
        # A handler that computes keeps the event loop busy.
        time.sleep(event.get("blocking", 0))
        try:
            await asyncio.sleep(event.get("seconds", 0.01))
        finally:
            self.together -= 1
        if "error" in event:
            raise KeyError(event["error"])
        if "stop" in event:
            return await context.stop_execution(error=event["stop"])
        return event.get("output", context.execution_name)


class Workers(unittest.TestCase):
    def setUp(self):
        self.states = States()
        self.handler = Handler()
        environment = {"STEPWRIGHT_EXECUTIONS": "arn:aws:states:eu-west-1:1:execution"}
        for patch in (
            mock.patch.dict(os.environ, environment),
            mock.patch("stepwright_fluxio.aws.context.client", return_value=self.states),
            mock.patch("traceback.print_exc"),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def work(self, queue, seconds=0.5, grace=5, until=None, **options):
        async def work():
            worker = Worker(self.handler, "Foo", "url", sqs=queue, states=self.states, **options)
            working = asyncio.ensure_future(worker.run(grace))
            for _ in range(int(seconds / 0.02)):
                await asyncio.sleep(0.02)
                if until and until():
                    break
            worker.stopping.set()
            await working

        asyncio.run(work())

    def told(self):
        return {request["taskToken"]: (operation, request) for operation, request in self.states.calls}

    def test_messages_are_handled_and_deleted(self):
        queue = Queue(message("a", {"output": {"n": 1}}), message("b", {"error": "why"}))
        self.work(queue, until=lambda: len(queue.deleted) == 2)
        told = self.told()
        self.assertEqual(told["token a"], ("send_task_success", {"taskToken": "token a", "output": '{"n": 1}'}))
        self.assertEqual(told["token b"][1], {"taskToken": "token b", "error": "KeyError", "cause": "'why'"})
        self.assertEqual(sorted(queue.deleted), ["a", "b"])
        self.assertEqual(self.handler.log, ["startup", "cleanup"])

    def test_no_more_at_a_time_than_may_be(self):
        queue = Queue(*(message(str(number), {"seconds": 0.05}) for number in range(9)))
        self.work(queue, seconds=3, until=lambda: len(queue.deleted) == 9, concurrency=3)
        self.assertEqual(len(queue.deleted), 9)
        self.assertEqual(self.handler.most, 3)
        self.assertEqual(queue.most, 3)

    def test_heartbeats_hide_the_message_for_two_intervals(self):
        queue = Queue(message("a", {"seconds": 0.35}))
        self.work(queue, seconds=2, until=lambda: queue.deleted, interval=0.1)
        self.assertGreaterEqual(len(queue.visibilities), 2)
        self.assertEqual({name for name, _ in queue.visibilities}, {"a"})

    def test_a_handler_that_blocks_keeps_its_heartbeat(self):
        queue = Queue(message("a", {"blocking": 0.5}))
        self.work(queue, seconds=2, until=lambda: queue.deleted, interval=0.1)
        self.assertGreaterEqual(len(queue.visibilities), 3)
        self.assertEqual(queue.deleted, ["a"])

    def test_what_is_at_work_is_finished(self):
        queue = Queue(message("a", {"seconds": 0.3}))
        self.work(queue, seconds=0.1)
        self.assertEqual(queue.deleted, ["a"])
        self.assertEqual(self.handler.log, ["startup", "cleanup"])

    def test_what_is_not_finished_in_time_goes_back(self):
        queue = Queue(message("a", {"seconds": 30}))
        self.work(queue, seconds=0.2, grace=0.1)
        self.assertEqual((queue.deleted, queue.visibilities), ([], [("a", 0)]))
        self.assertEqual(self.told(), {})
        self.assertEqual(self.handler.log, ["startup", "cleanup"])

    def test_stopping_the_execution(self):
        queue = Queue(message("a", {"stop": "Off"}))
        self.work(queue, until=lambda: queue.deleted)
        arn = "arn:aws:states:eu-west-1:1:execution:one:one"
        self.assertEqual(self.states.calls, [("stop_execution", {"executionArn": arn, "error": "Off"})])

    def test_nobody_waits_any_more(self):
        self.states.refusals["send_task_success"] = "TaskTimedOut"
        queue = Queue(message("a", {}))
        with mock.patch("sys.stderr", io.StringIO()):
            self.work(queue, until=lambda: queue.deleted)
        self.assertEqual(queue.deleted, ["a"])

    def test_an_output_that_is_too_large_fails_the_task(self):
        self.states.refusals["send_task_success"] = "InvalidOutput"
        queue = Queue(message("a", {}))
        self.work(queue, until=lambda: queue.deleted)
        self.assertEqual(self.told()["token a"][1]["error"], "States.DataLimitExceeded")

    def test_without_step_functions_the_message_stays(self):
        self.states.refusals["send_task_success"] = "ThrottlingException"
        queue = Queue(message("a", {}))
        self.work(queue, until=lambda: self.states.calls)
        self.assertEqual((queue.deleted, list(queue.hidden)), ([], ["a"]))


class DeadLetters(unittest.TestCase):
    def setUp(self):
        self.states = States()
        patch = mock.patch.object(dead_letters, "client", return_value=self.states)
        patch.start()
        self.addCleanup(patch.stop)

    def handle(self, *bodies):
        source = "arn:aws:sqs:eu-west-1:1:dev-shop-Foo-dead.fifo"
        records = [
            {"messageId": str(index), "body": body, "eventSourceARN": source} for index, body in enumerate(bodies)
        ]
        with mock.patch("builtins.print"):
            answer = dead_letters.handler({"Records": records}, None)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def test_tasks_fail(self):
        self.assertEqual(self.handle('{"TaskToken": "a"}', "nonsense", "[]", '{"TaskToken": "b"}'), [])
        tokens = [(request["taskToken"], request["error"]) for _, request in self.states.calls]
        self.assertEqual(tokens, [("a", "States.TaskFailed"), ("b", "States.TaskFailed")])

    def test_nobody_waits_any_more(self):
        self.states.refusals["send_task_failure"] = "TaskTimedOut"
        self.assertEqual(self.handle('{"TaskToken": "a"}'), [])

    def test_what_cannot_be_told_comes_again(self):
        self.states.refusals["send_task_failure"] = "ThrottlingException"
        self.assertEqual(self.handle('"x"', '{"TaskToken": "a"}', '{"TaskToken": "b"}'), ["1", "2"])


class Alone(unittest.TestCase):
    """Tasks whose input is in the environment."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        path = mock.patch.object(task, "folder", return_value=self.folder)
        path.start()
        self.addCleanup(path.stop)
        self.addCleanup(sys.path.remove, self.folder)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def environment(self, value):
        names = {"SFN_EXECUTION_NAME": "one", "SFN_STATE_MACHINE_NAME": "dev-shop-main", "STEPWRIGHT_TASK": "Foo"}
        return mock.patch.dict(os.environ, names | {"SFN_INPUT_VALUE": value})

    def test_ecs(self):
        # Annotations name what nobody imports.
        method = "    async def run(event: Dict, context: Context):\n        assert event['n'] == 1\n"
        self.write("fluxio_task.py", "if True:\n" + method)
        with self.environment('{"n": 1}'):
            self.assertEqual(ecs.main(), 0)
        with self.environment('{"n": 2}'), mock.patch("traceback.print_exc") as printed:
            self.assertEqual(ecs.main(), 1)
            printed.assert_called_once()

    def test_runner(self):
        method = "async def run(event, context):\n    print('noise')\n    return [event, context.task_name]\n"
        self.write("fluxio_task.py", method)
        self.write("fluxio_settings.py", 'PROJECT = "shop"\nTASK = "Foo"\nMACHINES = ["main"]\n')
        service = mock.Mock()
        service.get_caller_identity.return_value = {"Arn": "arn:aws-cn:sts::7:x", "Account": "7"}
        service.meta.region_name = "cn-north-1"
        output, error = io.StringIO(), io.StringIO()
        with self.environment('{"n": 1}'), mock.patch.object(runner, "client", return_value=service):
            with mock.patch("sys.stdout", output), mock.patch("sys.stderr", error):
                runner.main()
            self.assertEqual(os.environ["STEPWRIGHT_STATE_DATA_TABLE"], "dev-shop-state-data")
            self.assertEqual(os.environ["STEPWRIGHT_EXECUTIONS"], "arn:aws-cn:states:cn-north-1:7:execution")
        self.assertEqual(json.loads(output.getvalue()), [{"n": 1}, "Foo"])
        self.assertEqual(error.getvalue(), "noise\n")


if __name__ == "__main__":
    unittest.main()
