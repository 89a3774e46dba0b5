"""The entry point of queue workers: `python -m stepwright_fluxio.worker`.

Messages come on standard input, one JSON object a line: `id`, `body`, `meta`. Answers go to what was
standard output: `{"ready": true}` first, then for each message `heartbeat`s and one of `output`,
`error` with `cause`, or `stop`. What the worker prints goes to standard error.
"""

import asyncio
import importlib
import json
import os
import sys
import threading
import traceback

from . import task
from .context import TaskContext
from .worker_base import Heartbeats


class Answers:
    """The pipe back to whoever sends messages."""

    def __init__(self):
        # Heartbeats are sent by a thread of their own.
        self._lock = threading.Lock()
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def send(self, **answer):
        line = json.dumps(answer, ensure_ascii=True, allow_nan=False) + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()


def load(spec):
    """The class that `package.module:Class` names."""
    task.prepare_path()
    module_name, _, class_name = spec.partition(":")
    return getattr(importlib.import_module(module_name), class_name)


async def handle(worker, answers, message, interval):
    """Handles one message."""
    identity = message["id"]
    context = TaskContext(os.environ["STEPWRIGHT_TASK"], message["meta"])
    beating = Heartbeats(interval, lambda: answers.send(id=identity, heartbeat=True)) if interval else None
    try:
        output = await worker.run(message["body"], context)
        if context.stopped is not None:
            answers.send(id=identity, stop={"error": context.stopped.error, "cause": context.stopped.cause})
        else:
            answers.send(id=identity, output=output)
    except Exception as problem:
        traceback.print_exc()
        answers.send(id=identity, error=type(problem).__name__, cause=str(problem))
    finally:
        if beating:
            beating.end()
        context.close()


def read_lines(loop, queue):
    for line in sys.stdin:
        loop.call_soon_threadsafe(queue.put_nowait, line)
    loop.call_soon_threadsafe(queue.put_nowait, None)


async def main():
    answers = Answers()
    interval = float(os.environ.get("STEPWRIGHT_HEARTBEAT") or 0)
    worker = load(os.environ["STEPWRIGHT_SPEC"])()
    await worker.on_startup()
    queue = asyncio.Queue()
    threading.Thread(target=read_lines, args=(asyncio.get_running_loop(), queue), daemon=True).start()
    answers.send(ready=True)
    tasks = set()
    while True:
        line = await queue.get()
        if line is None:
            break
        handling = asyncio.ensure_future(handle(worker, answers, json.loads(line), interval))
        tasks.add(handling)
        handling.add_done_callback(tasks.discard)
    for handling in list(tasks):
        handling.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await worker.on_cleanup()


if __name__ == "__main__":
    asyncio.run(main())
