"""The entry point of queue workers: `python -m stepwright_fluxio.aws.worker`.

One object of the worker's class handles messages, several at a time if `concurrency` is above 1. A message
stays hidden from other workers while heartbeats are sent. On SIGTERM no more messages are taken, those at
work may be finished, and what is not finished in time goes back to the queue.
"""

import asyncio
import concurrent.futures
import importlib
import json
import math
import os
import signal
import sys
import traceback

from ..worker_base import Heartbeats
from . import task
from .clients import client, error_code
from .context import AwsTaskContext, failure

#: How long one question for messages waits for some, in seconds; SQS's longest.
WAIT = 20

#: How many messages SQS gives at once.
MOST_MESSAGES = 10

#: How long messages may be finished after SIGTERM, in seconds. ECS kills the task after 120, and a question
#: for messages may have to be waited for.
GRACE = 90

#: How long to wait after SQS could not be reached, in seconds.
PAUSE = 5

#: Step Functions no longer waits for the task: the message is of no use to anyone.
OVER = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}

#: The output is not one that Step Functions takes.
REFUSED = {"InvalidOutput", "ValidationException"}


class Worker:
    """Takes messages from the queue of a task and handles them."""

    def __init__(self, handler, name, queue_url, concurrency=1, interval=None, sqs=None, states=None):
        """`handler` is an object of the worker's class; `interval` is that of heartbeats, in seconds."""
        self.handler = handler
        self.name = name
        self.queue_url = queue_url
        self.concurrency = concurrency
        self.interval = interval
        self.stopping = asyncio.Event()
        self._sqs = sqs or client("sqs")
        self._states = states or client("stepfunctions")
        # One thread asks for messages; each message may send its heartbeat or its result.
        self._threads = concurrent.futures.ThreadPoolExecutor(concurrency * 2 + 1)
        self._busy = set()

    async def run(self, grace=GRACE):
        """Handles messages until `stopping` is set, and then those that are at work."""
        await self.handler.on_startup()
        try:
            while not self.stopping.is_set():
                for message in await self._receive():
                    handling = asyncio.ensure_future(self._handle(message))
                    self._busy.add(handling)
                    handling.add_done_callback(self._busy.discard)
                await self._room()
            if self._busy:
                await asyncio.wait(self._busy, timeout=grace)
            left = list(self._busy)
            for handling in left:
                handling.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        finally:
            await self.handler.on_cleanup()
            self._threads.shutdown(wait=False)

    async def _receive(self):
        """The next messages, as many as there is room for; none once the worker is stopping."""
        room = min(MOST_MESSAGES, self.concurrency - len(self._busy))
        asking = asyncio.ensure_future(
            self._call(
                self._sqs.receive_message,
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=room,
                MessageAttributeNames=["All"],
                WaitTimeSeconds=WAIT,
            )
        )
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            # The question is on its way: what it brings goes back to the queue.
            messages = await self._answer(asking)
            for message in messages:
                await self._hide(message, 0)
            return []
        stopping.cancel()
        messages = await self._answer(asking)
        if messages is None:
            await self._pause()
        return messages or []

    async def _answer(self, asking):
        try:
            return (await asking).get("Messages", [])
        except Exception:
            traceback.print_exc()
            return [] if self.stopping.is_set() else None

    async def _pause(self):
        try:
            await asyncio.wait_for(self.stopping.wait(), PAUSE)
        except asyncio.TimeoutError:
            pass

    async def _room(self):
        """Waits until a message more can be handled."""
        stopping = asyncio.ensure_future(self.stopping.wait())
        while len(self._busy) >= self.concurrency and not self.stopping.is_set():
            await asyncio.wait(self._busy | {stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()

    async def _handle(self, message):
        beating = Heartbeats(self.interval, lambda: self._beat(message)) if self.interval else None
        try:
            await self._settle(message)
            await self._call(self._sqs.delete_message, **self._handle_of(message))
        except asyncio.CancelledError:
            # No heartbeat may hide the message again.
            await self._end(beating)
            await self._hide(message, 0)
        except Exception:
            # Step Functions or SQS could not be reached: another worker will have the message.
            traceback.print_exc()
        finally:
            await self._end(beating)

    async def _end(self, beating):
        if beating:
            # A heartbeat that is under way may take a while.
            await asyncio.get_running_loop().run_in_executor(None, beating.end)

    async def _settle(self, message):
        """Runs the task of a message, and tells Step Functions what came of it."""
        token = None
        try:
            body = json.loads(message["Body"])
            token = body["TaskToken"]
            context = AwsTaskContext(self.name, meta_of(message))
            output = await self.handler.run(body.get("Input"), context)
            if context.stopped is not None:
                await self._call(context.end_execution)
                return
            text = json.dumps(output, allow_nan=False)
        except Exception as problem:
            traceback.print_exc()
            if token is not None:
                await self._fail(token, type(problem).__name__, str(problem))
            return
        try:
            await self._tell(self._states.send_task_success, taskToken=token, output=text)
        except Exception as problem:
            if error_code(problem) not in REFUSED:
                raise
            await self._fail(token, "States.DataLimitExceeded", str(problem))

    async def _fail(self, token, error, cause):
        await self._tell(self._states.send_task_failure, taskToken=token, **failure(error, cause))

    async def _tell(self, method, **request):
        try:
            await self._call(method, **request)
        except Exception as problem:
            if error_code(problem) not in OVER:
                raise
            print("the state machine no longer waits for the task:", error_code(problem), file=sys.stderr)

    def _beat(self, message):
        """Keeps a message from other workers: each heartbeat hides it for two intervals."""
        self._sqs.change_message_visibility(**self._hiding(message, self.interval * 2))

    def _hiding(self, message, seconds):
        return self._handle_of(message) | {"VisibilityTimeout": math.ceil(seconds)}

    async def _hide(self, message, seconds):
        try:
            await self._call(self._sqs.change_message_visibility, **self._hiding(message, seconds))
        except Exception:
            # It will be tried at the next heartbeat, or the message becomes visible by itself.
            traceback.print_exc()

    def _handle_of(self, message):
        return {"QueueUrl": self.queue_url, "ReceiptHandle": message["ReceiptHandle"]}

    async def _call(self, method, **request):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: method(**request))


def meta_of(message):
    """The metadata that the state machine puts into the attributes of a message."""
    attributes = message.get("MessageAttributes", {})
    return {name.lower(): value.get("StringValue") for name, value in attributes.items()}


def load(spec):
    """The class that `package.module:Class` names."""
    if task.folder() not in sys.path:
        sys.path.insert(0, task.folder())
    module_name, _, class_name = spec.partition(":")
    return getattr(importlib.import_module(module_name), class_name)


async def main():
    """Runs the worker of the environment until SIGTERM."""
    interval = float(os.environ.get("STEPWRIGHT_HEARTBEAT") or 0)
    worker = Worker(
        load(os.environ["STEPWRIGHT_SPEC"])(),
        os.environ["STEPWRIGHT_TASK"],
        os.environ["STEPWRIGHT_QUEUE_URL"],
        int(os.environ.get("STEPWRIGHT_CONCURRENCY") or 1),
        interval or None,
    )
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, worker.stopping.set)
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
